"""Elaborating an arch: its parameters, sections, claims and outputs, down to the graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any

from archc.diagnostics import ArchError, Diagnostic, Span
from archc.diagnostics.record import record
from archc.elaborate.arch_statements import METRICS, ArchCompiler, Claimed
from archc.elaborate.builder import Body, NeedsGraph, dead_values
from archc.elaborate.choosers import Chooser, KeepAll, Repeatable
from archc.elaborate.definition import Definition
from archc.elaborate.expressions import ExpressionCompiler
from archc.elaborate.flatten import graph_of, outside_stages
from archc.elaborate.frame import ElabFrame, effort
from archc.elaborate.parameters import Parameters, bind_arguments, compile_parameters
from archc.elaborate.run import FUEL, Run
from archc.elaborate.statements import Execute, assigned_names, free_names
from archc.elaborate.values import MISSING, POISON, Failure, Fatal, Tensor, a_type, fail, is_op, show
from archc.ir import Graph, Scope, ScopeKind
from archc.ops.base import FREE, Cost
from archc.syntax import ast

NODE_FUEL = 16
"""Fuel a node of a finished graph costs; a check of many variants shares one tank."""


@record(frozen=False)
class Elaborated:
    """What elaborating an arch gives: diagnostics always, a graph when there is no error.

    costs: the graph's; known without a graph where only they were asked for.
    """

    graph: Graph | None
    costs: Graph | Figures | None
    diagnostics: list[Diagnostic]
    claims: list[Claimed] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    spent: int = 0  # evaluation fuel


def elaborate(
    target: Definition,
    *,
    arguments: dict[str, Any] | None = None,
    input: tuple[int, ...] | None = None,
    chooser: Chooser | KeepAll | None = None,
    fuel: int = FUEL,
    graph: bool = True,
) -> Elaborated:
    """Build the graph of an arch. Never raises for mistakes in the spec: they are in the result.

    graph: without it the graph is built only where its costs or mistakes cannot be told before.
    """
    target.module.library.caches.trim()
    run = Run(target.module.library.caches, chooser, target.module.source.name, fuel)
    state = ArchRun(target, run, input)
    made: Graph | Figures | None = None
    try:
        made = state.build(arguments or {}, graph)
    except Failure as failure:
        if failure.diagnostic is not None:
            run.diagnostics.append(failure.diagnostic)
    except Fatal as fatal:
        run.diagnostics += [fatal.diagnostic] if fatal.diagnostic else []
    if any(d.severity == "error" for d in run.diagnostics):
        made = None
    return Elaborated(
        made if isinstance(made, Graph) else None, made, run.diagnostics, state.claims,
        getattr(chooser, "answers", {}), fuel - run.fuel,
    )  # fmt: skip


@record(frozen=False)
class Drawn:
    """What a sample of a design space is: its arguments, the answers behind them, and its cost."""

    arguments: dict[str, Any]
    answers: dict[str, Any]
    cost: Cost


def draw(
    target: Definition,
    chooser: Chooser,
    *,
    arguments: dict[str, Any] | None = None,
    input: tuple[int, ...] | None = None,
    requires: tuple[ast.Require, ...] = (),
    cost: bool = True,
) -> Drawn:
    """One sample, its graph not built. `requires` are tested beside the space's own.

    cost: without it only what can be known before the first tensor is computed and required. Raises Rejected when
    one is not met, ArchError when the network is invalid.
    """
    target.module.library.caches.trim()
    answers = Repeatable(chooser)
    try:
        return _draw(target, answers, arguments or {}, input, requires, cost, True)
    except NeedsGraph:
        answers.again()
        return _draw(target, answers, arguments or {}, input, requires, cost, False)


def _draw(
    target: Definition,
    chooser: Repeatable,
    arguments: dict[str, Any],
    input: tuple[int, ...] | None,
    requires: tuple[ast.Require, ...],
    cost: bool,
    priced: bool,
) -> Drawn:
    caches, name = target.module.library.caches, target.module.source.name
    run = Run(caches, chooser, name, priced=priced)
    state = ArchRun(target, run, input, requires)
    try:
        if cost:
            state.execute(arguments)
        else:
            state.begin(arguments)
        found = state.figures().cost if cost and not run.failed else FREE
    except Failure as failure:
        raise ArchError([*run.diagnostics, *([failure.diagnostic] if failure.diagnostic else [])]) from None
    except Fatal as fatal:
        raise ArchError([*run.diagnostics, *([fatal.diagnostic] if fatal.diagnostic else [])]) from None
    if run.failed:
        raise ArchError(run.diagnostics)
    return Drawn(state.arguments, getattr(chooser.chooser, "answers", {}), found)


@record
class Figures:
    """The costs of a graph that need not be built to know them."""

    cost: Cost
    train_only_cost: Cost


class ArchRun:
    """The state of an arch being elaborated that its statements share."""

    def __init__(
        self,
        target: Definition,
        run: Run,
        input: tuple[int, ...] | None,
        requires: tuple[ast.Require, ...] = (),
    ) -> None:
        self.target = target
        self.requires = requires
        self.arguments: dict[str, Any] = {}
        self.module = target.module
        self.run = run
        self.input_override = input
        self.body = Body(())
        self.scopes: list[Scope] = [Scope(-1, "", "arch", target.arch.name, (), target.arch.name_span)]
        self.ordinals: dict[int, int] = {}
        self.repetitions = 0
        self.section_names: dict[str, int] = {}
        self.taken_names: set[str] = set()
        self.variant_sets: dict[str, Any] = {}
        self.stages = 0
        self.outputs: list[tuple[str, Tensor, bool, Span]] = []
        self.info: dict[str, Any] = {}
        self.claims: list[Claimed] = []
        self.inputs: list[str] = []
        self.lacks_input = False
        self.deferred: list[Callable[[ElabFrame], None]] = []
        run.bodies.append(self.body)
        run.arch = self

    # ------------------------------------------------------------ parameters

    def build(self, given: dict[str, Any], graph: bool = True) -> Graph | Figures | None:
        """Bind the parameters, run the body, and finish the graph, or its figures where they will do."""
        self.execute(given)
        if self.run.failed:
            return None
        self._warn_of_no_layers()
        self._warn_of_unread_sets()
        if graph or outside_stages(self.body, self.ordinals):
            return self._graph()
        return self.figures()

    def execute(self, given: dict[str, Any]) -> None:
        """Everything but the graph: its body is complete, and its claims are made."""
        texts = [self.target.arch.span, *[v.span for v in self.target.variants]]
        self.run.spend(sum(map(effort, texts)), self.target.span)
        frame = self.begin(given)
        outcome = self._compiled().rest(frame)
        self._run_variants(frame)
        self._returned(frame, outcome)
        self._finish_claims(frame)

    def begin(self, given: dict[str, Any]) -> ElabFrame:
        """Bind the parameters and run the arithmetic before the first tensor."""
        frame = ElabFrame(self.run, {}, self.module.library.caches.ambient, self.body)
        compiled = self._compiled()
        self.arguments = bind_arguments(self.run, self.target, compiled.parameters, given, frame)
        frame.vars.update(self.arguments)
        self._outer_ambient(frame)
        compiled.early(frame)
        return frame

    def _graph(self) -> Graph:
        self.run.spend(NODE_FUEL * self.body.node_count, self.target.span)
        return graph_of(
            self.body, self.scopes, self.ordinals, self.repetitions,
            [(name, tensor.ref, train) for name, tensor, train, _ in self.outputs],
            name=self.target.name,
            doc=self.target.doc,
            source_name=self.module.source.name,
            arguments=tuple((n, show(v) if is_op(v) else v) for n, v in self.arguments.items()),
            info=tuple(self.info.items()),
        )  # fmt: skip

    def figures(self) -> Graph | Figures:
        """The costs: summed as the body grew, unless some of it is dead or only for training."""
        if not any(train for _, _, train, _ in self.outputs):
            outputs = tuple([tensor.ref for _, tensor, _, _ in self.outputs])
            if not dead_values(self.body.items, outputs, self.body.value_count):
                return Figures(self.body.cost, FREE)
        if self.run.priced:
            raise NeedsGraph
        return self._graph()

    def _compiled(self) -> CompiledArch:
        cache = self.module.compiled
        key = (self.target.arch.name, *map(id, self.requires)) if self.requires else self.target.arch.name
        found = cache.get(key)
        if found is None:
            locals_ = frozenset(p.name for p in self.target.arch.params) | frozenset(
                assigned_names(self.target.arch.body)
            )
            compiler = ArchCompiler(self.module, locals_)
            early, rest = compiler.arch_body(self.target.arch.body, self.target.arch.span, self.requires)
            parameters = compile_parameters(self.module, self.target.arch.params)
            found = cache[key] = CompiledArch(parameters, early, rest, self.requires)
        return found

    # ------------------------------------------------------------ variants, outputs, claims

    def no_input(self, message: str, span: Span) -> Failure:
        """The Failure of what needs an input; only the first says so."""
        if self.lacks_input or self.module.gaps(self.target.arch.body, self.target.arch.span):
            return Failure()  # said already, or it may be the line with a syntax error
        self.lacks_input = True
        label, help = "no tensor yet", "move `input` to the start of the body"
        if not any(isinstance(s, ast.Input) for s in self.target.arch.body):
            message, span, label = f"{self.target.arch.name} has no `input`", self.target.arch.name_span, ""
            help = "begin the body with `input 3 x 224 x 224`"
        return fail("E0508", message, span, label, (help,))

    def _outer_ambient(self, frame: ElabFrame) -> None:
        """Put the variants' `set`s around the arch's body, the outermost variant innermost."""
        for variant, home in self.target.layers:
            known = home.ambient_names()  # the arch's are among them, as its file is imported
            for statement in variant.body:
                if not isinstance(statement, ast.SetStmt):
                    continue
                for binding in statement.bindings:
                    name = binding.name or ""
                    if name not in known:
                        raise home.not_ambient(name, binding.span)
                    value = ExpressionCompiler(home, frozenset()).compile(binding.value)(frame)
                    frame.ambient = frame.ambient.extend(name, value)
                    frame.vars[name] = value
                    self.variant_sets[name] = value
                    self.run.set_ambients.setdefault(name, binding.span)

    def open_scope(self, parent: int, name: str, kind: ScopeKind, span: Span) -> int:
        """A new scope's id."""
        self.scopes.append(Scope(parent, name, kind, span=span))
        return len(self.scopes) - 1

    def count_repetition(self, scope: int) -> None:
        """Give a stage repetition its ordinal, for drop-path schedules."""
        self.ordinals[scope] = self.repetitions
        self.repetitions += 1

    def unique_name(self, name: str, in_loop: bool) -> str:
        """A section name not used before: numbered from 1 in loops, from 2 where it merely recurs."""
        while True:
            number = self.section_names.get(name, 0) + 1
            self.section_names[name] = number
            found = f"{name}{number}" if in_loop or number > 1 else name
            if found not in self.taken_names:
                self.taken_names.add(found)
                return found

    def _run_variants(self, frame: ElabFrame) -> None:
        """A variant's own info and expects; its expects replace the arch's."""
        if not self.target.variants:
            return
        self.claims.clear()
        for variant, home in self.target.layers:
            compiler = ArchCompiler(home, frozenset())
            for statement in variant.body:
                replaced = isinstance(statement, ast.Expect) and variant is not self.target.variants[0]
                if not isinstance(statement, ast.SetStmt) and not replaced:
                    compiler.statement(statement)(frame)

    def _returned(self, frame: ElabFrame, outcome: tuple[Any] | None) -> None:
        """The main output: what was returned, else the current tensor."""
        if not self.inputs:
            raise self.no_input(f"{self.target.arch.name} has no `input`", self.target.arch.name_span)
        value = frame.vars.get(frame.current, MISSING) if outcome is None else outcome[0]
        items = list(value) if isinstance(value, list | tuple) else [value]
        mains = []
        for i, item in enumerate(items):
            if not isinstance(item, Tensor):
                if item is MISSING or item is POISON:
                    raise Failure
                at = next((s.value.span for s in self.target.arch.body if isinstance(s, ast.Return)), None)
                raise fail(
                    "E0509", f"{self.target.arch.name} must return tensors, not {show(item)}",
                    at or self.target.arch.name_span, f"this is {a_type(item)}",
                )  # fmt: skip
            mains.append(("out" if len(items) == 1 else f"out{i}", item, False, self.target.arch.name_span))
        self.outputs = [*mains, *self.outputs]

    def _warn_of_no_layers(self) -> None:
        """A network without layers is valid, and never what was meant."""
        if self.body.node_count == len(self.inputs):
            name, span = self.target.arch.name, self.target.arch.name_span
            help = ("apply ops to the input: `stem conv(16, 3)`, or `x = x -> conv(16, 3)`",)
            self.run.report(
                Diagnostic("W0203", f"{name} has no layers: its output is its input", span, "", help)
            )

    def _warn_of_unread_sets(self) -> None:
        """A `set` that nothing read is likely a mistake."""
        unread = {n: s for n, s in self.run.set_ambients.items() if n not in self.run.read_ambients}
        mentioned = set(free_names(self.target.arch.body)) if unread else set()
        for name, span in unread.items():
            if name not in mentioned:
                self.run.report(
                    Diagnostic(
                        "W0201",
                        f"nothing reads `set {name}`",
                        span,
                        "no op or block in this arch uses it",
                        ("remove it; an argument written out, `f(act = relu)`, wins over a `set`",),
                    )
                )

    def _finish_claims(self, frame: ElabFrame) -> None:
        """`require`s about the finished network."""
        if not self.deferred or self.run.failed:
            return
        figures = self.figures()
        for name, metric in METRICS.items():
            frame.vars[name] = metric(figures)
        for check in self.deferred:
            try:
                check(frame)
            except Failure as failure:
                if failure.diagnostic is not None:
                    self.run.report(failure.diagnostic)


@record(frozen=False)
class CompiledArch:
    """What elaborations of an arch share."""

    parameters: Parameters
    early: Execute  # arithmetic that needs no tensors
    rest: Execute
    requires: tuple[ast.Require, ...]  # kept, as their ids are part of the key
