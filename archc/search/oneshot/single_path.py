"""Uniform single-path sampling, then evolution on the supernet (Guo et al. 2019, arXiv:1904.00420).

Every step trains one network of the space, drawn at random, in the weights all share; no other op runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from archc.elaborate.choosers import Stream
from archc.search.choices import Choices
from archc.search.oneshot.budget import Budget
from archc.search.oneshot.evaluate import accuracy_of
from archc.search.oneshot.feed import Feed
from archc.search.oneshot.network import OneShot
from archc.search.oneshot.outcome import OneShotResult
from archc.search.oneshot.shared import Shared
from archc.search.strategies.evolution import Evolution
from archc.search.strategy import Result
from archc.train.recipe import Recipe


@dataclass(frozen=True)
class SinglePath:
    """trials, population, sample: of the evolution. examples: that each of its networks is evaluated on."""

    trials: int = 200
    population: int = 20
    sample: int = 5
    examples: int = 2000


def search(
    net: OneShot,
    feed: Feed,
    recipe: Recipe,
    settings: SinglePath,
    budget: Budget,
    choices: Choices,
    *,
    device: torch.device,
    watch: Callable[[dict[str, Any]], None] = lambda line: None,
) -> OneShotResult:
    """Trains the shared weights on random paths, then gives the best point evolution finds with them.

    The budget is for the training.
    """
    shared = Shared(net, recipe, device)
    stream = Stream(b"paths:%d" % recipe.seed)
    begun, epoch = time.perf_counter(), feed.epoch_steps
    history: list[dict[str, Any]] = []
    step = -1

    def note(**line: Any) -> None:
        history.append(
            {"step": step + 1, "epoch": (step + 1) / epoch, **line, "seconds": time.perf_counter() - begun}
        )
        watch(history[-1])

    for step, used in budget.steps(epoch, device):
        shared.at(used)
        net.paths.choose(choices.random(stream).point)
        shared.update(*feed.weights(step))
        if (step + 1) % epoch == 0:
            note(**shared.read())
    evolution = Evolution(
        choices, recipe.seed, population=min(settings.population, settings.trials), sample=settings.sample
    )
    best, point = -1.0, {}
    known: dict[str, float] = {}
    for trial in range(settings.trials):
        (proposal,) = evolution.ask(1)
        key = repr(sorted(proposal.point.items()))
        if key not in known:
            known[key] = accuracy_of(shared, feed, proposal.point, settings.examples)
        evolution.tell(proposal, Result("evaluated", (known[key],)))
        if known[key] > best:
            best, point = known[key], dict(proposal.point)
        if (trial + 1) % 50 == 0 or trial + 1 == settings.trials:
            note(trial=trial + 1, best=best)
    net.paths.choose(None)
    return OneShotResult(point, step + 1, time.perf_counter() - begun, tuple(history))
