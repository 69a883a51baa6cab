"""Uniform single-path sampling, then evolution on the supernet (Guo et al. 2019, arXiv:1904.00420).

Every step trains one network of the space, drawn at random, in the weights all share; no other op runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archc.elaborate.choosers import Stream
from archc.search.choices import Choices
from archc.search.oneshot.course import Course
from archc.search.oneshot.evaluate import accuracy_of
from archc.search.oneshot.feed import Feed
from archc.search.oneshot.network import OneShot
from archc.search.oneshot.outcome import OneShotResult
from archc.search.oneshot.shared import Shared
from archc.search.strategies.evolution import Evolution
from archc.search.strategy import Result
from archc.spaces.point_text import to_json
from archc.train.recipe import Recipe

NOTED = 50
"""Trials of the evolution between two lines of the history."""


@dataclass(frozen=True)
class SinglePath:
    """trials, population, sample: of the evolution. examples: that each of its networks is evaluated on."""

    trials: int = 200
    population: int = 20
    sample: int = 5
    examples: int = 2000


def search(
    net: OneShot, feed: Feed, recipe: Recipe, settings: SinglePath, course: Course, choices: Choices
) -> OneShotResult:
    """Trains the shared weights on random paths, then gives the best point evolution finds with them.

    The budget is for the training.
    """
    shared = Shared(net, recipe, course.device)
    for step, used in course.steps(feed.epoch_steps, shared.parts()):
        shared.at(used)
        net.paths.choose(choices.random(Stream(b"paths:%d:%d" % (recipe.seed, step))).point)
        shared.update(*feed.weights(step))
        if not course.between:
            course.note(**shared.read())
    point = _evolved(shared, feed, recipe, settings, course, choices)
    net.paths.choose(None)
    return OneShotResult(point, course.step, course.seconds, tuple(course.history))


def _evolved(
    shared: Shared, feed: Feed, recipe: Recipe, settings: SinglePath, course: Course, choices: Choices
) -> dict[str, Any]:
    """The best point that evolution finds; after a stop it takes the same way, by the accuracies known by then."""
    evolution = Evolution(
        choices, recipe.seed, population=min(settings.population, settings.trials), sample=settings.sample
    )
    best, point = -1.0, {}
    known: dict[str, float] = course.memo.setdefault("accuracies", {})
    noted: int = course.memo.get("trials", 0)
    for trial in range(1, settings.trials + 1):
        (proposal,) = evolution.ask(1)
        key = to_json(dict(sorted(proposal.point.items())))
        if key not in known:
            known[key] = accuracy_of(shared, feed, proposal.point, settings.examples)
        evolution.tell(proposal, Result("evaluated", (known[key],)))
        if known[key] > best:
            best, point = known[key], dict(proposal.point)
        if trial > noted and (trial % NOTED == 0 or trial == settings.trials):
            course.note(trial=trial, best=best)
            course.memo["trials"] = trial
            course.save()
    return point
