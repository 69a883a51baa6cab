"""Every network of a small design space, and how many of them are different ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

from archc.diagnostics import ArchError, Diagnostic
from archc.elaborate.values import Rejected
from archc.spaces.point_text import plain
from archc.spaces.points import ChoicePoint, answered, point_hash
from archc.spaces.sample import Range
from archc.spaces.size import choice_points
from archc.spaces.space import Space, space

MOST = 20_000
"""Networks a space may have for each of them to be looked at."""
CHUNK = 256
"""Points given to a worker at a time."""

Hashed = list[tuple[int, str]]
Mapper = Callable[[Callable[[Range], Hashed], Iterable[Range]], Iterator[Hashed]]
"""The `map` of an executor."""


@dataclass(frozen=True, slots=True)
class Classes:
    """combinations: of answers. met: of those, networks that meet the requirements. different: by canonical hash.

    published: by the rule of the benchmark that the space is of, where it has one.
    """

    combinations: int
    met: int
    different: int
    published: int | None


def classes(
    at: Space, *, mapper: Mapper = map, progress: Callable[[int], None] = lambda done: None
) -> Classes:
    """Builds and hashes every network of a space. progress: called with how many are done. Raises ArchError."""
    total = combinations_of(at)
    rule = PUBLISHED_RULES.get(at.target.arch.name)
    hashes: set[str] = set()
    strings: set[str] = set()
    done = met = 0
    ranges = (Range(at.request, i, min(i + CHUNK, total)) for i in range(0, total, CHUNK))
    for found in mapper(hash_range, ranges):
        for index, digest in found:
            done += 1
            if digest:
                met += 1
                hashes.add(digest)
                if rule is not None:
                    strings.add(rule(answered(at, point_at(_choices(at), index), cost=False).arguments))
        progress(done)
    return Classes(total, met, len(hashes), len(strings) if rule is not None else None)


def hash_range(indices: Range) -> Hashed:
    """The canonical hashes of a range of combinations, empty where requirements are not met: what a worker does."""
    at = space(indices.request)
    found = []
    for index in range(indices.start, indices.stop):
        point = point_at(_choices(at), index)
        try:
            answered(at, point)
            found.append((index, point_hash(at, point)))
        except Rejected:
            found.append((index, ""))
    return found


def combinations_of(at: Space) -> int:
    """How many combinations of answers a space has. Raises ArchError above MOST, or where choices open others."""
    choices, _, fixed = choice_points(at)
    total = math.prod(choice.answers for choice in choices)
    if total > MOST or not fixed:
        why = f": {total:,}" if fixed else ": what is asked depends on earlier answers"
        message = f"{at.name} is too large to count every network{why}"
        help = (f"at most {MOST:,} combinations; `archc sample` draws from any space",)
        raise ArchError([Diagnostic("E0527", message, at.target.span, "", help)])
    return total


def every_point(at: Space) -> Iterator[dict[str, Any]]:
    """Every combination of answers, the last choice fastest. Raises ArchError as `combinations_of`."""
    total = combinations_of(at)
    return (point_at(_choices(at), index) for index in range(total))


def point_at(choices: tuple[ChoicePoint, ...], index: int) -> dict[str, Any]:
    """The combination of that index."""
    point = {}
    for choice in reversed(choices):
        index, at = divmod(index, choice.answers)
        if choice.values is not None:
            point[choice.path] = plain(choice.values.at(at))
        elif choice.k == 1:
            point[choice.path] = (at,)
        else:
            point[choice.path] = list(combinations(range(choice.count), choice.k))[at]
    return dict(reversed(point.items()))


@lru_cache(maxsize=8)
def _choices(at: Space) -> tuple[ChoicePoint, ...]:
    return choice_points(at)[0]


NB201_OPERATORS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NB201_EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
"""(to, from), in the order of a code."""


def nb201_string(arguments: dict[str, Any]) -> str:
    """The string by which NAS-Bench-201 tells cells apart (D-X-Y/AutoDL-Projects, `to_unique_str` with zeros).

    It takes the shift that a batch norm adds to zeros for nothing, and does not sort the terms of nested sums
    together. Its 6,466 classes are those of the published tables.
    """
    nodes = {0: "0"}
    for at in (1, 2, 3):
        terms = []
        for (to, source), operator in zip(NB201_EDGES, arguments["code"], strict=True):
            if to == at:
                gone = operator == 0 or nodes[source] == "#"
                name = NB201_OPERATORS[operator]
                terms.append("#" if gone else nodes[source] if operator == 1 else f"({nodes[source]})@{name}")
        nodes[at] = "+".join(sorted(terms))
    return nodes[3]


PUBLISHED_RULES: dict[str, Callable[[dict[str, Any]], str]] = {"nb201": nb201_string}
"""By the name of an arch: the string that a benchmark has for the arguments of a network."""
