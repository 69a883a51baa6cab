"""Signal propagation, predicted and measured; the roofline and devices."""

from __future__ import annotations

from pathlib import Path

import pytest

import archc
from archc.analyses.parameters import arch_definition
from archc.analyses.reference_state import reference_variances
from archc.analyses.roofline import device, devices, roofline, traffic
from archc.analyses.signal import normaliser_free, points, warnings
from archc.diagnostics import ArchError, Diagnostic
from archc.measure.latency import measure_latency
from archc.measure.signal import measure_signal

WS = """
arch net() {{
  input 16 x 16 x 16
  stem ws_conv(64, 3)
  for i in 0..3 {{
    x = x + 0.2 * (x -> {branch} -> ws_conv(64, 3))
  }}
  head relu -> global_avg_pool -> linear(10)
}}
"""


def told(branch: str, directory: Path) -> tuple[Diagnostic, ...]:
    spec = directory / "net.arch"
    spec.write_text(WS.format(branch=branch), encoding="utf-8")
    graph = archc.load(spec)
    return warnings(graph, reference_variances(arch_definition(str(spec)), graph))


def test_predicted_variance_of_nfnet() -> None:
    graph = archc.load("nfnet_f0")
    found = points(graph, reference_variances(arch_definition("nfnet_f0"), graph))
    assert [p.path for p in found][:4] == ["stem", "s1.0", "s2.0", "s2.1"]
    blocks = [p.variance for p in found[1:-1]]
    assert blocks == pytest.approx([1.04, 1.04, 1.08, 1.04, 1.08, 1.12, 1.16, 1.2, 1.24, 1.04, 1.08, 1.12])
    assert all(p.branch_variance == pytest.approx(0.04) for p in found[1:-1])
    assert found[-1].variance == "linear"


@pytest.mark.parametrize(
    "name", ["nfnet_f0", "nfnet_f0_gamma_in_conv", "nf_resnet50", "nf_regnet_b1", "cifar_nf_resnet_16"]
)
def test_the_library_preserves_variance(name: str) -> None:
    graph = archc.load(name)
    assert normaliser_free(graph)
    assert warnings(graph, reference_variances(arch_definition(name), graph)) == ()


def test_nothing_is_said_of_networks_with_norms_or_without_sums() -> None:
    for name in ("resnet50", "squeezenet1_1", "convnext_tiny"):
        graph = archc.load(name)
        assert not normaliser_free(graph)
        assert warnings(graph, reference_variances(arch_definition(name), graph)) == ()


@pytest.mark.parametrize(
    ("branch", "message", "help"),
    [
        ("relu -> scale(1)", "relu at relu1 does not preserve the variance", "gamma = true"),
        ("relu(gamma = true) -> scale(0.9)", "reads a variance of 0.81, not 1", "1 / x.std"),
        ("relu(gamma = true)", "reads a variance of 1.04, not 1", "1 / x.std"),
        ("conv(64, 3)", "depends on its weights", "ws_conv"),
    ],
)
def test_what_is_not_preserved_is_named(branch: str, message: str, help: str, tmp_path: Path) -> None:
    (problem,) = told(branch, tmp_path)
    assert problem.code == "W0211"
    assert message in problem.message
    assert help in problem.help[0]
    assert problem.span.text in branch or "ws_conv" in problem.span.text


def test_a_right_branch_and_a_bare_gate(tmp_path: Path) -> None:
    assert told("relu(gamma = true) -> scale(1 / x.std)", tmp_path) == ()
    spec = tmp_path / "gate.arch"
    spec.write_text(
        "block gated(x) {\n"
        "  y = x -> ws_conv(16, 3)\n"
        "  return x + y * (y -> global_avg_pool(keepdim = true) -> conv(16, 1) -> sigmoid)\n"
        "}\n"
        "arch gate() {\n  input 16 x 8 x 8\n  stage 2 x gated\n}\n",
        encoding="utf-8",
    )
    graph = archc.load(spec)
    (problem,) = warnings(graph, reference_variances(arch_definition(str(spec)), graph))
    assert "the gate at s1.0.mul changes the variance" in problem.message


def test_measured_variance_follows_the_prediction(tmp_path: Path) -> None:
    """Independent pixels, no pools: within a tenth, what zero padding takes at the border."""
    spec = tmp_path / "net.arch"
    spec.write_text(
        WS.format(branch="relu(gamma = true) -> scale(1 / x.std)").replace(
            "for i in 0..3 {", "for i in 0..3 {\n    stage ws_conv(64, 1)"
        ),
        encoding="utf-8",
    )
    graph = archc.load(spec)
    variances = reference_variances(arch_definition(str(spec)), graph)
    sums = [n.id for n in graph.nodes if n.op.name == "add"]
    found = measure_signal(graph, sums, batch=16)
    assert sorted(found) == sums
    for node in sums:
        predicted = variances[node]
        assert isinstance(predicted, float)
        assert found[node].variance == pytest.approx(predicted, rel=0.15)
        assert found[node].mean_squared < 0.05


def test_measuring_does_not_touch_the_random_state() -> None:
    import torch

    graph = archc.load("squeezenet1_1", input=(3, 64, 64))
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first = measure_signal(graph, {1}, batch=2)
    assert torch.equal(torch.rand(1), expected)
    assert measure_signal(graph, {1}, batch=2) == first


# ---------------------------------------------------------------- roofline


def test_bounds_by_hand() -> None:
    graph = archc.load("resnet50")
    on = device("h200")
    times = {graph.path(t.node): t for t in roofline(graph, on, 8, "bfloat16")}
    conv = times["s2.0.conv2"]
    moved = 2 * (8 * (128 * 56 * 56 + 128 * 28 * 28) + 128 * 128 * 9)
    assert (conv.flops, conv.bytes) == (8 * 2 * 115_605_504, moved)
    assert conv.intensity == pytest.approx(conv.flops / moved)
    assert conv.seconds == pytest.approx(max(conv.flops / 989e12, moved / 4.8e12) + 3e-6)
    assert times["s1.0.add"].bytes == 2 * 8 * 3 * 256 * 56 * 56
    assert traffic(graph, graph.nodes[0]) == 4 * 3 * 224 * 224
    assert times["s1.0.add"].by == "memory"


def test_bigger_batches_take_longer_and_better_devices_less() -> None:
    graph = archc.load("resnet18")
    totals = [sum(t.seconds for t in roofline(graph, device("a100"), batch)) for batch in (1, 8, 64)]
    assert totals == sorted(totals)
    assert sum(t.seconds for t in roofline(graph, device("h200"), 64)) < totals[-1]


def test_devices_come_with_the_package_and_from_files(tmp_path: Path) -> None:
    assert {"h200", "a100", "cpu"} <= set(devices())
    for name in devices():
        assert device(name).bandwidth > 1e9
    mine = tmp_path / "mine.toml"
    mine.write_text("bandwidth = 1e11\n[peak]\nfloat32 = 1e12\n", encoding="utf-8")
    assert device(str(mine)).peak == {"float32": 1e12}


@pytest.mark.parametrize(
    "text", ["", "bandwidth = -1\n[peak]\nfloat32 = 1", "bandwidth = 'fast'\n[peak]", "peak = 3", "\x00"]
)
def test_bad_device_files_are_refused(text: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(text, encoding="utf-8")
    with pytest.raises(ArchError) as failure:
        device(str(bad))
    assert failure.value.diagnostics[0].code == "E0811"


def test_a_dtype_the_device_has_no_figure_for() -> None:
    with pytest.raises(ArchError, match="float16"):
        roofline(archc.load("resnet18"), device("cpu"), 1, "float16")


def test_latency_is_measured_for_every_node() -> None:
    graph = archc.load("squeezenet1_1", input=(3, 64, 64))
    found = measure_latency(graph, runs=2, warm=1)
    assert found.seconds > 0
    wanted = {n.id for n in graph.nodes if n.op.kind != "input"}
    assert set(found.nodes) == wanted
    assert all(seconds > 0 for seconds in found.nodes.values())
