"""Elaborating an arch: its parameters, sections, claims and outputs, down to the graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from archc.diagnostics import Diagnostic, Span, did_you_mean
from archc.elaborate.arch_statements import METRICS, ArchCompiler, Claimed
from archc.elaborate.builder import Body
from archc.elaborate.choosers import Chooser, DomainValues
from archc.elaborate.definition import Definition
from archc.elaborate.domains import domain_values
from archc.elaborate.expressions import ExpressionCompiler
from archc.elaborate.flatten import graph_of
from archc.elaborate.frame import ElabFrame
from archc.elaborate.run import FUEL, Run
from archc.elaborate.signature import convert, given_twice, wrong_type
from archc.elaborate.statements import Execute, assigned_names, free_names
from archc.elaborate.values import MISSING, POISON, Failure, Fatal, Tensor, a_type, fail, is_op, show
from archc.ir import Graph, Scope, ScopeKind
from archc.syntax import ast

NODE_FUEL = 8
"""Fuel a node of the finished graph costs; a check of many variants shares one tank."""


@dataclass(slots=True)
class Elaborated:
    """What elaborating an arch gives: diagnostics always, a graph when there is no error."""

    graph: Graph | None
    diagnostics: list[Diagnostic]
    claims: list[Claimed] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    spent: int = 0  # evaluation fuel


def elaborate(
    target: Definition,
    *,
    arguments: dict[str, Any] | None = None,
    input: tuple[int, ...] | None = None,
    chooser: Chooser | None = None,
    fuel: int = FUEL,
) -> Elaborated:
    """Build the graph of an arch. Never raises for mistakes in the spec: they are in the result."""
    target.module.library.caches.trim()
    run = Run(target.module.library.caches, chooser, target.module.source.name, fuel)
    state = ArchRun(target, run, input)
    try:
        graph = state.build(arguments or {})
    except Failure as failure:
        graph = None
        if failure.diagnostic is not None:
            run.diagnostics.append(failure.diagnostic)
    except Fatal as fatal:
        graph = None
        run.diagnostics.append(fatal.diagnostic)
    if any(d.severity == "error" for d in run.diagnostics):
        graph = None
    return Elaborated(graph, run.diagnostics, state.claims, getattr(chooser, "answers", {}), fuel - run.fuel)


class ArchRun:
    """The state of an arch being elaborated that its statements share."""

    def __init__(self, target: Definition, run: Run, input: tuple[int, ...] | None) -> None:
        self.target = target
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

    def build(self, given: dict[str, Any]) -> Graph | None:
        """Bind the parameters, run the body, and finish the graph."""
        frame = ElabFrame(self.run, {}, self.module.library.caches.ambient, self.body)
        arguments = self._arguments(given, frame)
        compiled = self._compiled()
        for name, value in arguments.items():
            frame.vars[name] = value
        outcome = compiled.execute(frame)
        self._run_variants(frame)
        self._returned(frame, outcome)
        self._finish_claims(frame)
        if not any(d.severity == "error" for d in self.run.diagnostics):
            self._warn_of_no_layers()
            self._warn_of_unread_sets()
        if any(d.severity == "error" for d in self.run.diagnostics):
            return None
        self.run.spend(NODE_FUEL * self.body.node_count, self.target.span)
        return graph_of(
            self.body, self.scopes, self.ordinals, self.repetitions,
            [(name, tensor.ref, train) for name, tensor, train, _ in self.outputs],
            name=self.target.name,
            doc=self.target.doc,
            source_name=self.module.source.name,
            arguments=tuple((n, show(v) if is_op(v) else v) for n, v in arguments.items()),
            info=tuple(self.info.items()),
        )  # fmt: skip

    def _compiled(self) -> CompiledArch:
        cache = self.module.compiled
        found = cache.get(self.target.arch.name)
        if found is None:
            locals_ = frozenset(p.name for p in self.target.arch.params) | frozenset(
                assigned_names(self.target.arch.body)
            )
            compiler = ArchCompiler(self.module, locals_)
            execute = compiler.arch_body(self.target.arch.body, self.target.arch.span)
            found = cache[self.target.arch.name] = CompiledArch(compiler, execute)
        return found

    def _arguments(self, given: dict[str, Any], frame: ElabFrame) -> dict[str, Any]:
        """Each parameter's value: given, else by a variant, else its default, else chosen."""
        arch = self.target.arch
        params = {p.name: p for p in arch.params}
        chosen: dict[str, tuple[Any, Span]] = {}
        for variant in reversed(self.target.variants):
            chosen.update(self._variant_arguments(variant, params, frame))
        for name, value in given.items():
            if name not in params:
                raise fail(
                    "E0401", f"{arch.name} has no parameter `{name}`", arch.name_span, "declared here",
                    did_you_mean(name, params) or (f"it has: {', '.join(params) or 'none'}",),
                )  # fmt: skip
            if isinstance(value, ast.Expr):
                value = ExpressionCompiler(self.module, frozenset()).compile(value)(frame)
            elif isinstance(value, str) and _wants_op(params[name]):
                value = ExpressionCompiler(self.module, frozenset()).compile(ast.Name(value))(frame)
            chosen[name] = (value, params[name].span)
        values: dict[str, Any] = {}
        for name, param in params.items():
            try:
                values[name] = self._argument(param, chosen.get(name), values, frame)
            except Failure as failure:
                values[name] = POISON
                if failure.diagnostic is not None:
                    self.run.report(failure.diagnostic)
        return values

    def _argument(
        self, param: ast.Param, chosen: tuple[Any, Span] | None, values: dict[str, Any], frame: ElabFrame
    ) -> Any:
        if param.type is None or param.type.name == "tensor":
            raise fail(
                "E0502", f"an arch takes no tensors: give `{param.name}` a type", param.span,
                "a parameter without a type is a tensor",
                (f"write `{param.name}: {_type_of(param)}`; tensors come from `input`",),
            )  # fmt: skip
        domain = self._domain(param, values, frame)
        if chosen is not None:
            value, span = chosen
        elif param.default is not None:
            inner = ElabFrame(self.run, dict(values), frame.ambient, self.body)
            compiler = ExpressionCompiler(self.module, frozenset(values))
            value, span = compiler.compile(param.default)(inner), param.default.span
        elif domain is not None and self.run.chooser is not None:
            return convert(self.run.chooser.domain(param.name, domain), param.type)
        elif domain is not None:
            raise fail(
                "E0507", f"`{param.name}` is open: it may be any of {domain.describe()}", param.span, "no default",
                (f"pass `-p {param.name}=…`, or draw one with `--sample SEED`",),
            )  # fmt: skip
        else:
            raise fail(
                "E0503", f"{self.target.name}: `{param.name}` needs a value", param.span, "no default",
                (f"pass `-p {param.name}=…`, or build one of the file's variants",),
            )  # fmt: skip
        found = convert(value, param.type)
        if found is MISSING:
            raise Failure(wrong_type(self.target.arch.name, param.name, param.type, value, span))
        if domain is not None and not domain.holds(found):
            raise fail(
                "E0504", f"`{param.name}` = {show(found)} is outside its domain {domain.describe()}", span,
                "outside", ("widen the domain, or choose another value",),
            )  # fmt: skip
        return found

    def _domain(self, param: ast.Param, values: dict[str, Any], frame: ElabFrame) -> DomainValues | None:
        if param.domain is None:
            return None
        inner = ElabFrame(self.run, dict(values), frame.ambient, self.body)
        compiler = ExpressionCompiler(self.module, frozenset(values))
        return domain_values(param, lambda e: compiler.compile(e)(inner))

    def _variant_arguments(
        self, variant: ast.VariantDef, params: dict[str, ast.Param], frame: ElabFrame
    ) -> dict[str, tuple[Any, Span]]:
        compiler = ExpressionCompiler(self.module, frozenset())
        found: dict[str, tuple[Any, Span]] = {}
        order = list(params)
        for i, arg in enumerate(variant.base.args):
            name = arg.name
            if name is None:
                if i >= len(order):
                    many = f"{len(order)} argument{'s' if len(order) != 1 else ''}"
                    raise fail(
                        "E0402", f"{self.target.arch.name} takes at most {many}", arg.span, "one too many",
                        (f"it has: {', '.join(order) or 'no parameters'}",),
                    )  # fmt: skip
                name = order[i]
            if name not in params:
                raise fail(
                    "E0401", f"{self.target.arch.name} has no parameter `{name}`", arg.span, "unknown parameter",
                    did_you_mean(name, params) or (f"it has: {', '.join(order) or 'no parameters'}",),
                )  # fmt: skip
            if name in found:
                raise given_twice(self.target.arch.name, name, arg.span)
            found[name] = (compiler.compile(arg.value)(frame), arg.span)
        return found

    # ------------------------------------------------------------ variants, outputs, claims

    def no_input(self, message: str, span: Span) -> Failure:
        """The Failure of what needs an input; only the first says so."""
        if self.lacks_input:
            return Failure()
        self.lacks_input = True
        label, help = "no tensor yet", "move `input` to the start of the body"
        if not any(isinstance(s, ast.Input) for s in self.target.arch.body):
            message, span, label = f"{self.target.arch.name} has no `input`", self.target.arch.name_span, ""
            help = "begin the body with `input 3 x 224 x 224`"
        return fail("E0508", message, span, label, (help,))

    def outer_ambient(self, frame: ElabFrame) -> None:
        """Put the variants' `set`s around the arch's body, the outermost variant innermost."""
        known = self.module.ambient_names()
        for variant in reversed(self.target.variants):
            for statement in variant.body:
                if not isinstance(statement, ast.SetStmt):
                    continue
                for binding in statement.bindings:
                    name = binding.name or ""
                    if name not in known:
                        raise self.module.not_ambient(name, binding.span)
                    value = ExpressionCompiler(self.module, frozenset()).compile(binding.value)(frame)
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
        for variant in reversed(self.target.variants):
            compiler = ArchCompiler(self.module, frozenset())
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
        mentioned = set(free_names(self.target.arch.body))
        for name, span in self.run.set_ambients.items():
            if name not in self.run.read_ambients and name not in mentioned:
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
        if not self.deferred or any(d.severity == "error" for d in self.run.diagnostics):
            return
        graph = graph_of(
            self.body, self.scopes, self.ordinals, self.repetitions,
            [(n, t.ref, train) for n, t, train, _ in self.outputs], name=self.target.name,
        )  # fmt: skip
        for name in METRICS:
            frame.vars[name] = METRICS[name](graph)
        for check in self.deferred:
            try:
                check(frame)
            except Failure as failure:
                if failure.diagnostic is not None:
                    self.run.report(failure.diagnostic)


@dataclass(slots=True)
class CompiledArch:
    compiler: ArchCompiler
    execute: Execute


def _type_of(param: ast.Param) -> str:
    """`int = 64`: a parameter's default with the type it has, `int` without a default."""
    default = param.default
    kinds = {ast.String: "string", ast.Bool: "bool", ast.ListExpr: "list"}
    kind = kinds.get(type(default), "int")
    if isinstance(default, ast.Number) and isinstance(default.value, float):
        kind = "float"
    return kind if default is None else f"{kind} = {default.span.text}"


def _wants_op(param: ast.Param) -> bool:
    return param.type is not None and param.type.name == "op"
