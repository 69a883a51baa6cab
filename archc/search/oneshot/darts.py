"""DARTS (Liu et al. 2018, arXiv:1806.09055): weights and choices by gradient descent, in turn.

First order: the choices follow the gradient of the validation loss at the weights there are. Second order: at the
weights one step on, whose dependence on the choices is found by a finite difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam

from archc.search.oneshot.course import Course, Part
from archc.search.oneshot.derive import derive, shares_of
from archc.search.oneshot.feed import Batch, Feed
from archc.search.oneshot.network import OneShot
from archc.search.oneshot.outcome import OneShotResult
from archc.search.oneshot.shared import Shared
from archc.spaces.point_text import Point
from archc.train.captured import Captured
from archc.train.recipe import Recipe

EPSILON = 0.01
"""The length of the finite difference's step, as in the paper."""


@dataclass(frozen=True)
class Darts:
    """order: 1 or 2. lr, betas, weight_decay: Adam's for the choices, the paper's. warmup: the share of the budget
    in which only the weights learn."""

    order: int = 1
    lr: float = 3e-4
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: float = 1e-3
    warmup: float = 0.0


def search(
    net: OneShot,
    feed: Feed,
    recipe: Recipe,
    settings: Darts,
    course: Course,
    meets: Callable[[Point], bool] | None = None,
) -> OneShotResult:
    """Trains the supernet and gives the point it ends in: the likeliest that meets what is asked of it."""
    run = _Run(net, feed, recipe, settings, course.device)
    parts: dict[str, Part] = {**run.shared.parts(), "choices": run.adam}
    for step, used in course.steps(feed.epoch_steps, parts):
        run.shared.at(used)
        if used >= settings.warmup:
            run.choices_step(step)
        run.weights_step(step)
        if not course.between:
            _note(run, course)
    if course.between:
        _note(run, course)
    return OneShotResult(
        derive(net, meets), course.step, course.seconds, tuple(course.history), shares_of(net)
    )


class _Run:
    """The two optimizers of a search, and their steps: recorded as CUDA graphs where that can be."""

    def __init__(
        self, net: OneShot, feed: Feed, recipe: Recipe, settings: Darts, device: torch.device
    ) -> None:
        self.net, self.feed, self.settings = net, feed, settings
        self.shared = Shared(net, recipe, device)
        feed.layout = self.shared.lay_out(feed.weights(0))
        self.adam = Adam(
            [net.alpha], lr=settings.lr, betas=settings.betas, weight_decay=settings.weight_decay,
            capturable=self.shared.capture,
        )  # fmt: skip
        self.recorded: dict[str, Captured] = {}

    def weights_step(self, step: int) -> None:
        batch = self.feed.weights(step)
        self._recorded("weights", self.shared.update, batch, self.shared.changing)

    def choices_step(self, step: int) -> None:
        validation = self.feed.choices(step)
        if self.settings.order == 2:
            gradient = second_order(self.shared, self.feed.weights(step), validation)
            self.net.alpha.grad = gradient
            self.adam.step()
            self.adam.zero_grad(set_to_none=True)
            return
        self._recorded("choices", self._first_order, validation, self._changing)

    def _recorded(
        self, name: str, update: Any, batch: Batch, changing: Callable[[], dict[str, Tensor]]
    ) -> None:
        if not self.shared.capture:
            update(*batch)
            return
        if name not in self.recorded:
            self.recorded[name] = Captured(update, batch, changing)
        self.recorded[name](*batch)

    def _first_order(self, images: Tensor, targets: Tensor, labels: Tensor) -> None:
        weights = self.net.weights()
        for weight in weights:
            weight.requires_grad_(False)
        loss, _ = self.shared.loss((images, targets, labels))
        loss.backward()  # type: ignore[no-untyped-call]  # torch's is untyped
        for weight in weights:
            weight.requires_grad_(True)
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)

    def _changing(self) -> dict[str, Tensor]:
        found = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        for state in self.adam.state.values():
            found |= {f"adam.{name}": value for name, value in state.items() if isinstance(value, Tensor)}
        return found


def second_order(shared: Shared, training: Batch, validation: Batch) -> Tensor:
    """The gradient of the validation loss after one step of the weights, by the choices; the weights are put back.

    The step is the one SGD would take: with its momentum and weight decay.
    """
    net, rate = shared.net, shared.rate
    weights = net.weights()
    loss, _ = shared.loss(training)
    step = list(torch.autograd.grad(loss, weights))
    before = [w.detach().clone() for w in weights]
    pull = _add_momentum(shared, weights, step)
    with torch.no_grad():
        torch._foreach_add_(weights, step, alpha=-rate)
    loss, _ = shared.loss(validation)
    gradient, *of_weights = torch.autograd.grad(loss, [net.alpha, *weights])
    length = EPSILON / torch.nn.utils.get_total_norm(of_weights)
    sides: list[Tensor] = []
    for sign in (1.0, -1.0):
        with torch.no_grad():
            torch._foreach_copy_(weights, before)
            torch._foreach_add_(weights, [g * (length * sign) for g in of_weights])
        loss, _ = shared.loss(training)
        sides.append(torch.autograd.grad(loss, net.alpha)[0])
    with torch.no_grad():
        torch._foreach_copy_(weights, before)
    return gradient - rate * pull * (sides[0] - sides[1]) / (2 * length)


def _add_momentum(shared: Shared, weights: list[Any], step: list[Tensor]) -> float:
    """Makes gradients what SGD would step along; returns by what it multiplies them, which Nesterov's does."""
    pull = 1.0
    place = {id(w): i for i, w in enumerate(weights)}
    with torch.no_grad():
        for group in shared.optimizer.param_groups:
            for weight in group["params"]:
                at = place[id(weight)]
                if group["weight_decay"]:
                    step[at] = step[at] + group["weight_decay"] * weight
                decayed = step[at]
                buffer = shared.optimizer.state.get(weight, {}).get("momentum_buffer")
                if buffer is not None:
                    step[at] = step[at] + group["momentum"] * buffer
                    if group["nesterov"]:
                        pull = 1 + group["momentum"]
                        step[at] = decayed + group["momentum"] * step[at]
    return pull


def _note(run: _Run, course: Course) -> None:
    with torch.no_grad():
        shares = run.net.shares()
        entropy = float(-(shares * shares.clamp(min=1e-12).log()).sum(1).mean())
    course.note(**run.shared.read(), entropy=entropy, lr=run.shared.rate)
