"""Domains of arch parameters, and choosers: what answers the open choices of a design space."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any, Protocol

from archc.elaborate.arithmetic import equal, is_number
from archc.elaborate.values import show


@dataclass(frozen=True, slots=True)
class RangeValues:
    """`low..=high step q [log]`; integers when `whole`. `high` itself may be drawn."""

    low: float
    high: float
    step: float
    log: bool
    whole: bool

    def draw(self, rng: random.Random) -> int | float:
        if self.log:
            # pycls: log-uniform over (low - min(step, low/2), high], rounded up to the step
            start = self.low - min(self.step, self.low / 2)
            value = math.exp(rng.uniform(math.log(start), math.log(self.high)))
            drawn = math.ceil(value / self.step) * self.step
        else:
            drawn = self.low + self.step * rng.randrange(self.count())
        drawn = min(max(drawn, self.low), self.high)
        return int(drawn) if self.whole else round(drawn, 10)

    def count(self) -> int:
        """How many distinct values there are."""
        return math.floor((self.high - self.low) / self.step + 1e-9) + 1

    def holds(self, value: Any) -> bool:
        """Within the bounds; values between the steps are accepted when given explicitly."""
        return is_number(value) and self.low <= value <= self.high

    def describe(self) -> str:
        return f"{show(self.low)}..={show(self.high)}"


@dataclass(frozen=True, slots=True)
class SetValues:
    """`{1, 2, 4}`: each as likely."""

    items: tuple[Any, ...]

    def draw(self, rng: random.Random) -> Any:
        return self.items[rng.randrange(len(self.items))]

    def count(self) -> int:
        return len(self.items)

    def holds(self, value: Any) -> bool:
        return any(equal(value, item) for item in self.items)

    def describe(self) -> str:
        return "{" + ", ".join(map(show, self.items)) + "}"


@dataclass(frozen=True, slots=True)
class PowerOfTwoOrLog:
    """pycls's group widths: a uniform power of two, redrawn log-uniformly in steps when not below `step`."""

    low: int
    high: int
    step: int

    def draw(self, rng: random.Random) -> int:
        power = int(2 ** rng.randint(round(math.log2(self.low)), round(math.log2(self.high))))
        if power < self.step:
            return power
        start, step = max(self.low, self.step), min(self.high, self.step)
        return int(RangeValues(start, self.high, step, True, True).draw(rng))

    def count(self) -> int:
        powers = {2**i for i in range(round(math.log2(self.low)), round(math.log2(self.high)) + 1)}
        return len({p for p in powers if p < self.step} | set(range(self.step, self.high + 1, self.step)))

    def holds(self, value: Any) -> bool:
        return is_number(value) and self.low <= value <= self.high

    def describe(self) -> str:
        return f"pow2_or_log({self.low}, {self.high}, step = {self.step})"


DomainValues = RangeValues | SetValues | PowerOfTwoOrLog


class Chooser(Protocol):
    """Answers choice points, met in program order; `path` is stable between elaborations."""

    def domain(self, path: str, values: DomainValues) -> Any:
        """The value of an arch parameter with a domain."""

    def pick(self, path: str, count: int, k: int) -> tuple[int, ...]:
        """k distinct indices below `count`, ascending."""


class RandomChooser:
    """Uniform answers, a pure function of (seed, index) and the order of the choices."""

    def __init__(self, seed: int, index: int = 0) -> None:
        self.rng = random.Random(f"archc:{seed}:{index}")
        self.answers: dict[str, Any] = {}

    def domain(self, path: str, values: DomainValues) -> Any:
        self.answers[path] = found = values.draw(self.rng)
        return found

    def pick(self, path: str, count: int, k: int) -> tuple[int, ...]:
        found = tuple(sorted(self.rng.sample(range(count), k)))
        self.answers[path] = found
        return found
