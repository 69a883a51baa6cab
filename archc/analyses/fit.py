"""Solving one parameter of a spec for a budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

MAX_TRIES = 200
"""Networks built before giving up."""

Measure = Callable[[float], "int | None"]
"""The figure at a value of the parameter; None where no network can be built."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What a search found.

    value, figure: the best within the budget's nearest; below, above: the nearest (value, figure) on either
    side, None where nothing lies there. tried: networks built. monotone: the figure never fell as the
    parameter rose, so nothing better was overlooked.
    """

    value: float
    figure: int
    below: tuple[float, int] | None
    above: tuple[float, int] | None
    tried: int
    monotone: bool


class Unreachable(Exception):
    """No value of the parameter comes near the budget. lowest, highest: the (value, figure) at both ends."""

    def __init__(self, lowest: tuple[float, int] | None, highest: tuple[float, int] | None) -> None:
        super().__init__(lowest, highest)
        self.lowest = lowest
        self.highest = highest


@dataclass(slots=True)
class _Search:
    measure: Measure
    whole: bool
    known: dict[float, int | None] = field(default_factory=dict)

    def at(self, value: float) -> int | None:
        value = round(value) if self.whole else value
        if value not in self.known:
            if len(self.known) >= MAX_TRIES:
                return None
            self.known[value] = self.measure(value)
        return self.known[value]

    def near(self, value: float, low: float, high: float) -> tuple[float, int] | None:
        """The figure at a value or, where no network can be built, at one close by."""
        for share in (0.0, 0.13, -0.13, 0.29, -0.29, 0.41, -0.41):
            tried = value + share * (high - low)
            tried = round(tried) if self.whole else tried
            figure = self.at(tried) if low < tried < high else None
            if figure is not None:
                return tried, figure
        return None

    def points(self) -> list[tuple[float, int]]:
        return sorted((v, f) for v, f in self.known.items() if f is not None)


def fit(
    measure: Measure,
    budget: int,
    *,
    whole: bool,
    start: float = 1.0,
    low: float = 0.0,
    high: float = float("inf"),
) -> Fit:
    """The value whose figure is nearest to the budget, for a figure that grows with the parameter.

    whole: the parameter is an int. low, high: its bounds, both allowed but a low of 0, which is taken for open.
    The bracket grows from `start` by doubling and is then halved. Raises Unreachable when the budget lies
    outside everything found on the way, by more than a hundredth.
    """
    search = _Search(measure, whole)
    start = min(max(start, low), high)
    _bracket(search, budget, start, low, high)
    points = search.points()
    below = max((p for p in points if p[1] <= budget), key=lambda p: (p[1], -p[0]), default=None)
    above = min((p for p in points if p[1] > budget), key=lambda p: (p[1], p[0]), default=None)
    while below and above and len(search.known) < MAX_TRIES:
        a, b = sorted((below[0], above[0]))
        if b - a <= (1 if whole else 1e-9 * max(1.0, abs(b))):
            break
        found = search.near((a + b) / 2, a, b)
        if found is None:
            break
        if found[1] <= budget:
            below = found
        else:
            above = found
    near = [p for p in (below, above) if p is not None]
    if not near:
        raise Unreachable(None, None)
    value, figure = min(near, key=lambda p: abs(p[1] - budget))
    if (below is None or above is None) and abs(figure - budget) > budget / 100:
        points = search.points()
        raise Unreachable(points[0], points[-1])
    if not whole:
        value = _plain(search, value, figure)
    points = search.points()
    monotone = all(p[1] <= q[1] for p, q in pairwise(points))
    return Fit(value, figure, below, above, len(search.known), monotone)


def _bracket(search: _Search, budget: int, start: float, low: float, high: float) -> None:
    """Double away from the start until the budget is passed or a bound is met."""
    first = search.at(start)
    rising = first is None or first <= budget
    falling = first is None or first > budget
    step = 2.0
    for _ in range(40):
        if rising:
            up = min(start * step if start > 0 else start + step - 1, high)
            figure = search.at(up)
            rising = up < high and (figure is None or figure <= budget) and up < 2**31
        if falling:
            down = max(start / step, low, 1 if search.whole and low <= 0 else 0)
            figure = search.at(down)
            falling = down > max(low, 1 if search.whole else 1e-6) and (figure is None or figure > budget)
        if not (rising or falling):
            return
        step *= 2


def _plain(search: _Search, value: float, figure: int) -> float:
    """The shortest decimal that gives the same figure."""
    for digits in range(1, 10):
        rounded = float(f"{value:.{digits}g}")
        if search.at(rounded) == figure:
            return rounded
    return value
