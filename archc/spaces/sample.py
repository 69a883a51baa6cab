"""Sampling: draws in the order of their index, until enough are accepted.

What is accepted depends on nothing but the request: draw i is a function of (space, seed, i), and a draw counts as a
duplicate of one with a smaller index. So any number of workers, each given ranges of indices, finds the same.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from archc.elaborate.values import Rejected
from archc.spaces.space import Draw, Request, space

Result = tuple[int, Draw | str]
"""The index of a draw, and the draw or the requirement it does not meet."""

Mapper = Callable[[Callable[["Range"], list[Result]], Iterable["Range"]], Iterator[list[Result]]]
"""Calls a function on each of many arguments, results in order: the `map` of an executor."""

FIRST, LARGEST = 16, 4096
"""Indices in the first and in the largest range given to a worker."""


@dataclass(frozen=True, slots=True)
class Range:
    """Indices to draw, of a request."""

    request: Request
    start: int
    stop: int


@dataclass(slots=True)
class Population:
    """Accepted draws in order of their index, and what became of the others.

    drawn: how many draws were looked at. rejected: how many did not meet each requirement, the first that they
    did not. duplicates: accepted ones whose graph an earlier one has.
    """

    request: Request
    draws: list[Draw] = field(default_factory=list)
    drawn: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0

    @property
    def acceptance(self) -> float:
        """The share of draws that meet every requirement, duplicates among them."""
        return (len(self.draws) + self.duplicates) / self.drawn if self.drawn else 0.0


def sample(
    request: Request,
    number: int,
    *,
    mapper: Mapper | None = None,
    most: int = 100_000_000,
    progress: Callable[[Population], None] | None = None,
) -> Population:
    """The first `number` distinct accepted draws, or those among the first `most` draws.

    mapper: where the work is done; here by default. progress: called after each draw. Raises ArchError where a
    draw is accepted and yet invalid.
    """
    population = Population(request)
    seen: set[str] = set()
    results = _here(request, most) if mapper is None else _elsewhere(request, most, mapper)
    for _, result in results:
        population.drawn += 1
        if isinstance(result, str):
            population.rejected[result] += 1
        elif result.digest in seen:
            population.duplicates += 1
        else:
            seen.add(result.digest)
            population.draws.append(result)
        if progress is not None:
            progress(population)
        if len(population.draws) == number:
            break
    return population


def draw_range(indices: Range) -> list[Result]:
    """The results of a range of draws: what a worker does."""
    with _uncollected():
        return list(_drawn(indices.request, range(indices.start, indices.stop)))


def _here(request: Request, most: int) -> Iterator[Result]:
    with _uncollected():
        yield from _drawn(request, range(most))


def _elsewhere(request: Request, most: int, mapper: Mapper) -> Iterator[Result]:
    for results in mapper(draw_range, _ranges(request, most)):
        yield from results


def _ranges(request: Request, most: int) -> Iterator[Range]:
    start = 0
    for i in count():
        stop = min(start + min(FIRST << i // 4, LARGEST), most)
        if start == stop:
            return
        yield Range(request, start, stop)
        start = stop


def _drawn(request: Request, indices: Iterable[int]) -> Iterator[Result]:
    at = space(request)
    for index in indices:
        try:
            yield index, at.draw(index)
        except Rejected as rejection:
            yield index, " ".join(str(rejection).split())
        if index % COLLECT_EVERY == COLLECT_EVERY - 1:
            gc.collect()


COLLECT_EVERY = 50_000
"""Draws between garbage collections: each walks all templates, and draws leave next to no cycles."""


@contextmanager
def _uncollected() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
