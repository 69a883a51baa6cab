"""Convolutions that become one: the branches of a sum, and parallel ones."""

from __future__ import annotations

import pytest

import archc
from archc.measure.deploy import verify_rewrite
from archc.passes.pipeline import DEPLOY, optimize
from tests.graphs import GraphBuilder, conv
from tests.passes.rewrites import ops_of, rewrite_of


def test_repvgg_becomes_one_convolution() -> None:
    b = GraphBuilder()
    x = b.add("input", size=(8, 9, 9))
    with b.scope("s1"):
        for groups in (1, 4):
            terms = [b.chain(x, conv(8, k, groups=groups), "batch_norm") for k in (3, 1)]
            x = b.add("relu", b.add("add", *terms, b.add("batch_norm", x)))
        x = b.add("relu", b.add("add", x, b.chain(x, conv(8, 3))))
    made = rewrite_of(b.graph(x), "deploy")
    assert ops_of(made.graph) == ["conv", "relu"] * 3
    assert [n.op.arguments()["groups"] for n in made.graph.nodes if n.op.name == "conv"] == [1, 4, 1]


def test_branches_are_not_merged_into_something_dearer() -> None:
    b = GraphBuilder()
    x = b.add("input", size=(8, 9, 9))
    x = b.add("add", b.add("conv", x, channels=8, kernel=3, groups=8), b.add("conv", x, channels=8))
    made = rewrite_of(b.graph(x), "merge_branches")
    assert ops_of(made.graph) == ["conv", "conv", "add"]


def test_parallel_convolutions_become_one() -> None:
    graph = archc.load("googlenet", input=(3, 32, 32))
    made = optimize(graph)
    before = ops_of(optimize(graph, [p for p in DEPLOY if p.__name__ != "merge_parallel"]).graph)
    after = ops_of(made.graph)
    assert before.count("conv") - after.count("conv") == 2 * 9
    assert made.graph.cost.macs == graph.cost.macs
    assert verify_rewrite(graph, made).ok


@pytest.mark.parametrize(
    "then", [("relu", "relu"), (None, None), ("relu", None), ("relu", "silu"), ("add", "add")]
)
def test_convolutions_are_merged_where_no_fused_call_is_parted(then: tuple[str | None, str | None]) -> None:
    b = GraphBuilder()
    x = b.add("input", size=(8, 9, 9))
    branches = [b.add("conv", x, channels=8) for _ in then]
    ends = [
        b.add("add", at, x) if name == "add" else b.add(name, at) if name else at
        for at, name in zip(branches, then, strict=True)
    ]
    graph = b.graph(b.add("concat", *(b.add("max_pool", end, kernel=3) for end in ends)))
    made = rewrite_of(graph, "merge_parallel")
    assert ops_of(made.graph).count("conv") == (1 if then[0] == then[1] != "add" else 2)
    assert verify_rewrite(graph, made).ok


def test_activations_of_another_section_stay_there() -> None:
    b = GraphBuilder()
    x = b.add("input", size=(4, 8, 8))
    with b.scope("s1"):
        parts = [b.add("conv", x, channels=4) for _ in range(2)]
    with b.scope("s2"):
        x = b.add("add", *(b.add("relu", part) for part in parts))
    made = rewrite_of(b.graph(x), "merge_parallel").graph
    assert ops_of(made) == ["conv", "slice_channels", "slice_channels", "relu", "relu", "add"]
    assert {made.scope_path(n.scope) for n in made.nodes if n.op.name == "relu"} == {"s2"}
