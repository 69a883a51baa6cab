"""Equal hashes for equal networks, checked against isomorphism by search, and against what the networks compute."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import pytest

import archc
from archc.spaces.canonical import canonical_hash, simplify
from archc.spaces.classes import classes, every_point, nb201_string
from archc.spaces.points import graph_of
from archc.spaces.space import Request, Space
from tests.elaborate.support import build
from tests.spaces.isomorphism import isomorphic

CODES = list(itertools.product(range(5), repeat=6))


def hashed(body: str, size: str = "8 x 16 x 16") -> str:
    return canonical_hash(build(f"arch net() {{\n  input {size}\n{body}\n}}\n"))


def cell(code: tuple[int, ...]) -> archc.Graph:
    return archc.load("nb201", code=list(code), repeats=1, width=4)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = (x -> conv(8) -> relu) + (x -> conv(8, 3))", "x = (x -> conv(8, 3)) + (x -> conv(8) -> relu)"),
        ("x = x -> conv(8) -> dropout(0)", "x = x -> identity -> conv(8)"),
        ("x = x -> scale(1) -> conv(8) -> max_pool(1, 1)", "x = x -> conv(8)"),
        ("y = x -> conv(9)\n  x = x -> conv(8)", "x = x -> conv(8)"),
        ("x = (x -> conv(8)) + (x -> conv(8, 3) -> zero)", "x = x -> conv(8)"),
        ("x = x + (x -> zero -> relu -> conv(8))", "x = x -> identity -> relu -> conv(8) -> zero\n  x = x"),
        ("x = x + ((x -> conv(8)) + (x -> conv(8, 3)))", "x = sum([x -> conv(8, 3), x, x -> conv(8)])"),
        ("y = x -> relu\n  x = (y -> conv(8)) + (y -> conv(8, 3))",
         "x = (x -> relu -> conv(8)) + (x -> relu -> conv(8, 3))"),
        ("stage conv(8)", "x = x -> conv(8)"),
    ],
)  # fmt: skip
def test_equal(one: str, other: str) -> None:
    if other.endswith("x = x"):  # the zeros are gone, the input is left
        other = "x = x -> identity"
    assert hashed(f"  {one}") == hashed(f"  {other}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("y = x -> conv(8)\n  x = y + y", "x = (x -> conv(8)) + (x -> conv(8))"),
        ("x = x + (x -> zero -> conv(8) -> batch_norm)", "x = x -> identity"),
        ("x = x -> conv(8)", "x = x -> conv(8, bias = true)"),
        ("x = concat(x -> conv(8), x -> conv(8, 3))", "x = concat(x -> conv(8, 3), x -> conv(8))"),
        ("x = x -> relu -> conv(8)", "x = x -> conv(8) -> relu"),
        ("x = x -> conv(8) -> conv(8)", "x = x -> conv(8)"),
    ],
)
def test_different(one: str, other: str) -> None:
    assert hashed(f"  {one}") != hashed(f"  {other}")


def test_the_hash_agrees_with_isomorphism() -> None:
    """On pairs of cells with the same counts, where chance would make them differ least."""
    rng = random.Random(0)
    graphs = [cell(code) for code in rng.sample(CODES, 60)]
    graphs += [cell(tuple(rng.sample(code, 6))) for code in rng.sample(CODES, 60)]
    by_cost: dict[object, list[archc.Graph]] = {}
    for graph in graphs:
        by_cost.setdefault(graph.cost, []).append(graph)
    pairs = [pair for group in by_cost.values() for pair in itertools.combinations(group, 2)]
    answers = [canonical_hash(a) == canonical_hash(b) for a, b in pairs]
    assert answers == [isomorphic(a, b) for a, b in pairs]
    assert True in answers and False in answers


def published(code: tuple[int, ...]) -> str:
    return nb201_string({"code": code})


def test_the_published_rule_gives_the_published_number() -> None:
    assert len({published(code) for code in CODES}) == 6_466


def computed(graph: archc.Graph, training: bool) -> Any:
    """Outputs and the input's gradient, of weights (shifts of norms too) drawn in their order."""
    import torch

    from archc.backends.torch_module import compile as compile_graph

    torch.manual_seed(3)
    module = compile_graph(graph).double().train(training)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64, requires_grad=True)
    outputs = module(x)
    outputs.square().sum().backward()
    return torch.cat([outputs.detach().flatten(), x.grad.flatten()])


def test_merged_cells_compute_the_same() -> None:
    """What the published rule keeps apart and the hash does not is equal, weight for weight, in training too."""
    import torch

    rng = random.Random(1)
    pairs = []
    while len(pairs) < 3:
        one = rng.choice(CODES)
        # the same convolutions, other skips, pools and nones around them
        other = tuple(o if o in (2, 3) else rng.choice((0, 1, 4)) for o in one)
        if published(one) != published(other) and canonical_hash(cell(one)) == canonical_hash(cell(other)):
            pairs.append((one, other))
    for one, other in pairs:
        for training in (False, True):
            a, b = computed(cell(one), training), computed(cell(other), training)
            assert torch.allclose(a, b, rtol=1e-9, atol=1e-9), (one, other)


def test_what_the_published_rule_merges_may_differ() -> None:
    """A convolution of zeros ends in a norm whose shift it takes for nothing."""
    import torch

    one, other = (0, 1, 2, 0, 1, 1), (0, 1, 1, 0, 1, 1)
    assert published(one) == published(other)
    assert canonical_hash(cell(one)) != canonical_hash(cell(other))
    assert not torch.allclose(computed(cell(one), True)[:20], computed(cell(other), True)[:20])


def test_classes_are_counted_one_by_one(tmp_path: Path) -> None:
    space = tmp_path / "mine.arch"
    space.write_text(
        "arch mine(width: int in 1..=3, twice: bool in {false, true}) {\n  input 3 x 4 x 4\n"
        "  require width + (1 if twice else 0) < 4\n"
        "  y = x -> conv(width) -> (pick([identity, scale(1), relu]))\n  z = y + (y -> zero) if twice else y\n"
        "  return z\n}\n"
    )
    found = classes(Space(Request(str(space))))
    # five of six pairs of parameters, three operators each; `twice` and scale(1) change nothing
    assert (found.combinations, found.met, found.different, found.published) == (18, 15, 6, None)
    points = list(every_point(Space(Request("mobile"))))
    assert len(points) == 30 and len({graph_of(Space(Request("mobile")), p).cost for p in points}) == 30


def test_simplified_graphs_hold_what_is_alive() -> None:
    simplified = simplify(cell((0, 0, 0, 1, 0, 0)))
    assert not any(node.token.startswith("zero") for node in simplified.nodes)
    assert all(source < at for at, node in enumerate(simplified.nodes) for source in node.inputs)


@pytest.mark.slow
def test_every_class_of_nas_bench_201() -> None:
    """15,625 strings: 5,485 networks. The published rule has 6,466: it drops the shift that a batch norm adds to a
    zero, and keeps apart sums whose terms its strings sort differently."""
    found = classes(Space(Request("nb201", arguments=(("repeats", 1), ("width", 4)))))
    assert (found.met, found.different, found.published) == (15_625, 5_485, 6_466)
