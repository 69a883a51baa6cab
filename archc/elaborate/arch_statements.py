"""The statements only an arch has: input, sections, outputs, info, expect and require."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from archc.diagnostics import Diagnostic, Span
from archc.diagnostics.record import record
from archc.elaborate.choosers import KeepAll
from archc.elaborate.foreign import keyword_help
from archc.elaborate.frame import ElabFrame
from archc.elaborate.inputs import LOST_INPUT, add_input, input_shape
from archc.elaborate.operators import truth
from archc.elaborate.order import arithmetic_first, hoist
from archc.elaborate.sections import SectionCompiler
from archc.elaborate.statements import Execute, free_names
from archc.elaborate.values import (
    Failure,
    Rejected,
    Tensor,
    a_type,
    fail,
    is_op,
    show,
)
from archc.ops.base import Cost
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


class ArchCompiler(SectionCompiler):
    """Compiles an arch's body."""

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
        condition = ArchCompiler(self.module, self.locals | mentioned).arithmetic(node.condition)

        def check(f: ElabFrame) -> None:
            if truth(condition(f), node.condition.span):
                return
            if f.run.chooser is not None and not isinstance(f.run.chooser, KeepAll):
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
