"""Points of a design space: an answer for each of its choice points, as plain data.

A point maps the path of each choice point to its answer: a parameter's value, or the indices picked. It travels as
JSON, and means the same network wherever the space is the same.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from archc.diagnostics import ArchError, Diagnostic, Source, Span, did_you_mean
from archc.elaborate.arch import draw, elaborate
from archc.elaborate.arithmetic import equal, is_number
from archc.elaborate.choosers import Chooser, DomainValues, RandomChooser, SetValues, Stream
from archc.elaborate.values import Rejected, is_op, show
from archc.ir import Graph
from archc.ops.base import Cost
from archc.spaces.canonical import canonical_hash
from archc.spaces.literal import literal
from archc.spaces.point_text import Point, Written, plain, to_json
from archc.spaces.space import Space

PROBES = 32
"""Draws in which a path that a point answers and its network does not ask must occur, to be conditional."""
TRIES = 1_000
"""Neighbours drawn before a point is taken to have none that meets the requirements."""


@dataclass(frozen=True, slots=True)
class ChoicePoint:
    """A parameter with a domain, or a pick of k of `count`.

    values: of a parameter; None for a pick, which has indices.
    """

    path: str
    count: int
    k: int = 1
    values: DomainValues | None = None

    @property
    def answers(self) -> int:
        """How many answers it has."""
        return self.count if self.values is not None else math.comb(self.count, self.k)

    @property
    def described(self) -> str:
        """`12..=28`, `one of 5`, `2 of 3`."""
        if self.values is not None:
            return self.values.describe()
        return f"one of {self.count}" if self.k == 1 else f"{self.k} of {self.count}"

    def holds(self, answer: Any) -> bool:
        """Whether it can be answered so."""
        if self.values is not None:
            return found_value(self.values, answer) is not None
        return (
            isinstance(answer, tuple)
            and len(answer) == self.k
            and all(type(i) is int and 0 <= i < self.count for i in answer)
            and list(answer) == sorted(set(answer))
        )

    def another(self, answer: Any, rng: Stream) -> Any:
        """A different answer, each as likely as a draw makes it. There must be one."""
        chooser = StreamChooser(rng)
        while True:
            if self.values is None:
                found: Any = chooser.pick(self.path, self.count, self.k)
            else:
                found = plain(chooser.domain(self.path, self.values))
            if found != answer:
                return found


class StreamChooser(RandomChooser):
    """Random answers, from a stream of numbers that goes on."""

    def __init__(self, rng: Stream) -> None:
        self.rng = rng
        self.answers = {}


class PointChooser:
    """Answers from a point, and notes what was asked, in program order.

    fallback: answers what the point does not; without one that is an error. lenient: an answer that does not fit
    its choice point any more is the fallback's too. Raises ArchError.
    """

    def __init__(self, point: Point, fallback: Chooser | None = None, *, lenient: bool = False) -> None:
        self.point = point
        self.fallback = fallback
        self.lenient = lenient
        self.choices: list[ChoicePoint] = []
        self.answers: dict[str, Any] = {}

    def domain(self, path: str, values: DomainValues) -> Any:
        choice = ChoicePoint(path, values.count(), values=values)
        if self._answered(choice):
            found = found_value(values, self.point[path])
        else:
            found = self._chooser(choice).domain(path, values)
        self.answers[path] = plain(found)
        return found

    def pick(self, path: str, count: int, k: int) -> tuple[int, ...]:
        choice = ChoicePoint(path, count, k)
        found: tuple[int, ...]
        found = self.point[path] if self._answered(choice) else self._chooser(choice).pick(path, count, k)
        self.answers[path] = found
        return found

    def _answered(self, choice: ChoicePoint) -> bool:
        """Whether the point gives an answer to take; raises ArchError where it gives a wrong one."""
        self.choices.append(choice)
        if choice.path not in self.point:
            return False
        if choice.holds(self.point[choice.path]):
            return True
        if self.lenient:
            return False
        raise _mistake(
            self.point, choice.path, f"`{choice.path}` cannot be {_shown(self.point[choice.path])}", choice.described,
            (f"an answer is {_wanted(choice)}",),
        )  # fmt: skip

    def _chooser(self, choice: ChoicePoint) -> Chooser:
        if self.fallback is None:
            raise _mistake(
                self.point, "", f"the point leaves `{choice.path}` open", choice.described,
                (f"add an answer for it: {_wanted(choice)}",),
            )  # fmt: skip
        return self.fallback


@dataclass(frozen=True, slots=True)
class Answered:
    """A point that answers all that its network asks and nothing else, and what it comes to.

    point, choices: in program order. arguments: of the arch, as values. cost: of the network; that of nothing
    where it was not asked for.
    """

    point: dict[str, Any]
    choices: tuple[ChoicePoint, ...]
    arguments: dict[str, Any]
    cost: Cost


def answered(
    space: Space, point: Point, fallback: Chooser | None = None, *, lenient: bool = False, cost: bool = True
) -> Answered:
    """The choice points a point meets in a space, with its answers.

    fallback, lenient: as of PointChooser; with `lenient` answers to what is not asked are dropped. cost: without it
    a space all of whose choices are parameters, and which requires nothing, is answered faster. Raises Rejected
    where a requirement is not met, and ArchError where the point does not fit.
    """
    chooser = PointChooser(point, fallback, lenient=lenient)
    drawn = draw(
        space.target,
        chooser,
        arguments=space.given,
        input=space.request.input,
        requires=space.requires,
        cost=cost or space.needs_all,
    )
    if not lenient:
        _all_used(space, point, chooser.answers)
    return Answered(chooser.answers, tuple(chooser.choices), drawn.arguments, drawn.cost)


def random_point(space: Space, rng: Stream) -> Answered:
    """A point drawn as `archc sample` draws; raises Rejected where it does not meet the requirements."""
    return answered(space, {}, StreamChooser(rng), cost=False)


def mutate(space: Space, point: Point, rng: Stream) -> Answered:
    """A neighbour: one choice answered differently, and what that opens answered at random.

    Raises Rejected where none of many neighbours meets the requirements, and ArchError for a point that does not
    fit, or that has no neighbour.
    """
    here = answered(space, point, cost=False)
    open_choices = [c for c in here.choices if c.answers > 1]
    if not open_choices:
        raise _mistake(
            point, "", "no choice of this point has another answer", "", ("draw from a larger space",)
        )
    rejected: Rejected | None = None
    for _ in range(TRIES):
        choice = open_choices[rng.below(len(open_choices))]
        changed = {**here.point, choice.path: choice.another(here.point[choice.path], rng)}
        try:
            return answered(space, changed, StreamChooser(rng), lenient=True, cost=False)
        except Rejected as found:
            rejected = found
    assert rejected is not None  # there was a try
    raise rejected


def graph_of(space: Space, point: Point) -> Graph:
    """The network of a point; raises ArchError where the point does not fit, or the network is invalid."""
    chooser = PointChooser(point)
    made = elaborate(space.target, arguments=space.given, input=space.request.input, chooser=chooser)
    if made.graph is None:
        raise ArchError(made.diagnostics)
    _all_used(space, point, chooser.answers)
    return made.graph


def point_hash(space: Space, point: Point) -> str:
    """The canonical hash of a point's network: points with the same one compute the same. Raises as graph_of."""
    return canonical_hash(graph_of(space, point))


def found_value(values: DomainValues, answer: Any) -> Any:
    """The value of a domain that an answer means, None where it means none."""
    if isinstance(values, SetValues):
        return next(
            (v for v in values.items if (literal(v) == answer if is_op(v) else equal(v, answer))), None
        )
    if not is_number(answer) or not values.holds(answer):
        return None
    return answer


def _all_used(space: Space, point: Point, used: Iterable[str]) -> None:
    """Raises ArchError where a point answers what no network of the space asks."""
    left = [path for path in point if path not in set(used)]
    if not left:
        return
    known = set(used)
    for index in range(PROBES):
        chooser = PointChooser({}, RandomChooser(0, index))
        with suppress(Rejected):
            draw(space.target, chooser, arguments=space.given, input=space.request.input)
        known.update(chooser.answers)
    unknown = [path for path in left if path not in known]
    if unknown:
        raise _mistake(
            point, unknown[0], f"{space.name} has no choice point `{unknown[0]}`", "asked for nowhere",
            did_you_mean(unknown[0], known) or (f"it has: {', '.join(sorted(known)[:12])}",),
        )  # fmt: skip


def _wanted(choice: ChoicePoint) -> str:
    if choice.values is not None:
        return f"a value of {choice.described}"
    if choice.k == 1:
        return f"an index from 0 to {choice.count - 1}"
    return f"a list of {choice.k} rising indices from 0 to {choice.count - 1}"


def _shown(answer: Any) -> str:
    if isinstance(answer, tuple):
        return str(answer[0]) if len(answer) == 1 else json.dumps(list(answer))
    return show(answer) if isinstance(answer, int | float | str | bool) else json.dumps(answer)


def _mistake(point: Point, path: str, message: str, label: str, help: tuple[str, ...]) -> ArchError:
    """The error about an answer, pointing at it in the text the point was read from, or would be written as."""
    source = (point.source if isinstance(point, Written) else None) or Source("point.json", to_json(point, 2))
    at = (
        re.search(rf"{re.escape(json.dumps(path))}\s*:\s*(\[[^\]]*\]|[^,\n}}]*)", source.text)
        if path
        else None
    )
    span = Span(source, at.start(1), at.end(1)) if at else Span(source, 0, 1)
    return ArchError([Diagnostic("E0531", message, span, label, help)])
