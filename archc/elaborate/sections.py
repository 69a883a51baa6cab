"""Sections: `stem`, `stage` and `head`, which apply an op to the current tensor or hold a body of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archc.diagnostics import Diagnostic, Span
from archc.diagnostics.record import record
from archc.elaborate.builder import SPREAD_FUEL, InstanceItem, PricedItem
from archc.elaborate.expressions import Closure
from archc.elaborate.frame import ElabFrame, StackEntry
from archc.elaborate.operators import hint_of
from archc.elaborate.priced_section import PricedSection
from archc.elaborate.pricing import priced
from archc.elaborate.signature import BlockTarget, op_called
from archc.elaborate.statements import Execute, StatementCompiler, free_names
from archc.elaborate.values import (
    MISSING,
    Ambient,
    Composition,
    Failure,
    OpValue,
    Tensor,
    a_type,
    fail,
    is_op,
    later,
    show,
)
from archc.ops.base import Shape
from archc.syntax import ast


class SectionCompiler(StatementCompiler):
    """Compiles the sections of an arch's body."""

    def __init__(self, module: Any, locals_: frozenset[str]) -> None:
        super().__init__(module, locals_)
        self.in_section = False

    def _Section(self, node: ast.Section) -> Execute:
        if self.in_section:
            help = "close the section above with `}` first; within one, assign: `x = x -> f`"
            diagnostic = Diagnostic("E0519", f"`{node.kind}` inside a section", node.span, "", (help,))
            unclosed = any(d.code == "E0121" for d in self.module.problems)  # so it is not really inside

            def nested(f: ElabFrame) -> None:
                raise Failure(None if unclosed else diagnostic)

            return nested
        name_of = self._section_name(node)
        if node.body is not None:
            return self._section_body(node, name_of)
        assert node.op is not None  # the grammar gives one of the two
        written, op, span, hint = node.op, self._section_op(node.op), node.op.span, hint_of(node.op)
        repeat = None if node.repeat is None else self.arithmetic(node.repeat)
        at = node.repeat.span if node.repeat else span
        applied, at_once = Applied(node, span, hint), PricedSection(self, node.op, op, span)

        def section(f: ElabFrame) -> None:
            arch = f.run.arch
            if not arch.inputs:
                raise arch.no_input(f"`{node.kind}` comes before `input`", node.span)
            count = 1 if repeat is None else _count(repeat(f), at)
            if f.run.priced and count and at_once.apply(f, count, lambda: elaborated(f, count)):
                name_of(arch)
            else:
                elaborated(f, count)

        def elaborated(f: ElabFrame, count: int) -> None:
            found = op(f)
            if not is_op(found):
                raise fail("E0520", f"`{node.kind}` applies an op, not {show(found)}", span,
                           f"this is {a_type(found)}", _op_help(written, found))  # fmt: skip
            name = name_of(f.run.arch)
            if count == 0:
                return
            scope = 0 if f.run.priced else f.run.arch.open_scope(0, name, "section", node.span)
            entry = StackEntry(_in_section(node.kind, name), span, located=True)
            f.run.stack.append(entry)
            try:
                applied.run(f, found, count, scope)
            finally:
                f.scope = 0
                f.run.stack.pop()

        return section

    def _section_op(self, node: ast.Expr) -> Closure:
        """The closure of a section's op, which is evaluated once where it always is the same."""
        op = self.expressions.compile(node)
        if set(free_names(node)) & self.locals:
            return op
        known: dict[Ambient, Any] = {}

        def found(f: ElabFrame) -> Any:
            value = known.get(f.ambient)
            if value is None:
                picked = f.run.picked
                value = op(f)
                known.clear()  # one at a time: the ambients of other variants come with other arguments
                if f.run.picked == picked:
                    known[f.ambient] = value
            return value

        return found

    def _section_body(self, node: ast.Section, name_of: Callable[[Any], str]) -> Execute:
        assert node.body is not None  # checked by the caller
        self.in_section = True
        body = self.body(node.body, node.span)
        self.in_section = False

        def section(f: ElabFrame) -> tuple[Any] | None:
            arch = f.run.arch
            name = name_of(arch)
            f.scope = arch.open_scope(0, name, "section", node.span)
            if node.kind == "stage":
                arch.count_repetition(f.scope)
            f.run.stack.append(StackEntry(_in_section(node.kind, name), node.span))
            try:
                return body(f)
            finally:
                f.scope = 0
                f.run.stack.pop()

        return section

    def _section_name(self, node: ast.Section) -> Callable[[Any], str]:
        in_loop = self.loops > 0
        kind, given = node.kind, node.name

        def name(arch: Any) -> str:
            if kind == "stage" and given is None:
                arch.stages += 1
                return str(arch.unique_name(f"s{arch.stages}", False))
            return str(arch.unique_name(given or kind, in_loop))

        return name


@record(eq=False)
class Applied:
    """A section's op, applied once or `N x`."""

    node: ast.Section
    span: Span
    hint: str

    def run(self, f: ElabFrame, op: Any, count: int, scope: int) -> None:
        """Apply the op `count` times to the current tensor."""
        shape: Any = None
        i = 0
        if count > 1 and f.run.priced and isinstance(f.vars.get(f.current), Tensor):
            shape = self._first_two(f, op, count, scope)
            i = 2
        while i < count:
            self._enter(f, i, count, scope)
            try:
                done = _apply_again(f, f.vars.get(f.current), shape, count - i) if i >= 2 else 0
                if not done:
                    shape = self._once(f, op if i == 0 else later(op))
            finally:
                self._leave(f)
            i += done or 1

    def _once(self, f: ElabFrame, op: Any) -> Shape | None:
        """Apply the op; the shape it was applied to, if it is one block and so can be repeated as a whole."""
        current, items = f.vars.get(f.current), len(f.body.items)
        _apply_section(f, op, self.span, self.hint)
        if isinstance(current, Tensor) and len(f.body.items) == items + 1:
            return current.shape
        return None

    def _first_two(self, f: ElabFrame, op: Any, count: int, scope: int) -> Shape | None:
        """The first two repetitions, priced as one where the second leaves the shape.

        Returns what the second was applied to, as `_once` does.
        """
        shapes: list[Shape | None] = []

        def one_by_one() -> Any:
            for i, each in enumerate((op, later(op))):
                self._enter(f, i, count, scope)
                try:
                    shapes.append(self._once(f, each))
                finally:
                    self._leave(f)
            return f.vars[f.current]

        found = f.vars[f.current] = priced(
            f.run, f, op, [f.vars[f.current]], f.ambient, self.span, one_by_one, stage=True
        )
        return shapes[1] if shapes else found.shape

    def _enter(self, f: ElabFrame, i: int, count: int, scope: int) -> None:
        f.scope = scope
        if self.node.repeat is not None:
            if not f.run.priced:
                f.scope = f.run.arch.open_scope(scope, str(i), "repeat", self.node.span)
            f.run.stack.append(StackEntry(f"{_ordinal(i)} of {count}", self.span))
        if self.node.kind == "stage":
            f.run.arch.count_repetition(f.scope)

    def _leave(self, f: ElabFrame) -> None:
        if self.node.repeat is not None:
            f.run.stack.pop()


def _apply_section(f: ElabFrame, op: Any, span: Span, hint: str) -> None:
    current = f.vars.get(f.current, MISSING)
    if not isinstance(current, Tensor):
        raise Failure
    only = op.steps[0].op if isinstance(op, Composition) and len(op.steps) == 1 else op
    merge = isinstance(only, OpValue) and isinstance(only.target, BlockTarget)
    try:
        found = f.run.apply(f, only if merge else op, [current], span, hint, merge)
    except Failure as failure:
        if failure.diagnostic is not None:
            f.run.report(failure.diagnostic)
        f.vars[f.current] = Tensor(current.body, current.ref, current.shape, tainted=True)
        return
    if not isinstance(found, Tensor):
        raise fail("E0521", f"a section must end in one tensor, not {show(found)}", span, f"this is {a_type(found)}",
                   ("use a section with a body, `stage { … }`, for several",))  # fmt: skip
    f.vars[f.current] = found


def _apply_again(f: ElabFrame, current: Any, shape: Shape | None, count: int) -> int:
    """Repeat what was applied last to a tensor of this shape, if it is sure to do the same.

    Returns how many times it did: once, or `count` times where only the cost is asked for.
    """
    last = f.body.items[-1]
    if not isinstance(current, Tensor) or current.ref != last.value or current.shape != shape:
        return 0
    if isinstance(last, PricedItem):
        f.run.spend(2 * count, f.run.stack[-1].span)
        f.run.count_nodes(last.node_count * count, f.run.stack[-1].span)
        f.body.repeat_priced(last, count)
        return count
    if not isinstance(last, InstanceItem):
        return 0
    template = last.template
    if template.reads_std or not template.reusable or template.result != 0:
        return 0
    f.run.spend(2 + SPREAD_FUEL * template.node_count, last.span)
    f.run.count_nodes(template.node_count, last.span)
    (f.vars[f.current],) = f.body.add_instance(
        template, (current,), last.hint, last.span, f.scope, last.merge
    )
    return 1


def _count(value: Any, span: Span) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or value < 0:
        help = "the number comes first: `stage 3 x f`" if is_op(value) else "a whole number from 0 up"
        raise fail("E0518", f"a stage repeats a whole number of times, not {show(value)}", span,
                   f"this is {a_type(value)}", (help,))  # fmt: skip
    if value > 20_000:
        raise fail("E0905", f"{value:,} repetitions make more than 20,000 nodes", span, "too many",
                   ("a graph holds at most 20,000 nodes",))  # fmt: skip
    return value


def _in_section(kind: str, name: str) -> str:
    return f"in {kind}" if name == kind else f"in {kind} {name}"


def _op_help(node: ast.Expr, value: Any) -> tuple[str, ...]:
    """How to write the op a section is to apply, where a value stands."""
    if isinstance(value, Tensor):
        text = hint_of(node)
        return (f"name the op without its tensor: `{text}`" if text and isinstance(node, ast.Call) else
                "name the op only: it is applied to the current tensor; one made of other tensors is `stage { x = … }`",)  # fmt: skip
    if isinstance(value, str):
        meant = op_called(value)
        return (f"without quotes: `{meant}`",) if meant else ()
    if isinstance(value, list | tuple) and value and all(map(is_op, value)):
        return ("join ops by `->`",)
    if type(value) is int:
        return (f"with a count: `stage {value} x f`",)
    return ()


def _ordinal(i: int) -> str:
    return ("first", "second", "third")[i] if i < 3 else f"repetition {i + 1}"
