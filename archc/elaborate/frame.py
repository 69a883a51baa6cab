"""The state evaluation works on: caches shared by a library, and the frame of one body."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from archc.diagnostics import Span
from archc.diagnostics.record import record
from archc.elaborate.builder import Body, Template
from archc.elaborate.values import Ambient
from archc.ops.base import Cost, Op, Shape

if TYPE_CHECKING:
    from archc.elaborate.pricing import Kind
    from archc.elaborate.run import Run

CACHE_SIZE = 50_000
CACHE_ITEMS = 200_000
"""Nodes and calls in the bodies of the templates that are kept: some 100 MB, and what a garbage collection walks."""


@record(frozen=False)
class OpEntry:
    """An interned op with the shapes and costs already computed for it."""

    op: Op
    results: dict[tuple[Shape, ...], tuple[Shape, Cost]] = field(default_factory=dict)


@record(frozen=False)
class Caches:
    """What elaborations of one library share: interned ops, templates of clean block calls, and formulas.

    templates: by call; those that read standard deviations also by call and these.
    """

    ops: dict[Any, OpEntry] = field(default_factory=dict)
    templates: dict[Any, Template] = field(default_factory=dict)
    kinds: dict[Any, Kind] = field(default_factory=dict)
    elaborations: int = 0  # begun so far
    items: int = 0  # in the bodies of all templates
    ambient: Ambient = field(default_factory=lambda: Ambient(None, "", None))

    def trim(self) -> None:
        """Called before each elaboration, so that ids used as keys stay alive during one."""
        self.elaborations += 1
        if (
            len(self.ops) > CACHE_SIZE
            or len(self.templates) > CACHE_SIZE
            or self.items > CACHE_ITEMS
            or len(self.kinds) > CACHE_SIZE
            or len(self.ambient.children) > 1000
        ):
            self.ops.clear()
            self.templates.clear()
            self.kinds.clear()
            self.items = 0
            self.ambient = Ambient(None, "", None)


def effort(span: Span) -> int:
    """Fuel of evaluating a text once, beyond what the calls in it spend."""
    return (span.end - span.start) // 16


def located(span: Span) -> str:
    """`nets/mine.arch:14`."""
    line, _ = span.source.position(span.start)
    return f"{span.source.name}:{line}"


@record(frozen=False)
class StackEntry:
    """One level of the way to the current statement: a block call, a section or a repetition.

    located: messages name its line, unless they point into it.
    """

    text: str
    span: Span
    located: bool = False


class ElabFrame:
    """The variables and surroundings of one body being evaluated."""

    __slots__ = ("ambient", "body", "current", "run", "scope", "spans", "vars")

    def __init__(self, run: Run, vars: dict[str, Any], ambient: Ambient, body: Body) -> None:
        self.run = run
        self.vars = vars
        self.ambient = ambient
        self.body = body
        self.scope = 0
        self.current = ""  # name of the current tensor; empty where sections do not belong
        self.spans: dict[str, Span] = {}  # where the caller wrote each argument
