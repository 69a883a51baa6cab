"""Objectives, conditions and fronts."""

from __future__ import annotations

import random

import pytest

from archc.diagnostics import ArchError
from archc.search.objectives import dominates, front, objectives, split_conditions
from archc.search.strategy import SearchError

METRICS = ("accuracy", "latency", "macs", "params")


def test_mnasnets_reward() -> None:
    (reward,) = objectives(["accuracy * (latency / 0.08) ** -0.07"], METRICS)
    assert reward.score({"accuracy": 0.75, "latency": 0.08}) == 0.75
    assert reward.score({"accuracy": 0.75, "latency": 0.16}) == pytest.approx(0.75 * 2**-0.07)
    assert reward.score({"accuracy": 0.75, "latency": 0.04}) > 0.75
    (hard,) = objectives(["accuracy if latency <= 0.08 else accuracy * 0.08 / latency"], METRICS)
    assert hard.score({"accuracy": 0.8, "latency": 0.04}) == 0.8
    assert hard.score({"accuracy": 0.8, "latency": 0.16}) == pytest.approx(0.4)


def test_what_is_made_small_is_shown_as_it_is() -> None:
    accuracy, macs = objectives(["accuracy", "-macs"], METRICS)
    assert (accuracy.metric, accuracy.smaller) == ("accuracy", False)
    assert (macs.metric, macs.smaller, macs.score({"macs": 5})) == ("macs", True, -5.0)
    assert macs.shown(macs.score({"macs": 5})) == 5.0


def test_mistakes_are_told() -> None:
    with pytest.raises(SearchError, match=r"no metric `acuracy`: did you mean `accuracy`"):
        objectives(["acuracy"], METRICS)
    with pytest.raises(ArchError):
        objectives(["accuracy *"], METRICS)
    (found,) = objectives(["macs > 3"], METRICS)
    with pytest.raises(ArchError, match="must come to a number"):
        found.score({"macs": 5})


def test_conditions_go_to_who_knows_the_figures() -> None:
    spaces, conditions = split_conditions(
        ["macs <= 50M", "latency < 0.01 and macs < 9"], ("latency",), ("latency", "macs")
    )
    assert spaces == ("macs <= 50M",)
    assert [c.text for c in conditions] == ["latency < 0.01 and macs < 9"]
    assert conditions[0].met({"latency": 0.001, "macs": 5})
    assert not conditions[0].met({"latency": 0.1, "macs": 5})
    with pytest.raises(SearchError, match="no metric `width`"):
        split_conditions(["latency < width"], ("latency",), ("latency",))


def test_a_front_is_what_nothing_dominates() -> None:
    rng = random.Random(0)
    for _ in range(50):
        scores = [(rng.randrange(6), rng.randrange(6), rng.randrange(3)) for _ in range(30)]
        found = {scores[i] for i in front(scores)}
        assert found == {s for s in scores if not any(dominates(other, s) for other in scores)}
        assert len(found) == len(front(scores))
