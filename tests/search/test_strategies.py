"""Strategies: what they propose, and that they find what is good."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from archc.search.choices import Choices
from archc.search.strategies import SEVERAL, STRATEGIES, make, parameters
from archc.search.strategies.grid import subset
from archc.search.strategies.hyperband import Hyperband
from archc.search.strategy import Proposal, Result, SearchError, Strategy
from archc.spaces.points import answered
from archc.spaces.space import Request, Space
from tests.search.small import number_of, write_space

WIDE = """arch wide(d: int in 1..=200, w: float in 8..=256 step 0.1 log, kind: op in {relu, gelu}) {
  input 3 x 8 x 8
  require d <= 150
  picked = pick([2, 3, 4, 5], k = 2)
  for n in picked { x = x -> conv(int(w), 1) -> kind }
  if d > 100 { x = x -> pick([tanh, silu]) }
  head global_avg_pool -> linear(10)
}
"""


@pytest.fixture
def small(tmp_path: Path) -> Choices:
    return Choices(Space(Request(write_space(tmp_path))))


@pytest.fixture
def wide(tmp_path: Path) -> Choices:
    (tmp_path / "wide.arch").write_text(WIDE)
    return Choices(Space(Request(str(tmp_path / "wide.arch"))))


def run(
    strategy: Strategy, value: Callable[[Mapping[str, Any]], float | tuple[float, ...]], trials: int
) -> list[Proposal]:
    """Asks and tells in turn."""
    found: list[Proposal] = []
    while len(found) < trials:
        proposals = strategy.ask(1)
        if not proposals:
            break
        found += proposals
        score = value(proposals[0].point)
        strategy.tell(proposals[0], Result("evaluated", score if isinstance(score, tuple) else (score,)))
    return found


def first_answers(point: Mapping[str, Any]) -> float:
    """How many picks have the first answer: something to climb."""
    picks = [v for k, v in point.items() if k.startswith("pick")]
    return sum(v == (0,) for v in picks) / 6


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("space", ["small", "wide"])
def test_proposals_fit_the_space(name: str, space: str, request: pytest.FixtureRequest) -> None:
    choices: Choices = request.getfixturevalue(space)
    found = run(make(name, choices, seed=3), number_of, 25)
    assert [p.number for p in found] == list(range(25))
    for proposal in found:
        assert answered(choices.space, proposal.point).point == dict(proposal.point)
        assert proposal.point.get("d", 0) <= 150
    assert len({tuple(sorted(p.point.items())) for p in found}) > 8


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_seed_says_it_all(name: str, small: Choices) -> None:
    points = [[p.point for p in run(make(name, small, seed=seed), number_of, 20)] for seed in (5, 5, 6)]
    assert points[0] == points[1]
    assert (points[0] == points[2]) == (name == "grid")


@pytest.mark.parametrize("name", ["evolution", "local", "reinforce", "ppo", "tpe", "nsga2"])
def test_what_learns_beats_random(name: str, small: Choices) -> None:
    def late(strategy: str, options: dict[str, Any]) -> float:
        """The mean of the last proposals."""
        found = []
        for seed in range(2):
            made = make(strategy, small, seed=seed, options=options)
            found += [first_answers(p.point) for p in run(made, first_answers, 90)[-25:]]
        return statistics.mean(found)

    options: dict[str, Any] = {
        "reinforce": {"lr": 0.05, "hidden": 16},
        "ppo": {"lr": 0.05, "hidden": 16, "rounds": 2},
        "nsga2": {"population": 10},
    }.get(name, {})
    assert late(name, options) > late("random", {}) + 0.1


def test_grid_tries_every_point_once(tmp_path: Path) -> None:
    choices = Choices(Space(Request(write_space(tmp_path), requires=("depth <= 2",))))
    found = run(make("grid", choices), number_of, 100_000)
    points = {tuple(sorted(p.point.items())) for p in found}
    each = 3 * 2 * 4  # answers of one step: an op, a number that changes nothing, an activation
    assert len(found) == len(points) == 2 * (each + each**2)


def test_grid_may_skip_values(wide: Choices) -> None:
    found = run(make("grid", wide, options={"levels": 3}), number_of, 1_000)
    assert {p.point["d"] for p in found} == {1, 101}  # and 200, which is rejected
    assert len({p.point["w"] for p in found}) == 3
    assert len(found) == 3 * 2 * 6 + 3 * 2 * 6 * 2  # under 101 there is one choice more


@pytest.mark.parametrize(("count", "k"), [(5, 2), (6, 3), (4, 1), (4, 4)])
def test_subsets_by_rank(count: int, k: int) -> None:
    found = [subset(rank, count, k) for rank in range(math.comb(count, k))]
    assert found == list(combinations(range(count), k))


def test_evolution_changes_one_choice_of_a_member(small: Choices) -> None:
    found = run(make("evolution", small, options={"population": 5, "sample": 2}), number_of, 40)
    by_number = {p.number: p.point for p in found}
    children = [p for p in found if p.why.startswith("child of")]
    assert len(children) == 35 and all(p.number >= 5 for p in children)
    for child in children:
        parent_number = int(child.why.split()[2].rstrip(":"))
        assert child.number - 5 <= parent_number < child.number  # the last five are alive
        parent = by_number[parent_number]
        changed = [k for k in child.point if k in parent and parent[k] != child.point[k]]
        assert len(changed) == 1 or changed == []  # none where what a choice opened was all that changed
        if set(child.point) == set(parent):
            assert len(changed) == 1


def test_local_search_takes_the_best_neighbour(small: Choices) -> None:
    found = run(make("local", small, seed=1), first_answers, 60)
    centres = [p.why for p in found]
    assert centres[0] == "random" and centres[1] == "neighbour of 0"
    for proposal in found:
        if proposal.why.startswith("neighbour of"):
            centre = found[int(proposal.why.split()[-1])]
            shared = [k for k in proposal.point if k in centre.point and proposal.point[k] != centre.point[k]]
            assert len(shared) <= 1
    reached = [first_answers(p.point) for p in found]
    assert max(reached) > reached[0]


def test_nsga2_finds_a_front(small: Choices) -> None:
    def two(point: Mapping[str, Any]) -> tuple[float, float]:
        ones = sum(v == (0,) for k, v in point.items() if k.startswith("pick"))
        twos = sum(v == (1,) for k, v in point.items() if k.startswith("pick"))
        return float(ones), float(twos)

    found = run(make("nsga2", small, objectives=2, options={"population": 10}), two, 200)
    sums = [sum(two(p.point)) for p in found]
    assert statistics.mean(sums[-50:]) > statistics.mean(sums[:50]) + 0.3


def test_what_fails_is_passed_over(small: Choices) -> None:
    for name in STRATEGIES:
        strategy = make(name, small, seed=0)
        for i in range(15):
            for proposal in strategy.ask(1):
                strategy.tell(proposal, Result("failed") if i % 3 == 0 else Result("evaluated", (i * 1.0,)))
        assert strategy.ask(1) or name == "local"


def test_one_objective_is_asked_of_those_that_follow_one(small: Choices) -> None:
    for name in STRATEGIES:
        if name in SEVERAL:
            make(name, small, objectives=2)
        else:
            with pytest.raises(SearchError, match="follows one objective"):
                make(name, small, objectives=2)


def test_mistaken_names_get_the_nearest(small: Choices) -> None:
    with pytest.raises(SearchError, match="no strategy 'evolutoin': did you mean `evolution`"):
        make("evolutoin", small)
    with pytest.raises(SearchError, match="darts trains one supernet"):
        make("darts", small)
    with pytest.raises(SearchError, match="no option 'popultion': did you mean `population`"):
        make("evolution", small, options={"popultion": 3})
    with pytest.raises(SearchError, match="population is int, not 'many'"):
        make("evolution", small, options={"population": "many"})
    assert parameters("evolution") == {"population": 10, "sample": 3}


# ---------------------------------------------------------------- halving


def quality(proposal: Proposal) -> float:
    return number_of(proposal.point) * (proposal.epochs or 0.0) ** 0.1


def bracket_sizes(strategy: Hyperband, trials: int) -> dict[float, int]:
    sizes: dict[float, int] = {}
    for _ in range(trials):
        (proposal,) = strategy.ask(1)
        assert proposal.epochs is not None
        sizes[proposal.epochs] = sizes.get(proposal.epochs, 0) + 1
        strategy.tell(proposal, Result("evaluated", (quality(proposal),)))
    return sizes


def test_halving_keeps_the_best_third(small: Choices) -> None:
    strategy = Hyperband(make("random", small), 9, shortest=1, eta=3, only_halving=True)
    first = strategy.ask(9)
    assert [p.epochs for p in first] == [1.0] * 9 and strategy.ask(1) == []
    for proposal in first:
        strategy.tell(proposal, Result("evaluated", (quality(proposal),)))
    second = strategy.ask(9)
    best = sorted(first, key=quality, reverse=True)[:3]
    assert [p.epochs for p in second] == [3.0] * 3
    assert [p.point for p in second] == [p.point for p in best]
    assert second[0].why == f"{best[0].number}, trained longer"


def test_hyperband_has_the_papers_brackets(small: Choices) -> None:
    strategy = Hyperband(make("random", small), 81, shortest=1, eta=3)
    # table 1 of the paper: 81 27 9 3 1, 34 (27 there) 11 3 1, 15 (9) 5 1, 8 (6) 2, 5
    assert bracket_sizes(strategy, 121) == {1.0: 81, 3.0: 27, 9.0: 9, 27.0: 3, 81.0: 1}


def test_halving_goes_on_past_failures(small: Choices) -> None:
    strategy = Hyperband(make("evolution", small), 4, shortest=1, eta=2)
    for _ in range(60):
        for proposal in strategy.ask(1):
            fails = proposal.number % 2 == 0 and (proposal.epochs or 0) < 4
            strategy.tell(proposal, Result("failed") if fails else Result("evaluated", (quality(proposal),)))
    assert strategy.asked == 60


def test_halving_goes_on_with_what_there_is(small: Choices, tmp_path: Path) -> None:
    """Where the strategy waits for results, and where it has no more."""
    local = Hyperband(make("local", small), 9, shortest=1, eta=3, only_halving=True)
    assert set(bracket_sizes(local, 40)) == {1.0, 3.0, 9.0}
    (tmp_path / "five.arch").write_text(
        "arch five(w: int in {1, 2, 3, 4, 5}) {\n  input 3 x 8 x 8\n  stem conv(w, 3)\n"
        "  head global_avg_pool -> linear(10)\n}\n"
    )
    few = Choices(Space(Request(str(tmp_path / "five.arch"))))
    grid = Hyperband(make("grid", few), 9, shortest=1, eta=3, only_halving=True)
    assert bracket_sizes(grid, 9) == {1.0: 5, 3.0: 3, 9.0: 1}
    assert grid.ask(1) == []


def test_halving_refuses_nonsense(small: Choices) -> None:
    with pytest.raises(SearchError, match="halving needs"):
        Hyperband(make("random", small), 1, shortest=2)
