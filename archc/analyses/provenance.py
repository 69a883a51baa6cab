"""Where a number of a graph came from: the call that wrote it, and back through names to the spec's arguments.

Expressions are evaluated again in the scope they stand in. A value that cannot be had that way, such as one that
depends on a loop, is left out rather than guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archc.analyses.call_sites import (
    Definition,
    argument_of,
    assignment_before,
    call_at,
    called_block,
    loop_around,
    names_in,
    rounding_rules,
    setting_of,
)
from archc.analyses.evaluation import Evaluation
from archc.diagnostics import Span, did_you_mean
from archc.elaborate.definition import Definition as Target
from archc.elaborate.module import Module
from archc.ir.graph import Graph, Node
from archc.syntax import ast

MAX_STEPS = 40
MAX_LINE = 120
COSTS = ("params", "macs", "flops", "activations", "buffers")
SHAPE = ("channels", "height", "width")


@dataclass(frozen=True, slots=True)
class Step:
    """One step back. name: what it explains. value: None where it is not known. rules: how it was rounded.

    span: the text to look at. text: that text, or what there is to say.
    """

    name: str
    value: Any
    text: str
    span: Span | None = None
    rules: tuple[str, ...] = ()


class NotFound(Exception):
    """The path names nothing; carries the message and hints."""

    def __init__(self, message: str, help: tuple[str, ...]) -> None:
        super().__init__(message)
        self.help = help


def why(graph: Graph, target: Target, path: str, given: Mapping[str, Any] | None = None) -> tuple[Step, ...]:
    """The way back from `PATH.ATTR`, the number itself first.

    PATH is that of a node or of a scope, ATTR an argument of its op or block; of a node also channels, height,
    width and the figures. target: what the graph was elaborated from, given: the arguments it was loaded with.
    Raises NotFound, and ValueError when graph and target do not belong together.
    """
    where, _, attribute = path.rpartition(".")
    nodes = {graph.path(n): n for n in graph.nodes}
    scopes = {graph.scope_path(i): i for i in range(len(graph.scopes))}
    search = _Search(graph, target, Evaluation(graph, target, given))
    if path in nodes or path in scopes:
        owner = nodes.get(path)
        known = list(owner.op.arguments()) if owner else [n for n, _ in graph.scopes[scopes[path]].arguments]
        raise NotFound(
            f"{path} is a {'node' if owner else 'scope'}: ask for one of its numbers",
            (f"it has: {', '.join(known) or 'no arguments'}",),
        )
    if where in nodes:
        search.node(nodes[where], attribute, path)
        return tuple(search.steps)
    if where in scopes:
        search.scope(scopes[where], attribute, path)
        return tuple(search.steps)
    hints = did_you_mean(where, [*nodes, *scopes])
    raise NotFound(
        f"{graph.name} has no `{where or path}`", hints or (f"`archc count {graph.name}` lists its sections",)
    )


@dataclass(slots=True)
class _Search:
    graph: Graph
    target: Target
    values: Evaluation
    steps: list[Step] = field(default_factory=list)
    told: set[tuple[str, int, int]] = field(default_factory=set)

    # ------------------------------------------------------------ where to begin

    def node(self, node: Node, attribute: str, path: str) -> None:
        arguments = node.op.arguments()
        if attribute in arguments:
            self._add(path, arguments[attribute], node.op.label(), None)
            self._argument(node, attribute, arguments[attribute])
        elif attribute in SHAPE[: len(node.shape)]:
            self._add(
                path, node.shape[SHAPE.index(attribute)], f"{node.op.label()} makes {node.shape}", node.span
            )
            self._inputs(node)
        elif attribute in COSTS:
            value = getattr(node.cost, attribute)
            self._add(path, value, f"{node.op.label()} makes {node.shape}", node.span)
            self._inputs(node)
            for name in arguments:
                if name in ("channels", "features", "kernel", "groups"):
                    self._argument(node, name, arguments[name])
        else:
            known = [*arguments, *SHAPE[: len(node.shape)], *COSTS]
            raise NotFound(
                f"{node.op.name} has no `{attribute}`",
                did_you_mean(attribute, known) or (f"it has: {', '.join(known)}",),
            )

    def scope(self, scope: int, attribute: str, path: str) -> None:
        arguments = dict(self.graph.arguments if scope == 0 else self.graph.scopes[scope].arguments)
        if attribute not in arguments:
            known = list(arguments)
            raise NotFound(
                f"{path.rpartition('.')[0] or self.graph.name} has no `{attribute}`",
                did_you_mean(attribute, known) or (f"it has: {', '.join(known) or 'no arguments'}",),
            )
        self._add(path, arguments[attribute], self.graph.scopes[scope].block or "argument", None)
        self._parameter(scope, attribute)

    def _inputs(self, node: Node) -> None:
        for i in node.inputs:
            source = self.graph.nodes[i]
            self._add(self.graph.path(source), source.shape, f"its input: {source.op.label()}", source.span)

    # ------------------------------------------------------------ steps back

    def _argument(self, node: Node, name: str, value: Any) -> None:
        """An argument of an op: written at its call, ambient, or the op's default."""
        if node.span is None:
            return
        call = call_at(node.span)
        scope = self._home(node.scope)
        expression = argument_of(call, name, node.op.name, None) if call else None
        if expression is not None:
            self._expression(name, expression, scope, node.span, value)
            return
        function = call.function if isinstance(call, ast.Call) else call
        if isinstance(function, ast.Name):
            # `conv(mid, 3)`, where `conv` is a parameter or was set: what it stands for may hold the argument
            setting = setting_of(function.id, self._definition(scope), self.target)
            held = argument_of(setting.value, name, node.op.name, None) if setting else None
            if setting is not None and held is not None:
                self._add(function.id, None, f"set {setting.span.text}", setting.span)
                self._expression(name, held, 0, setting.span, value)
                return
        setting = setting_of(name, self._definition(scope), self.target)
        if setting is not None:
            self._add(name, value, f"set {setting.span.text}", setting.span)
            return
        self._add(name, value, f"default of {node.op.name}; the call is `{_line(node.span)}`", node.span)

    def _expression(self, name: str, node: ast.Expr, scope: int, at: Span, value: Any = None) -> None:
        """What an expression is made of: its text and value, then the names in it."""
        if len(self.steps) >= MAX_STEPS or (key := (at.source.name, node.span.start, scope)) in self.told:
            return
        self.told.add(key)
        unpacked = isinstance(value, int | float) and isinstance(self.values.of(node, scope), tuple)
        found = value if unpacked else self.values.of(node, scope)
        if not isinstance(node, ast.Number | ast.String | ast.Bool) or at.text != node.span.text:
            known = found if found is not None else value
            self._add(name, known, f"{_line(at)}", at, rounding_rules(node))
        for mention in names_in(node):
            self._name(mention, scope)

    def _name(self, mention: ast.Name, scope: int) -> None:
        home = self._definition(scope)
        if home is None:
            return
        name = mention.id
        assigned = assignment_before(home, name, mention.span)
        if assigned is not None:
            self._expression(name, assigned.value, scope, assigned.span, self.values.of(mention, scope))
        elif name in home.tensors:
            self._tensor(name, scope, mention.span)
        elif any(p.name == name for p in home.params):
            self._parameter(scope, name)
        elif (loop := loop_around(home, name, mention.span)) is not None:
            bound = f"for {_line(loop.target.span)} in {_line(loop.iterable.span)}"
            self._add(f"{name} in", self.values.of(loop.iterable, scope), bound, loop.iterable.span)
            for inner in names_in(loop.iterable):
                self._name(inner, scope)
        else:
            self._declared(name, mention.span)

    def _tensor(self, name: str, scope: int, span: Span) -> None:
        """A block's input: its shape, and its standard deviation where that is known."""
        tensor = self.values.input(scope)
        if tensor is None or (name, scope, 0) in self.told:
            return
        self.told.add((name, scope, 0))
        source = self.graph.nodes[tensor.ref]
        variance = tensor.body.variance(tensor.ref)
        std = "" if isinstance(variance, str) else f", standard deviation {variance**0.5:.6g}"
        self._add(name, tensor.shape, f"the output of {self.graph.path(source)}{std}", source.span)

    def _declared(self, name: str, span: Span) -> None:
        """A constant or function of the module, or of one it imports."""
        module = self._module(span)
        declaration = module.declarations.get(name) if module else None
        if module is not None and declaration is None and name in module.imports:
            statement, member = module.imports[name]
            if member is not None:
                declaration = module.library.import_module(module, statement).declarations.get(member.name)
        if not isinstance(declaration, ast.FnDef | ast.Assign) or len(self.steps) >= MAX_STEPS:
            return
        key = (declaration.span.source.name, declaration.span.start, -1)
        if key not in self.told:
            self.told.add(key)
            self._add(
                name, None, _line(declaration.span), declaration.span, rounding_rules(declaration.value)
            )
            for mention in names_in(declaration.value):
                self._declared(mention.id, mention.span)

    def _parameter(self, scope: int, name: str) -> None:
        """A block's or the arch's parameter: given at the call, set, or its default."""
        if scope == 0:
            self._arch_parameter(name)
            return
        at = self.graph.scopes[scope]
        value = dict(at.arguments).get(name)
        if at.kind == "repeat" and at.name != "0" and name == "stride" and value == 1:
            self._add(name, value, "stride is 1 from the second repetition on", at.span)
            return
        block = self._definition(scope)
        key = (f"{scope}.{name}", 0, 0)
        if at.span is None or block is None or key in self.told:
            return
        self.told.add(key)
        outer = self._home(at.parent)
        call = called_block(at.span, at.block)
        expression = argument_of(call, name, "", block) if call else None
        if expression is not None:
            self._expression(name, expression, outer, at.span, value)
            return
        param = next((p for p in block.params if p.name == name), None)
        if param is not None and param.ambient:
            around = outer
            while around:
                if name in dict(self.graph.scopes[around].arguments) and self._gives(around, name):
                    self._parameter(around, name)
                    return
                around = self._home(self.graph.scopes[around].parent)
            setting = setting_of(name, self._definition(outer), self.target)
            if setting is not None:
                self._add(name, value, f"set {setting.span.text}", setting.span)
                for mention in names_in(setting.value):
                    self._name(mention, 0)
                return
        if param is not None and param.default is not None:
            default = self.values.of(param.default, scope)
            if default is not None and default != value:
                self._add(name, value, _line(at.span), at.span)
                return
            self._add(name, value, f"{param.span.text}, the default of {at.block}", param.span)
            for mention in names_in(param.default):
                self._name(mention, scope)

    def _gives(self, scope: int, name: str) -> bool:
        at = self.graph.scopes[scope]
        block, call = self._definition(scope), called_block(at.span, at.block) if at.span else None
        return call is not None and block is not None and argument_of(call, name, "", block) is not None

    def _arch_parameter(self, name: str) -> None:
        value = dict(self.graph.arguments).get(name)
        if (name, 0, 0) in self.told:
            return
        self.told.add((name, 0, 0))
        for variant in self.target.variants:
            given = argument_of(variant.base, name, "", Definition.of(self.target.arch))
            if given is not None:
                self._add(name, value, f"variant {variant.name} = {_line(variant.base.span)}", given.span)
                return
        param = next((p for p in self.target.arch.params if p.name == name), None)
        if param is not None:
            default = self.values.of(param.default, 0) if param.default is not None else None
            what = "the default" if default == value else "given on the command line"
            self._add(name, value, f"{param.span.text}, {what}", param.span)

    # ------------------------------------------------------------ helpers

    def _add(self, name: str, value: Any, text: str, span: Span | None, rules: tuple[str, ...] = ()) -> None:
        self.steps.append(Step(name, value, text, span, rules))

    def _home(self, scope: int) -> int:
        """The scope whose block or arch holds the text a node of `scope` was written in."""
        return self.values.home(scope)

    def _definition(self, scope: int) -> Definition | None:
        if scope == 0:
            return Definition.of(self.target.arch)
        return self.values.definition(scope)

    def _module(self, span: Span) -> Module | None:
        return self.values.module(span.source.name)


def _line(span: Span) -> str:
    """The text of a span on one line, its beginning where it is long."""
    text = " ".join(span.text.split())
    return text if len(text) <= MAX_LINE else f"{text[: MAX_LINE - 1]}…"
