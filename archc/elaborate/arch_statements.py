"""The statements only an arch has: input, sections, outputs, info, expect and require."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from archc.diagnostics import Diagnostic, Span
from archc.diagnostics.record import record
from archc.elaborate.builder import InstanceItem
from archc.elaborate.foreign import keyword_help
from archc.elaborate.frame import ElabFrame, StackEntry
from archc.elaborate.inputs import LOST_INPUT, add_input, input_shape
from archc.elaborate.operators import hint_of, truth
from archc.elaborate.order import arithmetic_first, hoist
from archc.elaborate.signature import BlockTarget, op_called
from archc.elaborate.statements import Execute, StatementCompiler, free_names
from archc.elaborate.values import (
    MISSING,
    Composition,
    Failure,
    Mixture,
    OpValue,
    Rejected,
    Tensor,
    a_type,
    fail,
    is_op,
    show,
)
from archc.ops.base import Cost, Shape
from archc.syntax import ast


class Costs(Protocol):
    """A graph, or the figures of one that is not built."""

    @property
    def cost(self) -> Cost: ...

    @property
    def train_only_cost(self) -> Cost: ...


METRICS: dict[str, Callable[[Costs], int]] = {
    "params": lambda g: g.cost.params,
    "macs": lambda g: g.cost.macs,
    "flops": lambda g: g.cost.flops,
    "activations": lambda g: g.cost.activations,
    "buffers": lambda g: g.cost.buffers,
    "train_only_params": lambda g: g.train_only_cost.params,
    "train_params": lambda g: g.cost.params + g.train_only_cost.params,
}
"""What `expect` and `require` may speak of; `train_params` counts the train-only heads too."""


@record(frozen=False)
class Claimed:
    """An `expect`: checked by `archc.elaborate.check` against this graph, or one with other arguments."""

    statement: ast.Expect
    overrides: dict[str, Any]


class ArchCompiler(StatementCompiler):
    """Compiles an arch's body."""

    def __init__(self, module: Any, locals_: frozenset[str]) -> None:
        super().__init__(module, locals_)
        self.in_section = False

    def arch_body(
        self, statements: ast.Body, around: Span, requires: tuple[ast.Require, ...]
    ) -> tuple[Execute, Execute]:
        """The body and further `requires`, each of them moved to where its names are first known.

        In two parts: the arithmetic that needs no tensors, and the rest.
        """
        ordered = hoist((*statements, *requires))
        if self.module.errors:
            return self.body((), around), self.body(ordered, around)
        early, rest = arithmetic_first(ordered)
        return self.body(early, around), self.body(rest, around)

    # ------------------------------------------------------------ input and outputs

    def _Input(self, node: ast.Input) -> Execute:
        dims = [self.expressions.compile(d) for d in node.dims]
        name = node.name or "x"

        def input_(f: ElabFrame) -> None:
            arch = f.run.arch
            if name in arch.inputs:
                raise fail("E0505", f"there are two inputs called `{name}`", node.span, "the second",
                           ("name them: `input image: 3 x 224 x 224`",))  # fmt: skip
            try:
                shape = input_shape(f, dims, node)
            except Failure:
                add_input(f, name, (3, 224, 224)[: len(dims)], node.span)
                raise
            add_input(f, name, shape, node.span)

        return input_

    def gap(self, error: Span) -> Execute:
        """As for any body; a lost `input` is made up, so that its sections are still checked."""
        spoiled = super().gap(error)
        line, _ = error.source.position(error.start)
        found = LOST_INPUT.match(error.source.line(line))
        if found is None:
            return spoiled
        name = found[1] or "x"

        def gap(f: ElabFrame) -> tuple[Any] | None:
            if name not in f.run.arch.inputs:
                add_input(f, name, (3, 224, 224), error)
            return spoiled(f)

        return gap

    def _Output(self, node: ast.Output) -> Execute:
        value = self.expressions.compile(node.value)

        def output(f: ElabFrame) -> None:
            arch = f.run.arch
            found = value(f)
            if not isinstance(found, Tensor):
                raise fail("E0509", f"an output must be a tensor, not {show(found)}", node.value.span,
                           f"this is {a_type(found)}", ("what is known of a network stands in `info`",))  # fmt: skip
            if node.name == "out":
                raise fail("E0514", "`out` is the name of the arch's own output", node.span, "",
                           ("choose another name, such as `aux`",))  # fmt: skip
            if any(name == node.name for name, *_ in arch.outputs):
                raise fail("E0514", f"there is already an output called `{node.name}`", node.span, "the second",
                           (f"number them: `{node.name}1`, `{node.name}2`",))  # fmt: skip
            arch.outputs.append((node.name, found, node.train_only, node.span))

        return output

    def _Info(self, node: ast.Info) -> Execute:
        bindings = [(b.name or "", self.expressions.compile(b.value), b.span) for b in node.bindings]

        def info(f: ElabFrame) -> None:
            for name, value, span in bindings:
                found = value(f)
                if isinstance(found, str | int | float | bool):
                    f.run.arch.info[name] = found
                    continue
                message = f"info holds numbers and strings, not {show(found)}"
                help = ("info is for people and `archc list`: write it as a string",)
                f.run.report(Diagnostic("E0515", message, span, f"this is {a_type(found)}", help))

        return info

    # ------------------------------------------------------------ claims

    def _Expect(self, node: ast.Expect) -> Execute:
        overrides = [(a.name or "", self.expressions.compile(a.value), a.span) for a in node.overrides]

        def expect(f: ElabFrame) -> None:
            for claim in node.claims:
                if claim.metric not in METRICS:
                    raise fail(
                        "E0516", f"there is no figure called `{claim.metric}`", claim.span, "not a figure",
                        keyword_help(claim.metric, METRICS) or (f"the figures are: {', '.join(METRICS)}",),
                    )  # fmt: skip
            f.run.arch.claims.append(Claimed(node, {name: value(f) for name, value, _ in overrides}))

        return expect

    def _Require(self, node: ast.Require) -> Execute:
        mentioned = set(free_names(node.condition)) & set(METRICS) - self.locals
        condition = ArchCompiler(self.module, self.locals | mentioned).expressions.compile(node.condition)

        def check(f: ElabFrame) -> None:
            if truth(condition(f), node.condition.span):
                return
            if f.run.chooser is not None:
                raise Rejected(node.condition.span.text)
            seen = sorted({n for n in free_names(node.condition) if n in f.vars and not is_op(f.vars[n])})
            text = " ".join(node.condition.span.text.split())
            raise fail(
                "E0517", f"requirement not met: {text}", node.condition.span, "this is false",
                notes=tuple(f"{n} = {show(f.vars[n])}" for n in seen),
            )  # fmt: skip

        if mentioned:
            return lambda f: f.run.arch.deferred.append(check)
        return check

    # ------------------------------------------------------------ sections

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
        written, op, span, hint = node.op, self.expressions.compile(node.op), node.op.span, hint_of(node.op)
        repeat = None if node.repeat is None else self.expressions.compile(node.repeat)
        at = node.repeat.span if node.repeat else span

        def section(f: ElabFrame) -> None:
            arch = f.run.arch
            if not arch.inputs:
                raise arch.no_input(f"`{node.kind}` comes before `input`", node.span)
            count = 1 if repeat is None else _count(repeat(f), at)
            found = op(f)
            if not is_op(found):
                raise fail("E0520", f"`{node.kind}` applies an op, not {show(found)}", span,
                           f"this is {a_type(found)}", _op_help(written, found))  # fmt: skip
            name = name_of(arch)
            if count == 0:
                return
            scope = arch.open_scope(0, name, "section", node.span)
            entry = StackEntry(_in_section(node.kind, name), span, located=True)
            f.run.stack.append(entry)
            later, shape = found, Shape()
            try:
                for i in range(count):
                    f.scope = scope
                    if repeat is not None:
                        f.scope = arch.open_scope(scope, str(i), "repeat", node.span)
                        f.run.stack.append(StackEntry(f"{_ordinal(i)} of {count}", span))
                    if node.kind == "stage":
                        arch.count_repetition(f.scope)
                    try:
                        if i == 1:
                            later = _later(found)
                        current = f.vars.get(f.current)
                        if i < 2 or not _apply_again(f, current, shape):
                            shape = current.shape if isinstance(current, Tensor) else ()
                            _apply_section(f, later, span, hint)
                    finally:
                        if repeat is not None:
                            f.run.stack.pop()
            finally:
                f.scope = 0
                f.run.stack.pop()

        return section

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


def _apply_again(f: ElabFrame, current: Any, shape: Shape) -> bool:
    """Repeat the block applied last, to a tensor of the shape it was applied to, if it is sure to do the same."""
    last = f.body.items[-1]
    if not isinstance(last, InstanceItem) or not isinstance(current, Tensor) or current.ref != last.value:
        return False
    template = last.template
    if current.shape != shape or template.reads_std or not template.reusable or template.result != 0:
        return False
    f.run.spend(2, last.span)
    f.run.count_nodes(template.node_count, last.span)
    (f.vars[f.current],) = f.body.add_instance(
        template, (current,), last.hint, last.span, f.scope, last.merge
    )
    return True


def _later(op: Any) -> Any:
    """From the second repetition on, one partially applied op that declares `stride` gets 1."""
    if isinstance(op, Mixture):
        return replace(op, ops=tuple([_later(o) for o in op.ops]))
    if isinstance(op, OpValue) and "stride" in op.target.by_name and op.args.get("stride", 1) != 1:
        return OpValue(op.target, {**op.args, "stride": 1}, op.arg_spans, op.captured, op.span, op.positional)
    return op


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
                "name the op only: it is applied to the current tensor",)  # fmt: skip
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
