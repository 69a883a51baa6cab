"""ENAS (Pham et al. 2018, arXiv:1802.03268): a controller whose networks share the supernet's weights.

In turn: an epoch of the weights, each step on a network the controller draws; then steps of the controller, the
reward of a network being its accuracy on a batch of the other half, with the weights as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from archc.search.choices import Choices
from archc.search.oneshot.course import Course
from archc.search.oneshot.evaluate import accuracy_of
from archc.search.oneshot.feed import Feed
from archc.search.oneshot.network import OneShot
from archc.search.oneshot.outcome import OneShotResult
from archc.search.oneshot.shared import Shared
from archc.search.strategies.controller import Reinforce
from archc.search.strategy import Result
from archc.train.recipe import Recipe


@dataclass(frozen=True)
class Enas:
    """The controller's: lr, entropy, temperature and tanh, ENAS's, and its steps after each epoch of the weights.

    candidates: networks drawn in the end, of which the best on `examples` examples is taken.
    """

    lr: float = 0.0035
    entropy: float = 1e-4
    temperature: float = 5.0
    tanh: float = 1.1
    decay: float = 0.99
    steps: int = 300
    candidates: int = 10
    examples: int = 2000


def search(
    net: OneShot, feed: Feed, recipe: Recipe, settings: Enas, course: Course, choices: Choices
) -> OneShotResult:
    """Trains weights and controller in turn, and gives the best of the networks it draws in the end."""
    shared = Shared(net, recipe, course.device)
    controller = Reinforce(
        choices, recipe.seed, lr=settings.lr, entropy=settings.entropy, temperature=settings.temperature,
        tanh=settings.tanh, decay=settings.decay,
    )  # fmt: skip

    def learn() -> None:
        first = (course.step - 1) * settings.steps
        rewards = [reward(shared, feed, controller, first + i) for i in range(settings.steps)]
        course.note(**shared.read(), reward=sum(rewards) / max(1, len(rewards)))

    for step, used in course.steps(feed.epoch_steps, {**shared.parts(), "controller": controller}):
        shared.at(used)
        (proposal,) = controller.ask(1)
        controller.tell(
            proposal, Result("failed")
        )  # it trains the weights; the controller learns nothing of it
        net.paths.choose(proposal.point)
        shared.update(*feed.weights(step))
        if not course.between:
            learn()
    if course.between:
        learn()
    drawn = controller.ask(settings.candidates)
    scores = [accuracy_of(shared, feed, p.point, settings.examples) for p in drawn]
    best = max(range(len(drawn)), key=lambda i: scores[i])
    course.note(best=scores[best])
    net.paths.choose(None)
    return OneShotResult(dict(drawn[best].point), course.step, course.seconds, tuple(course.history))


@torch.no_grad()
def reward(shared: Shared, feed: Feed, controller: Reinforce, number: int) -> float:
    """One step of the controller: a network it draws, and its accuracy on a batch of the other half."""
    (proposal,) = controller.ask(1)
    shared.net.paths.choose(proposal.point)
    images, _, labels = feed.choices(number)
    accuracy = float((shared.logits(images).argmax(1) == labels).float().mean())
    with torch.enable_grad():
        controller.tell(proposal, Result("evaluated", (accuracy,)))
    return accuracy
