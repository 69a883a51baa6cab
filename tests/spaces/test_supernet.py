"""Choices kept open: what they become, and where they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from archc.diagnostics import ArchError, Diagnostic
from archc.spaces.space import Request, Space
from archc.spaces.supernet import Supernet, supernet


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def kept(body: str, parameters: str = "", extra: str = "") -> Supernet:
    text = f"{extra}\narch net({parameters}) {{\n  input 3 x 8 x 8\n  stem conv(4, 3)\n{body}\n}}\n"
    Path("net.arch").write_text(text)
    return supernet(Space(Request("net.arch")))


def refused(body: str, parameters: str = "", extra: str = "") -> Diagnostic:
    with pytest.raises(ArchError) as caught:
        kept(body, parameters, extra)
    return caught.value.diagnostics[0]


def ops(found: Supernet) -> list[str]:
    return [node.op.name for node in found.graph.nodes]


def test_a_pick_of_ops_is_mixed() -> None:
    found = kept("  stage pick([conv(4, 1), relu, identity])")
    assert ops(found) == ["input", "conv", "conv", "relu", "mix"]
    mix = found.graph.nodes[-1]
    assert [found.graph.nodes[i].op.name for i in mix.inputs] == ["conv", "relu", "conv"]
    assert found.choices == {"s1.pick[0]": (3, 1)} or list(found.choices.values()) == [(3, 1)]
    assert len(found.mixes) == 1


def test_a_pick_of_tensors_is_mixed() -> None:
    found = kept("  y = x -> relu\n  x = pick([x, y, y -> tanh])")
    assert ops(found)[-1] == "mix" and len(found.graph.nodes[-1].inputs) == 3


def test_an_open_parameter_of_ops_is_mixed() -> None:
    assert "mix" in ops(kept("  stage f", "f: op in {relu, tanh}"))


def test_an_open_number_may_index_ops_and_tensors() -> None:
    by_op = kept("  stage [relu, tanh, identity][i]", "i: int in {0, 2}")
    assert ops(by_op)[2:] == ["relu", "mix"]
    by_tensor = kept("  h = [x, x -> relu]\n  x = h[pick(0..2)]")
    assert ops(by_tensor)[2:] == ["relu", "mix"]
    typed = kept("  stage f(code = code)", "code: list[int] = [pick(0..2)]", "block f(x, code: list[int]) { return x -> [relu, tanh][code[0]] }")  # fmt: skip
    assert ops(typed)[2:] == ["relu", "tanh", "mix"]


def test_an_open_choice_is_no_bound_and_an_open_op_no_index() -> None:
    assert refused("  stage [relu, tanh][pick(0..2):][0]").code == "E0528"
    assert refused("  stage pick([[relu, tanh], [tanh, relu]])[1:][0]").code == "E0528"
    assert refused("  stage [relu, tanh][pick([relu, tanh])]").code == "E0416"
    assert refused("  stage pick([relu, tanh])[0]").code == "E0416"


def test_candidates_for_several_places_are_weighed() -> None:
    found = kept("  x = sum(pick([x -> relu, x -> tanh, x], k = 2))")
    assert ops(found)[2:] == ["relu", "tanh", "weigh", "weigh", "weigh", "add"]
    assert [len(nodes) for nodes in next(iter(found.edges.values())).values()] == [1, 1, 1]


def test_mixtures_among_candidates_are_known_by_their_choices() -> None:
    found = kept(
        "  x = sum([f(x) for (f, i) in edges])",
        "edges: list = pick([(pick([relu, tanh]), i) for i in 0..3], k = 2)",
    )
    assert list(found.inner.values()) == ["edges[0]", "edges[1]", "edges[2]"]
    assert {path for path, _ in found.inner} == {"edges[3]"}


def test_all_of_several_are_no_choice() -> None:
    assert ops(kept("  x = sum(pick([x -> relu, x -> tanh], k = 2))"))[2:] == ["relu", "tanh", "add"]


def test_one_choice_used_twice_is_one_choice() -> None:
    found = kept("  stage 2 x f", "f: op = pick([relu, tanh])")
    assert [len(nodes) for nodes in found.mixes.values()] == [2]


def test_arguments_reach_every_op() -> None:
    found = kept("  x = f(x, 6, stride = 2)", "f: op = pick([conv(kernel = 3), conv(kernel = 5)])")
    assert found.graph.nodes[-1].shape == (6, 4, 4)


def test_the_stride_of_a_stage_is_that_of_its_first() -> None:
    block = "block b(x, stride: int = 1, kernel: int = 3) { return x -> conv(4, kernel, stride) }"
    found = kept("  stage 3 x pick([b(2), b(2, kernel = 5)])", extra=block)
    assert found.graph.nodes[-1].shape == (4, 4, 4)


def test_batch_norms_that_are_mixed_learn_nothing() -> None:
    found = kept(
        "  stage pick([conv(4, 1) -> batch_norm, relu])\n  head batch_norm -> global_avg_pool -> linear(2)"
    )
    affine = [node.op.arguments()["affine"] for node in found.graph.nodes if node.op.name == "batch_norm"]
    assert affine == [False, True]


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        ("  stage conv(width, 3)", "width: int in {4, 8}"),
        ("  stage width x relu", "width: int in {1, 2}"),
        ("  stage conv(width * 2, 3)", "width: int in {4, 8}"),
        ("  stage conv(round(width), 3)", "width: float in 4..=8 step 0.5"),
        ("  for i in 0..width { stage relu }", "width: int in {1, 2}"),
        ("  if width == 1 { stage relu }", "width: int in {1, 2}"),
        ("  if width in [1, 3] { stage relu }", "width: int in {1, 2}"),
        ("  if on { stage relu }", "on: bool in {true, false}"),
        ("  stage relu if on else tanh", "on: bool in {true, false}"),
        ("  stage 0.5 * x if scale < 1 else x", "scale: float in {0.5, 1}"),
        ("  x = x * scale", "scale: float in {0.5, 1}"),
        ("  x = [x, x -> relu][pick([0, 1]) + 1]", ""),
        ("  (f, g) = pick([(relu, tanh), (tanh, relu)])\n  stage f", ""),
        ("  h = [x, x -> relu, x -> tanh]\n  x = sum([h[i] for i in pick(0..3, k = 2)])", ""),
        ("  stage f(w)", "w: int in {4, 8}"),
        ("  set padding = p\n  stage conv(4, 3)", 'p: string in {"half", "same"}'),
    ],
)
def test_numbers_sizes_and_conditions_cannot_stay_open(body: str, parameters: str) -> None:
    found = refused(body, parameters, "block f(x, w: int) { return x -> conv(w, 1) }")
    assert found.code == "E0528", found
    assert "cannot be kept open" in found.message and found.help


def test_answers_that_differ_in_shape_do_not_add_up() -> None:
    found = refused("  stage pick([conv(4, 1), conv(8, 1)])")
    assert found.code == "E0529" and "4×8×8" in found.message and "8×8×8" in found.message
    assert refused("  stage f", "f: op = pick([two, two])", "block two(x) { return (x, x) }").code == "E0529"
