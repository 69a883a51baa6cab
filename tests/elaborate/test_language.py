"""The rules of the language for ops, blocks and archs, one by one."""

from __future__ import annotations

import pytest

import archc
from tests.elaborate.support import arch, build, codes, node, ops, paths, problems

PAIR = "block pair(x, width: int, stride: int = 1, ambient norm: op = batch_norm, ambient act: op = relu) {\n  return x -> conv(width, 3, stride) -> norm -> act\n}"


# ---------------------------------------------------------------- ops as values


def test_partial_application_and_pipes() -> None:
    graph = arch("  f = conv(4, 3)\n  head f -> relu -> f")
    assert ops(graph) == ["conv", "relu", "conv"]
    assert paths(graph) == ["head.f1", "head.relu", "head.f2"]


def test_call_with_the_tensor_first_is_the_pipe() -> None:
    assert arch("  x = conv(x, 4, 3)").cost == arch("  x = x -> conv(4, 3)").cost


def test_repetition_of_ops() -> None:
    assert ops(arch("  head 3 * conv(8, 3) -> relu")) == ["conv", "conv", "conv", "relu"]
    assert ops(arch("  head 0 * conv(8, 3) -> relu")) == ["relu"]


def test_keywords_given_later_override() -> None:
    graph = arch("  set norm = group_norm(groups = 2)\n  n = norm(groups = 4)\n  head n", blocks=PAIR)
    assert graph.nodes[-1].op.arguments()["groups"] == 4


def test_lists_and_tuples_of_tensors() -> None:
    blocks = """
block fuse(a, b) { return (a + b, concat(a, b)) }
block total(xs: list[tensor]) { return sum(xs) }
"""
    body = """
  (a, b) = (x, x -> relu) -> fuse
  y = [a, x, a] -> total
  x = concat([y, b])
"""
    graph = arch(body, blocks=blocks)
    assert graph.nodes[-1].shape == (24, 16, 16)
    assert "total.add" in paths(graph)


def test_builtins_of_lists_move_tensors() -> None:
    blocks = """
block weave(xs: list[tensor], ks: list[int]) {
  ys = reversed([y -> conv(len(xs), k) for (y, k) in zip(xs, ks)])
  return concat([y -> max_pool(i + 1) -> upsample(i + 1) for (i, y) in enumerate(flatten([ys, [xs[0]]]))])
}
"""
    graph = arch("  x = weave([x, x -> relu], [1, 3])", blocks=blocks, size="8 x 12 x 12")
    kernels = [
        (n.op.name, n.op.arguments()["kernel"][0]) for n in graph.nodes if "kernel" in n.op.arguments()
    ]
    assert kernels == [("conv", 1), ("conv", 3), ("max_pool", 1), ("max_pool", 2), ("max_pool", 3)]
    assert graph.nodes[-1].shape == (2 + 2 + 8, 12, 12)


@pytest.mark.parametrize("call", ["len(x)", "max([x, x])", "sorted([x])", "count([x], x)", "enumerate(x)"])
def test_builtins_do_not_look_at_tensors(call: str) -> None:
    assert codes(f"  n = {call}") == ["E0405"]


def test_a_list_beside_other_tensors_may_be_empty() -> None:
    blocks = """
block root(x, more: list[tensor], width: int) { return concat([x] + more) -> conv(width, 1) }
block only(xs: list[tensor]) { return xs }
"""
    graph = arch("  y = root(x, [], 4)\n  z = (x, []) -> root(4)\n  x = root(y, [z, y], 6)", blocks=blocks)
    assert [len(n.inputs) for n in graph.nodes if n.op.name == "concat"] == [1, 1, 3]
    assert graph.nodes[-1].shape == (6, 16, 16)
    assert codes("  x = only([])", blocks=blocks) == ["E0309"]


def test_arithmetic_on_tensors() -> None:
    graph = arch("  y = x -> relu\n  x = 0.5 * y - x / 4 + y * x")
    assert ops(graph) == ["relu", "scale", "scale", "scale", "add", "mul", "add"]


# ---------------------------------------------------------------- ambients


def test_ambient_value_comes_from_argument_then_set_then_default() -> None:
    assert ops(arch("  head pair(4)", blocks=PAIR)) == ["conv", "batch_norm", "relu"]
    assert ops(arch("  set norm = layer_norm\n  head pair(4)", blocks=PAIR))[1] == "layer_norm"
    assert ops(arch("  set norm = layer_norm\n  head pair(4, norm = identity)", blocks=PAIR)) == [
        "conv",
        "relu",
    ]


def test_an_explicit_ambient_reaches_inner_blocks_but_a_default_does_not() -> None:
    outer = PAIR + "\nblock outer(x, ambient norm: op = layer_norm) { return x -> pair(8) }"
    assert ops(arch("  head outer(norm = instance_norm)", blocks=outer))[1] == "instance_norm"
    assert ops(arch("  head outer", blocks=outer))[1] == "batch_norm"


def test_set_ends_with_its_brace() -> None:
    body = "  if true { set act = silu\n x = x -> pair(8) }\n  x = x -> pair(8)"
    assert ops(arch(body, blocks=PAIR)) == ["conv", "batch_norm", "silu", "conv", "batch_norm", "relu"]


def test_the_bare_name_means_the_value_set() -> None:
    assert ops(arch("  set act = silu\n  head act", blocks=PAIR)) == ["silu"]
    assert (
        arch(
            "  set conv = conv(bias = true)\n  head conv(4, 1)",
            blocks="block b(x, ambient conv: op = conv) { return x -> conv(1) }",
        ).cost.params
        == 36
    )


def test_a_partial_op_captures_the_ambients_where_it_is_written() -> None:
    body = "  f = pair(8)\n  set act = silu\n  g = pair(8)\n  head f -> g"
    assert [o for o in ops(arch(body, blocks=PAIR)) if o in ("relu", "silu")] == ["relu", "silu"]


def test_ambient_parameters_of_primitives() -> None:
    graph = arch("  set eps = 0.01, bias = true\n  head pair(8)", blocks=PAIR)
    assert graph.nodes[2].op.arguments()["eps"] == 0.01
    assert graph.nodes[1].op.arguments()["bias"] is True


def test_unknown_and_unread_sets() -> None:
    assert codes("  set nrom = identity\n  head pair(4)", blocks=PAIR) == ["E0203"]
    assert codes(
        "  set se = 0.5\n  head pair(4)", blocks=PAIR + "\nblock s(x, ambient se: float = 0) { return x }"
    ) == ["W0201"]


# ---------------------------------------------------------------- sections and control flow


def test_sections_name_their_scopes() -> None:
    body = "  stem conv(8, 3, 2)\n  stage 2 x pair(16, stride = 2)\n  stage tail: 1 x pair(16)\n  stage pair(16)\n  head global_avg_pool -> linear(10)"
    graph = arch(body, blocks=PAIR)
    assert paths(graph) == [
        "stem.conv", "s1.0.conv", "s1.0.norm", "s1.0.act", "s1.1.conv", "s1.1.norm", "s1.1.act",
        "tail.0.conv", "tail.0.norm", "tail.0.act", "s2.conv", "s2.norm", "s2.act",
        "head.global_avg_pool", "head.linear",
    ]  # fmt: skip


def test_stride_is_one_from_the_second_repetition_on() -> None:
    graph = arch("  stage 3 x pair(16, stride = 2)", blocks=PAIR)
    assert [n.shape[1] for n in graph.nodes if n.op.name == "conv"] == [8, 8, 8]


def test_a_composition_repeats_unchanged() -> None:
    graph = arch("  stage 2 x pair(16, stride = 2) -> relu", blocks=PAIR)
    assert graph.nodes[-1].shape == (16, 4, 4)


def test_section_bodies_share_the_variables() -> None:
    body = """
  skips = []
  for level in 0..2 {
    stage down: pair(8 * (level + 1))
    skips += [x]
  }
  stage { y = x -> conv(8, 1)
          x = concat(y, skips[0]) }
"""
    graph = arch(body, blocks=PAIR)
    assert graph.nodes[-1].shape == (16, 16, 16)
    assert paths(graph)[0] == "down1.conv"
    assert paths(graph)[-1] == "s1.concat"


def test_assignment_to_the_current_tensor_counts() -> None:
    assert ops(arch("  x = x -> relu\n  head silu")) == ["relu", "silu"]
    assert build("arch net() {\n input image: 3 x 8 x 8\n image = image -> relu\n stem conv(4)\n}").nodes[
        -1
    ].shape == (4, 8, 8)


def test_for_unrolls_and_if_chooses() -> None:
    graph = arch(
        "  for i in 0..4 { if i % 2 == 0 { x = x -> relu } else if i == 1 { x = x -> silu } else { x = x -> tanh } }"
    )
    assert ops(graph) == ["relu", "silu", "relu", "tanh"]


def test_drop_path_takes_its_place_among_the_stage_repetitions() -> None:
    body = (
        '  stage 2 x pair(8) -> drop_path(0.4)\n  stage 2 x pair(8) -> drop_path(0.3, schedule = "i/(n-1)")'
    )
    found = [n.op for n in arch(body, blocks=PAIR).nodes if n.op.name == "drop_path"]
    assert [op.rate_here() if hasattr(op, "rate_here") else (op.index, op.total) for op in found] == [
        (0, 4), (1, 4), (2, 4), (3, 4),
    ]  # fmt: skip


# ---------------------------------------------------------------- archs, variants, outputs


FAMILY = """
block body(x, width: int, ambient act: op = relu) { return x -> conv(width, 3) -> act }
arch family(width: int, classes: int = 10) {
  input 3 x 8 x 8
  set act = relu
  stem body(width)
  head global_avg_pool -> linear(classes)
}
variant small = family(width = 8) { expect params = 306 }
variant loud = small(classes = 2) { set act = silu
  info year = 2020 }
"""


def test_variants_chain_and_override_sets(tmp_path) -> None:
    path = tmp_path / "family.arch"
    path.write_text(FAMILY)
    assert archc.check(path) == []
    assert archc.load(f"{path}:small").cost.params == 216 + 90
    loud = archc.load(f"{path}:loud")
    assert ops(loud) == ["conv", "silu", "global_avg_pool", "linear"]
    assert (loud.cost.params, dict(loud.info)) == (216 + 18, {"year": 2020})


def test_parameters_from_outside(tmp_path) -> None:
    path = tmp_path / "family.arch"
    path.write_text(FAMILY)
    graph = archc.load(f"{path}:family", width=4, classes=3, input=(3, 10, 12))
    assert graph.nodes[1].shape == (4, 10, 12)
    with pytest.raises(archc.ArchError, match=r"(?s)E0401.*did you mean `width`"):
        archc.load(f"{path}:small", widht=4)
    with pytest.raises(archc.ArchError, match="E0503"):
        archc.load(f"{path}:family")
    with pytest.raises(archc.ArchError, match="E0405"):
        archc.load(f"{path}:small", width=4.5)


def test_all_parameters_without_a_value_are_named_at_once(tmp_path) -> None:
    path = tmp_path / "net.arch"
    path.write_text(
        "arch net(w: int, k: int, a: int in 1..4, s: int, b: int in {1, 2}) { input 3 x 8 x 8 }\n"
        "variant v = net(k = 1)\n"
    )
    with pytest.raises(archc.ArchError) as caught:
        archc.load(f"{path}:net")
    first, second = caught.value.diagnostics
    assert (first.code, first.message) == ("E0503", "net: `w`, `k` and `s` need values")
    assert "-p w=… -p k=… -p s=…" in first.help[0]
    assert (second.code, second.message) == ("E0507", "`a` and `b` are open")
    assert second.notes == ("a may be any of 1..=3, b may be any of {1, 2}",)
    missing = r"(?s)v: `w` and `s` need values.*add them: `net\(…, w = …, s = …\)`"
    with pytest.raises(archc.ArchError, match=missing):
        archc.load(f"{path}:v")


def test_train_only_outputs() -> None:
    graph = arch(
        "  y = x -> relu\n  output train_only aux = y -> global_avg_pool -> linear(5)\n  head tanh\n  z = y -> silu"
    )
    assert [(o.name, o.train_only) for o in graph.outputs] == [("out", False), ("aux", True)]
    assert (graph.cost.params, graph.train_only_cost.params) == (0, 45)
    assert "silu" not in ops(graph), "nodes that reach no output are pruned"


def test_several_inputs_and_outputs() -> None:
    graph = build(
        "arch net() {\n input a: 3 x 8 x 8\n input b: 2 x 8 x 8\n return (concat(a, b), b -> relu)\n}"
    )
    assert [n.shape for n in graph.inputs] == [(3, 8, 8), (2, 8, 8)]
    assert [o.name for o in graph.outputs] == ["out0", "out1"]


@pytest.mark.parametrize(
    ("claim", "holds"),
    [
        ("params = 306", True),
        ("params = 0.31K", True),
        ("params = 0.3K", True),
        ("params = 0.30K", False),
        ("params ~ 0.30K", True),
        ("params ~ 0.31K", False),
        ("params = 307", False),
    ],
)
def test_expect_holds_to_the_digits_written(claim: str, holds: bool) -> None:
    body = f"  stem conv(8, 3)\n  head global_avg_pool -> linear(10)\n  expect {claim}"
    assert codes(body, size="3 x 8 x 8") == ([] if holds else ["E0522"])


def test_require() -> None:
    assert codes("  require w % 8 == 0\n  head conv(w)", params="w: int = 12") == ["E0517"]
    assert codes("  head conv(16)\n  require params in 100..=128") == []
    assert codes("  head conv(16)\n  require macs < 100") == ["E0517"]


# ---------------------------------------------------------------- choices

SPACE = (
    """
arch space(d: int in 1..=3, w: int in 8..=64 step 8 log, b: float in {1, 2} = 1) {
  input 8 x 8 x 8
  require w >= 16
  stage d x pick([conv(w, 3), conv(w, 1)])
}
"""
    + PAIR
)


def test_open_choices_need_answers(tmp_path) -> None:
    path = tmp_path / "space.arch"
    path.write_text(SPACE)
    with pytest.raises(archc.ArchError, match="E0507"):
        archc.load(path)
    drawn = [archc.load(path, sample=seed) for seed in range(20)]
    assert [g.arguments for g in drawn] == [archc.load(path, sample=s).arguments for s in range(20)]
    assert len({g.arguments for g in drawn}) > 5
    for graph in drawn:
        arguments = dict(graph.arguments)
        assert arguments["d"] in (1, 2, 3)
        assert arguments["w"] in range(16, 65, 8)
        assert arguments["b"] == 1
    assert dict(archc.load(path, sample=1, d=2, w=64).arguments)["w"] == 64
    with pytest.raises(archc.ArchError, match="E0504"):
        archc.load(path, sample=1, d=9)


def test_pick_k_keeps_list_order() -> None:
    body = "  ws = pick([8, 16, 24, 32], k = 3)\n  require ws == sorted(ws)\n  head conv(ws[0])"
    assert arch(body, sample=3).nodes[-1].shape[0] in (8, 16)


# ---------------------------------------------------------------- standard deviation


def test_std_follows_the_variance_rules() -> None:
    body = """
  info a = x.std, b = (0.5 * x).std, c = ((x -> ws_conv(8, 3)) + 0.2 * (x -> relu(gamma = true))).std
  info d = ((x -> relu) -> batch_norm).std, e = with_std(x -> relu, 3).std
"""
    info = dict(arch(body + "\n  head relu").info)
    assert info["a"] == 1.0
    assert info["b"] == 0.5
    assert info["c"] == pytest.approx(1.04**0.5)
    assert (info["d"], info["e"]) == (1.0, 3.0)


def test_std_without_a_rule_names_the_op() -> None:
    (problem,) = problems("  y = x -> relu\n  z = y -> max_pool(2)\n  info s = z.std")
    assert problem.code == "E0511"
    assert "`relu`" in problem.message


def test_blocks_that_read_std_are_elaborated_for_each() -> None:
    blocks = "block norm_free(x) { return x + (x -> scale(1 / x.std) -> ws_conv(x.channels, 3)) }"
    graph = arch("  stage 3 x norm_free", blocks=blocks)
    factors = [n.op.factor for n in graph.nodes if n.op.name == "scale"]
    assert factors == pytest.approx([1, 2**-0.5, 3**-0.5])


# ---------------------------------------------------------------- structure of the graph


def test_repeated_blocks_share_one_template_but_not_their_nodes() -> None:
    graph = arch("  stage 4 x pair(8)", blocks=PAIR)
    assert len({graph.path(n) for n in graph.nodes}) == len(graph.nodes) == 13
    assert [n.id for n in graph.nodes] == list(range(13))
    assert len({id(n.op) for n in graph.nodes if n.op.name == "conv"}) == 1


def test_origin_runs_from_the_op_to_the_arch() -> None:
    graph = arch("  stage 2 x pair(8)", blocks=PAIR)
    origin = [s.text for s in graph.origin(node(graph, "s1.1.conv"))]
    assert origin[0] == "conv(width, 3, stride)"
    assert origin[1].startswith("stage 2 x pair(8)")


def test_three_independent_mistakes_give_three_messages() -> None:
    lines = ["  stem conv(32, 3, 2) -> batch_norm -> relu"]
    lines += [f"  stage 1 x pair({16 * (1 + i // 6)})" for i in range(30)]
    lines[8] = "  stage 1 x pair(30, strid = 2)"
    lines[16] = "  stage 1 x conv(100, 3, groups = 7)"
    lines[24] = "  stage 1 x piar(64)"
    found = problems("\n".join(lines), blocks=PAIR, size="3 x 64 x 64")
    assert [d.code for d in found] == ["E0401", "E0312", "E0201"]
    assert all(d.help for d in found)
