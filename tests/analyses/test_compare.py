"""Comparing, solving and explaining."""

from __future__ import annotations

from pathlib import Path

import pytest

import archc
from archc.analyses.compare import compare
from archc.analyses.fit import Unreachable, fit
from archc.analyses.parameters import arch_definition, parameters
from archc.analyses.provenance import NotFound, why


def test_a_network_is_the_same_as_itself() -> None:
    graph = archc.load("resnet50")
    assert all(change.same for change in compare(graph, archc.load("resnet50")))


def test_what_makes_resnext_of_resnet() -> None:
    changes = {c.name: c for c in compare(archc.load("resnet50"), archc.load("resnext50_32x4d"))}
    assert changes["stem"].same
    assert changes["head"].same
    assert changes["s3"].changes[:2] == ("groups 1 → 32", "ratio 0.25 → 0.5")
    assert changes["s3"].first == changes["s3"].second == "6 × bottleneck"


def test_depth_width_block_and_ops_are_told() -> None:
    changes = {c.name: c for c in compare(archc.load("resnet18"), archc.load("resnet101"))}
    assert (changes["s3"].first, changes["s3"].second) == ("2 × basic_block", "23 × bottleneck")
    assert "output 256×14×14 → 1024×14×14" in changes["s3"].changes
    changed = {c.name: c for c in compare(archc.load("vgg11"), archc.load("vgg11_bn"))}
    told = [text for c in changed.values() for text in c.changes]
    assert any(text.startswith("with batch_norm") for text in told), told


def test_sections_only_one_network_has() -> None:
    changes = {c.name: c for c in compare(archc.load("resnet50"), archc.load("unet"))}
    assert (changes["stem"].second, changes["bridge"].first) == ("", "")
    assert not changes["bridge"].same


def macs(value: float) -> int | None:
    return int(1000 * value * value)


def test_fit_finds_the_value() -> None:
    found = fit(macs, 250_000, whole=False)
    assert found.value == pytest.approx(15.81, abs=0.01)
    assert found.figure == pytest.approx(250_000, rel=1e-3)
    assert found.monotone
    assert found.below is not None
    assert found.above is not None
    assert found.below[1] <= 250_000 < found.above[1]


def test_fit_of_an_int_takes_the_nearest() -> None:
    assert fit(macs, 260_000, whole=True).value == 16
    assert fit(macs, 240_000, whole=True).value == 15
    assert fit(macs, 1000, whole=True, start=64).value == 1


def test_fit_keeps_within_bounds_and_says_what_is_out_of_reach() -> None:
    with pytest.raises(Unreachable) as failure:
        fit(macs, 10_000_000, whole=True, low=2, high=50)
    assert failure.value.highest == (50, 2_500_000)
    with pytest.raises(Unreachable) as failure:
        fit(lambda v: None, 10, whole=False)
    assert failure.value.lowest is None


def test_fit_goes_around_values_that_cannot_be_built() -> None:
    found = fit(lambda v: macs(v) if round(v) % 4 == 0 else None, 250_000, whole=True, start=4)
    assert found.value == 16


def test_fit_notices_what_does_not_grow() -> None:
    assert not fit(lambda v: int(1000 + 500 * ((v * 7) % 3) + v * 100), 3000, whole=True, start=2).monotone


def test_parameters_of_a_spec() -> None:
    known = parameters("mobilenet_v2")
    assert (known["width"].type, known["width"].value) == ("float", 1.0)
    space = parameters("regnetx")
    assert (space["d"].type, space["d"].low, space["d"].high) == ("int", 12, 28)


# ---------------------------------------------------------------- why


def steps(spec: str, path: str) -> dict[str, object]:
    return {s.name: s.value for s in why(archc.load(spec), arch_definition(spec), path)}


def test_why_follows_names_to_the_spec() -> None:
    found = why(archc.load("nfnet_f0"), arch_definition("nfnet_f0"), "s3.0.conv2.groups")
    told = {s.name: s for s in found[1:]}
    assert found[0].value == 6
    assert told["mid"].value == 768
    assert told["mid"].text == "mid = round(width * ratio)"
    assert told["mid"].rules == ("round: to the nearest, halves to even",)
    assert told["width"].value == 1536
    assert "nf_block(1536, stride = 2)" in told["width"].text
    assert told["group_width"].text == "set group_width = 128"
    assert told["ratio"].text.endswith("the default of nf_block")


def test_why_follows_variants_loops_and_functions() -> None:
    found = steps("regnety_004", "s3.1.bottleneck.conv2.channels")
    assert found["s3.1.bottleneck.conv2.channels"] == 208
    assert found["width in"] == [(1, 48, 8), (3, 104, 8), (6, 208, 8), (6, 440, 8)]
    assert (found["wa"], found["d"], found["rounding"]) == (27.89, 16, "pycls")
    assert "nearest_multiple" in found


def test_why_knows_shapes_standard_deviations_and_strides() -> None:
    found = why(archc.load("nfnet_f0"), arch_definition("nfnet_f0"), "s3.2.scale1.factor")
    assert found[0].value == pytest.approx(1 / 1.08**0.5)
    assert "standard deviation 1.03923" in found[-1].text
    assert steps("resnet50", "s2.0.conv2.stride")["stride"] == 2
    later = why(archc.load("resnet50"), arch_definition("resnet50"), "s2.1.conv2.stride")
    assert "stride is 1 from the second repetition on" in [s.text for s in later]
    assert steps("resnet50", "s2.0.conv2.macs")["s2.0.conv2.macs"] == 115_605_504
    assert steps("resnet50", "s2.0.width")["s2.0.width"] == 512


@pytest.mark.parametrize(
    "spec",
    ["resnet50", "wide_resnet50_2", "nfnet_f0", "efficientnet_b3", "unet", "googlenet", "nf_regnet_b1"],
)
def test_why_never_contradicts_the_graph(spec: str) -> None:
    """Every argument of every op explains itself, and what is evaluated again is what the graph has."""
    graph, target = archc.load(spec), arch_definition(spec)
    for node in graph.nodes[:: max(1, len(graph.nodes) // 25)]:
        for name, value in node.op.arguments().items():
            path = f"{graph.path(node)}.{name}"
            found = why(graph, target, path)
            assert found[0].value == value
            for step in found[1:2]:
                if step.name == name and isinstance(step.value, int | float) and not isinstance(value, str):
                    pair = value if isinstance(value, tuple) else (value,)
                    assert step.value in pair, (path, step)


def test_why_refuses_with_a_suggestion() -> None:
    graph, target = archc.load("resnet50"), arch_definition("resnet50")
    for path, part in (
        ("s2.0.conv9.stride", "has no `s2.0.conv9`"),
        ("s2.0.conv2.strides", "conv has no `strides`"),
        ("s2.0.widht", "has no `widht`"),
        ("s2.0.conv2", "ask for one of its numbers"),
    ):
        with pytest.raises(NotFound, match=part) as failure:
            why(graph, target, path)
        assert failure.value.help


def test_why_of_a_spec_with_parameters_given(tmp_path: Path) -> None:
    spec = tmp_path / "w.arch"
    spec.write_text(
        "arch w(width: int = 8) {\n  input 3 x 8 x 8\n  double = 2 * width\n  stem conv(double, 3)\n}\n",
        encoding="utf-8",
    )
    found = why(archc.load(spec, width=5), arch_definition(str(spec)), "stem.conv.channels")
    assert [(s.name, s.value) for s in found] == [
        ("stem.conv.channels", 10), ("channels", 10), ("double", 10), ("width", 5),
    ]  # fmt: skip
    assert "given on the command line" in found[-1].text


def test_why_tells_tensors_given_first_from_numbers(tmp_path: Path) -> None:
    spec = tmp_path / "tree.arch"
    spec.write_text(
        "block root(xs: list[tensor], width: int) { return concat(xs) -> conv(width, 1) }\n"
        "block unit(x, more: list[tensor], width: int, stride: int) {\n"
        "  y = x -> max_pool(stride)\n  return root([y] + more, width)\n}\n"
        "arch tree() {\n  input 3 x 8 x 8\n  stage { x = unit(x -> relu, [], 4, 2) }\n}\n",
        encoding="utf-8",
    )
    for path, lines in (("s1.unit.root.conv.channels", [1, 4, 8]), ("s1.unit.max_pool.kernel", [3, 8])):
        found = why(archc.load(spec), arch_definition(str(spec)), path)
        assert [s.span.source.position(s.span.start)[0] for s in found[1:] if s.span] == lines
        assert {str(s.value) for s in found[1:]} == ({"4"} if "conv" in path else {"2"})
