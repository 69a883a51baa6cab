"""Costs computed by formulas are those of the graphs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import archc
from archc.diagnostics import ArchError
from archc.elaborate import arch, library, library_names, pricing
from archc.elaborate.arch import draw, elaborate
from archc.elaborate.choosers import RandomChooser
from archc.elaborate.definition import Definition, definition
from archc.elaborate.priced_section import PricedSection
from archc.elaborate.values import Rejected
from archc.ops.base import FREE
from archc.ops.symbolic import Symbol, Trace, Untraceable
from archc.spaces.space import Request, Space

SPACES = sorted(p.stem for p in Path("specs/spaces").glob("*.arch"))
SIDES = (224, 192, 160, 256)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Formulas from the first application on, and none of other tests."""
    monkeypatch.setattr(pricing, "WAIT", 0)
    library().caches.kinds.clear()
    yield
    library().caches.kinds.clear()


def formulas() -> int:
    return sum(len(kind.formulas) for kind in library().caches.kinds.values())


def names_of(stem: str) -> list[str]:
    names = library().names().items()
    return [n for n, path in names if path.stem == stem and path.parent.name == "spaces"] or [stem]


def accepted(space: Space, number: int) -> Iterator[int]:
    found = 0
    for index in range(2_000):
        try:
            space.possible(index)
        except Rejected:
            continue
        yield index
        found += 1
        if found == number:
            return


def costs_agree(space: Space, number: int) -> int:
    """How many samples were compared."""
    compared = 0
    for index in accepted(space, number):
        try:
            cost = space.cost(index)
        except (Rejected, ArchError) as refused:
            with pytest.raises(type(refused)):
                space.graph(index)
            continue
        assert cost == space.graph(index).cost, f"draw {index}"
        compared += 1
    return compared


@pytest.mark.parametrize("stem", SPACES)
def test_samples_cost_what_their_graphs_do(stem: str) -> None:
    for name in names_of(stem):
        assert costs_agree(Space(Request(name)), 5)
    assert formulas()


@pytest.mark.slow
@pytest.mark.parametrize("stem", SPACES)
def test_many_samples_cost_what_their_graphs_do(stem: str) -> None:
    for name in names_of(stem):
        costs_agree(Space(Request(name, seed=7)), 150)


def sizes_agree(name: str) -> None:
    """A network at several input sizes, the same formulas serving all."""
    target = definition(library().shipped(library().names()[name]), name)
    if elaborate(target).graph is None:  # a space, or it needs arguments
        return
    for side in SIDES:
        found, graph = drawn(target, (3, side, side)), elaborate(target, input=(3, side, side)).graph
        assert found == (graph.cost if graph else None), f"{name} at {side}"


def drawn(target: Definition, size: tuple[int, ...]) -> Any:
    try:
        return draw(target, RandomChooser(0), input=size).cost
    except ArchError:
        return None


LIBRARY = library_names()
ONE_A_FILE = list({library().names()[n]: n for n in LIBRARY}.values())


@pytest.mark.parametrize("name", ONE_A_FILE)
def test_networks_cost_the_same_at_other_sizes(name: str) -> None:
    sizes_agree(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(LIBRARY) - set(ONE_A_FILE)))
def test_all_networks_cost_the_same_at_other_sizes(name: str) -> None:
    sizes_agree(name)


def test_costs_need_no_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = [definition(library().shipped(path), name) for name, path in library().names().items()]
    made = {target.name: elaborate(target) for target in targets}
    monkeypatch.setattr(arch, "graph_of", None)
    compared = 0
    for target in targets:
        graph = made[target.name].graph
        if graph is not None and graph.train_only_cost == FREE:
            found = elaborate(target, graph=False)
            assert found.graph is None
            assert found.costs is not None
            assert found.costs.cost == graph.cost, target.name
            compared += 1
    assert compared > 100


def test_formulas_serve_most_applications() -> None:
    space = Space(Request("regnet"))
    indices = list(accepted(space, 40))
    for index in indices:
        space.cost(index)
    kinds = library().caches.kinds.values()
    assert not any(kind.refused for kind in kinds)
    assert sum(kind.seen for kind in kinds) <= 2 * formulas()  # what was elaborated, to be traced
    assert all(formula.proofs for kind in kinds for formula in kind.formulas if formula.traced)


def test_a_formula_that_is_wrong_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Trace.formula

    def wrong(self: Trace, results: Any) -> Callable[..., Any]:
        compute = real(self, results)

        def more(*numbers: Any) -> Any:
            found = compute(*numbers)
            return found and (found[0] + 1, *found[1:])

        return more

    monkeypatch.setattr(Trace, "formula", wrong)
    space = Space(Request("regnet"))
    indices = list(accepted(space, 12))
    assert [space.cost(i) for i in indices] == [space.graph(i).cost for i in indices]
    assert any(kind.refused for kind in library().caches.kinds.values())


WAYS: list[Callable[..., Any]] = [
    lambda a, b, c: a * b + c,
    lambda a, b, c: (a // b, a % b, -a),
    lambda a, b, c: round(a * c / b) if a > b else a,
    lambda a, b, c: max(a, b) - min(a, b, 3),
    lambda a, b, c: abs(a - b) * 2 if a != b else c,
    lambda a, b, c: -(-a // b) * b,
]


@pytest.mark.parametrize("way", WAYS)
def test_a_trace_repeats_the_computation_for_other_numbers(way: Callable[..., Any]) -> None:
    rng = random.Random(3)
    ways: list[Callable[..., Any]] = []
    reused = 0
    for _ in range(200):
        numbers = (rng.randint(1, 40), rng.randint(1, 40), rng.choice([0.5, 1.0, 2.25]))
        wanted = way(*numbers)
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        found = next((f for f in (known(*numbers) for known in ways) if f is not None), None)
        if found is None:
            trace = Trace(numbers)
            made: Any = way(*trace.leaves)
            ways.append(trace.formula(made if isinstance(made, tuple) else (made,)))
            found = ways[-1](*numbers)
        else:
            reused += 1
        assert found == wanted
        assert [type(f) for f in found] == [type(w) for w in wanted]
    assert reused > 150


def program(seed: int) -> Callable[..., Any]:
    """A random computation of three numbers: steps, and results that hang on comparisons."""
    rng = random.Random(seed)
    steps = [
        (rng.choice("+-*/%<=!>"), rng.random(), rng.random(), rng.choice([0, 1, 1, 2, -1, 3, 7]))
        for _ in range(12)
    ]

    def run(*numbers: Any) -> tuple[Any, ...]:
        values = list(numbers)
        for sign, first, second, constant in steps:
            a = values[int(first * len(values))]
            b = values[int(2 * second * len(values))] if second < 0.5 else constant
            made: Any
            if sign in "+-*":
                made = a + b if sign == "+" else a - b if sign == "-" else a * b
            elif sign in "/%":
                made = a // b if sign == "/" else a % b
            else:
                said = a < b if sign == "<" else a == b if sign == "=" else a != b if sign == "!" else a > b
                made = (a if said else -a) + 1
            values.append(made)
        return tuple(values)

    return run


def test_what_is_known_of_ints_changes_no_result() -> None:
    rng = random.Random(1)
    reused = refused = 0
    for seed in range(400):
        run, formulas = program(seed), []
        for _ in range(12):
            numbers = [rng.choice([rng.randint(-3, 9), rng.randint(1, 300)]) for _ in range(3)]
            try:
                wanted = run(*numbers)
            except ZeroDivisionError:
                wanted = None
            for formula in formulas:
                try:
                    found = formula(*numbers)
                except ZeroDivisionError:
                    found = None
                assert found is None or found == wanted, (seed, numbers)
                reused += found is not None
                refused += found is None
            trace = Trace(numbers)
            try:
                formulas.append(trace.formula(run(*trace.leaves)))
            except (Untraceable, ZeroDivisionError):
                continue
            assert formulas[-1](*numbers) == wanted, (seed, numbers)
    assert reused > 1_000
    assert refused > 1_000


UNTRACEABLE: list[Callable[[Symbol], Any]] = [
    int, float, hash, str, range, lambda s: [1][s], lambda s: s == "same", lambda s: s**2, lambda s: f"{s:,}",
    lambda s: 1 / (s - s),
]  # fmt: skip


@pytest.mark.parametrize("use", UNTRACEABLE)
def test_a_symbol_is_never_taken_for_its_number(use: Callable[[Symbol], Any]) -> None:
    with pytest.raises(Untraceable):
        use(Trace([3]).leaves[0])


def test_a_formula_refuses_numbers_it_was_not_made_for() -> None:
    trace = Trace([3])
    double = trace.formula([trace.leaves[0] * 2])
    assert double(5) == (10,)
    assert double(2**31) is None


def test_standard_deviations_are_not_priced(tmp_path: Path) -> None:
    spec = tmp_path / "std.arch"
    spec.write_text(
        "block half(x, width: int) {\n  y = x -> ws_conv(width, 1)\n  return y -> scale(1 / y.std)\n}\n"
        "arch net(w: int in 4..=64 step 4) {\n  input 3 x 8 x 8\n  stem half(w)\n"
        "  require x.std > 0.9\n  head half(2 * w)\n}\n"
    )
    space = Space(Request(f"{spec}:net"))
    for index in range(8):
        assert space.cost(index) == space.graph(index).cost


def test_dead_branches_are_not_counted(tmp_path: Path) -> None:
    spec = tmp_path / "dead.arch"
    spec.write_text(
        "block both(x, width: int) {\n  return (x -> conv(width, 3), x -> conv(width, 1))\n}\n"
        "arch net(w: int in 4..=64 step 4) {\n  input 3 x 8 x 8\n  (x, unused) = both(x, w)\n"
        "  head global_avg_pool -> linear(3)\n}\n"
    )
    space = Space(Request(f"{spec}:net"))
    for index in range(8):
        assert space.cost(index) == space.graph(index).cost
    assert archc.load(str(spec), w=8).cost.params == 3 * 8 * 9 + 8 * 3 + 3


def test_slices_of_drawn_numbers_are_priced(tmp_path: Path) -> None:
    path = tmp_path / "net.arch"
    path.write_text(
        "block chain(x, widths: list[int], from_: int = 1) {\n"
        "  for w in widths[from_:] { x = x -> conv(w, 3) }\n  return x -> conv(widths[:-1][0], 1)\n}\n"
        "arch net(w: int in 8..=64 step 8, n: int in 0..=3) {\n  input 3 x 16 x 16\n"
        "  stage chain([w, 2 * w, 3 * w, w])\n  stage 2 x chain([w, w, 2 * w], from_ = n)\n}\n"
    )
    assert costs_agree(Space(Request(str(path))), 60) == 60
    assert formulas()


def test_a_stage_of_a_composition_repeats_all_of_it(tmp_path: Path) -> None:
    spec = tmp_path / "composed.arch"
    spec.write_text(
        "block two(x, width: int) {\n  return x -> conv(width, 3) -> batch_norm\n}\n"
        "arch net(n: int in 1..=6) {\n  input 16 x 8 x 8\n  stage n x (conv(16, 1) -> two(16))\n}\n"
    )
    for n in range(1, 7):
        graph = archc.load(str(spec), n=n)
        assert [node.op.name for node in graph.nodes[1:]] == ["conv", "conv", "batch_norm"] * n
    assert costs_agree(Space(Request(f"{spec}:net")), 30) == 30


LOOKED_UP = """
arch net(w: int in 4..=64 step 4, d: int in 1..=5, wide: float in {1, 1.5, 2}) {
  input 3 x 16 x 16
  fn grown(c) = make_divisible(c * wide, 4)
  widths = [w, 2 * w]
  for i in 0..2 {
    stage (d + i) x conv(grown(widths[i]), 3) -> batch_norm
  }
  head conv(x.channels // 4, 1) -> global_avg_pool -> linear(3)
}
"""


def test_a_section_is_priced_with_the_expression_of_its_op(tmp_path: Path) -> None:
    """Lists, local functions and the tensor itself are read by it; the places in lists are taken for granted."""
    spec = tmp_path / "looked_up.arch"
    spec.write_text(LOOKED_UP)
    assert costs_agree(Space(Request(f"{spec}:net")), 60) == 60
    kinds = library().caches.kinds
    sections = [kind for key, kind in kinds.items() if isinstance(key[0], PricedSection)]
    assert len(sections) == 3  # a stage of one repetition, one of several, and the head
    assert len(kinds) == 3 and not any(kind.refused for kind in sections)


def test_what_a_section_picks_is_elaborated(tmp_path: Path) -> None:
    spec = tmp_path / "picked.arch"
    spec.write_text(
        "arch net(w: int in 4..=64 step 4) {\n  input 3 x 8 x 8\n"
        "  stem pick([conv(w, 3), conv(w, 1)])\n  head global_avg_pool -> linear(3)\n}\n"
    )
    assert costs_agree(Space(Request(f"{spec}:net")), 40) == 40
    assert any(k.refused for key, k in library().caches.kinds.items() if isinstance(key[0], PricedSection))
