"""Domains of arch parameters, and choosers: what answers the open choices of a design space."""

from __future__ import annotations

import math
import struct
from dataclasses import field
from typing import Any, Protocol

from archc.diagnostics.record import record
from archc.elaborate.arithmetic import equal, is_number
from archc.elaborate.values import show


class Stream:
    """Random numbers, a pure function of the key and of how many were taken before.

    Hashed in counter mode: starting one costs a microsecond where seeding a Mersenne twister costs ten, and
    the numbers are the same on every machine.
    """

    __slots__ = ("_at", "_block", "_key", "_numbers")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._block = -1
        self._numbers: tuple[int, ...] = ()
        self._at = 8

    def uniform(self) -> float:
        """The next number, from [0, 1)."""
        at = self._at
        if at == 8:
            self._block += 1
            self._numbers = _numbers(self._key, self._block)
            at = 0
        self._at = at + 1
        return (self._numbers[at] >> 11) * 2.0**-53

    @property
    def taken(self) -> int:
        """How many numbers were taken; set to go to any place."""
        return self._block * 8 + self._at

    @taken.setter
    def taken(self, taken: int) -> None:
        self._block, self._at = divmod(taken, 8)
        self._numbers = _numbers(self._key, self._block)

    def below(self, count: int) -> int:
        """The next whole number below `count`, each as likely to one part in 2^53 / count."""
        return int(self.uniform() * count)


def _numbers(key: bytes, block: int) -> tuple[int, ...]:
    from hashlib import blake2b  # its import takes milliseconds, and most commands draw nothing

    return struct.unpack("<8Q", blake2b(key, salt=block.to_bytes(8, "little")).digest())


@record
class RangeValues:
    """`low..=high step q [log]`; integers when `whole`. `high` itself may be drawn."""

    low: float
    high: float
    step: float
    log: bool
    whole: bool
    start: float = field(init=False, compare=False)  # of the interval values are drawn from; its log if `log`
    length: float = field(init=False, compare=False)
    per_one: int = field(init=False, compare=False)  # steps in 1 where that is whole, else 0

    def __post_init__(self) -> None:
        start, length = self.low, float(self.count())
        if self.log:
            # pycls: log-uniform over (low - min(step, low/2), high], rounded up to the step
            start = math.log(self.low - min(self.step, self.low / 2))
            length = math.log(self.high) - start
        inverse = round(1 / self.step)
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "length", length)
        object.__setattr__(
            self, "per_one", inverse if self.step < 1 and abs(inverse * self.step - 1) < 1e-12 else 0
        )

    def draw(self, rng: Stream) -> int | float:
        # k / 10 is the float that 0.3 means; k * 0.1 is not
        per_one, step = self.per_one, self.step
        if self.log:
            value = math.exp(self.start + self.length * (1.0 - rng.uniform()))
            drawn = math.ceil(value * per_one) / per_one if per_one else math.ceil(value / step) * step
        else:
            steps = int(rng.uniform() * self.length)
            drawn = self.low + (steps / per_one if per_one else steps * step)
        if drawn > self.high:
            drawn = self.high
        elif drawn < self.low:
            drawn = self.low
        return int(drawn) if self.whole else drawn

    def count(self) -> int:
        """How many distinct values there are."""
        return math.floor((self.high - self.low) / self.step + 1e-9) + 1

    def at(self, index: int) -> int | float:
        """The distinct value of that index, in rising order."""
        found = self.low + (index / self.per_one if self.per_one else index * self.step)
        return int(found) if self.whole else found

    def holds(self, value: Any) -> bool:
        """Within the bounds; values between the steps are accepted when given explicitly."""
        fits = is_number(value) and self.low <= value <= self.high
        return bool(fits and (not self.whole or value == int(value)))

    def describe(self) -> str:
        return f"{show(self.low)}..={show(self.high)}"


@record
class SetValues:
    """`{1, 2, 4}`: each as likely."""

    items: tuple[Any, ...]

    def draw(self, rng: Stream) -> Any:
        return self.items[rng.below(len(self.items))]

    def count(self) -> int:
        return len(self.items)

    def at(self, index: int) -> Any:
        return self.items[index]

    def holds(self, value: Any) -> bool:
        return any(equal(value, item) for item in self.items)

    def describe(self) -> str:
        return "{" + ", ".join(map(show, self.items)) + "}"


@record
class PowerOfTwoOrLog:
    """pycls's group widths: a uniform power of two, redrawn log-uniformly in steps when not below `step`."""

    low: int
    high: int
    step: int
    powers: int = field(init=False, compare=False)
    above: RangeValues = field(init=False, compare=False)

    def __post_init__(self) -> None:
        start, step = max(self.low, self.step), min(self.high, self.step)
        object.__setattr__(self, "powers", (self.high // self.low).bit_length())
        object.__setattr__(self, "above", RangeValues(start, self.high, step, True, True))

    def draw(self, rng: Stream) -> int:
        power = self.low << rng.below(self.powers)
        return power if power < self.step else int(self.above.draw(rng))

    def count(self) -> int:
        return len(self._values())

    def at(self, index: int) -> int:
        return self._values()[index]

    def _values(self) -> list[int]:
        powers = {self.low << i for i in range(self.powers)}
        return sorted({p for p in powers if p < self.step} | set(range(self.step, self.high + 1, self.step)))

    def holds(self, value: Any) -> bool:
        return bool(is_number(value) and self.low <= value <= self.high and value == int(value))

    def describe(self) -> str:
        return f"pow2_or_log({self.low}, {self.high}, step = {self.step})"


DomainValues = RangeValues | SetValues | PowerOfTwoOrLog


class Chooser(Protocol):
    """Answers choice points, met in program order; `path` is stable between elaborations."""

    def domain(self, path: str, values: DomainValues) -> Any:
        """The value of an arch parameter with a domain."""

    def pick(self, path: str, count: int, k: int) -> tuple[int, ...]:
        """k distinct indices below `count`, ascending."""


class KeepAll:
    """In a chooser's place: answers nothing, so that the network is the supernet of a space.

    open: the choice points met, in program order: how many answers each has, and how many of them are picked.
    """

    def __init__(self) -> None:
        self.open: dict[str, tuple[int, int]] = {}


class RandomChooser:
    """Uniform answers, a pure function of (seed, index) and the order of the choices."""

    def __init__(self, seed: int, index: int = 0) -> None:
        self.rng = Stream(b"%d:%d" % (seed, index))
        self.answers: dict[str, Any] = {}

    def domain(self, path: str, values: DomainValues) -> Any:
        self.answers[path] = found = values.draw(self.rng)
        return found

    def pick(self, path: str, count: int, k: int) -> tuple[int, ...]:
        found = (self.rng.below(count),) if k == 1 else self._several(count, k)
        self.answers[path] = found
        return found

    def _several(self, count: int, k: int) -> tuple[int, ...]:
        """Each set of k as likely: the first k places of a shuffle."""
        left = list(range(count))
        for i in range(k):
            j = i + self.rng.below(count - i)
            left[i], left[j] = left[j], left[i]
        return tuple(sorted(left[:k]))


class Repeatable:
    """A chooser whose answers can be given again, should what they are for be begun anew."""

    def __init__(self, chooser: Chooser) -> None:
        self.chooser = chooser
        self.given: list[Any] = []
        self.at = 0

    def again(self) -> None:
        """Answer as before from here on, then go on."""
        self.at = 0

    def domain(self, path: str, values: DomainValues) -> Any:
        if self.at == len(self.given):
            self.given.append(self.chooser.domain(path, values))
        self.at += 1
        return self.given[self.at - 1]

    def pick(self, path: str, count: int, k: int) -> tuple[int, ...]:
        if self.at == len(self.given):
            self.given.append(self.chooser.pick(path, count, k))
        self.at += 1
        found: tuple[int, ...] = self.given[self.at - 1]
        return found
