"""Finding the text behind a graph: the calls, assignments and settings a span points at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from archc.diagnostics import Source, Span
from archc.elaborate.definition import Definition as Target
from archc.elaborate.signature import is_tensor_param, primitive
from archc.elaborate.targets import target_names
from archc.syntax import ast
from archc.syntax.parse import parse
from archc.syntax.walk import walk

RULES = {
    "round": "round: to the nearest, halves to even",
    "int": "int: towards zero",
    "floor": "floor: down",
    "ceil": "ceil: up",
    "make_divisible": "make_divisible(v, d): the nearest multiple of d, one up where that loses a tenth (`limit`)",
    "lcm": "lcm: the least common multiple",
    "//": "//: whole division, down",
}


@dataclass(frozen=True, slots=True)
class Definition:
    """A block or an arch: its parameters other than tensors, its tensors, and its body."""

    name: str
    params: tuple[ast.Param, ...]
    tensors: tuple[str, ...]
    body: ast.Body
    span: Span

    @classmethod
    def of(cls, node: ast.BlockDef | ast.ArchDef) -> Definition:
        tensors = [p.name for p in node.params if isinstance(node, ast.BlockDef) and is_tensor_param(p)]
        params = tuple(p for p in node.params if p.name not in tensors)
        return cls(node.name, params, tuple(tensors), node.body, node.span)


@lru_cache(maxsize=64)
def tree_of(source: Source) -> ast.File:
    """The syntax tree of a source."""
    return parse(source)[0]


def definition_around(span: Span) -> Definition | None:
    """The block or arch a span lies in."""
    for statement in tree_of(span.source).statements:
        if isinstance(statement, ast.BlockDef | ast.ArchDef) and _within(span, statement.span):
            return Definition.of(statement)
    return None


def call_at(span: Span) -> ast.Expr | None:
    """The expression that is exactly a span."""
    for node in walk(tree_of(span.source).statements):
        if isinstance(node, ast.Call | ast.Name) and (node.span.start, node.span.end) == (
            span.start,
            span.end,
        ):
            return node
    return None


def called_block(span: Span, block: str) -> ast.Expr | None:
    """The call of a block in a span: the expression that is the span, or that of the block's name inside it."""
    exact = call_at(span)
    if exact is not None:
        return exact
    inside = [
        n for n in walk(tree_of(span.source).statements) if isinstance(n, ast.Call) and _within(n.span, span)
    ]
    named = [n for n in inside if isinstance(n.function, ast.Name) and n.function.id == block]
    if named:
        return named[0]
    # the block may go by another name there, such as an op parameter's
    held = {id(n) for call in inside for arg in call.args for n in walk(arg)}
    outermost = [n for n in inside if id(n) not in held and isinstance(n.function, ast.Name)]
    others = [n for n in outermost if isinstance(n.function, ast.Name) and primitive(n.function.id) is None]
    return others[0] if len(others) == 1 else None


def argument_of(call: ast.Expr | None, name: str, op: str, block: Definition | None) -> ast.Expr | None:
    """The expression a call gives for an argument of a primitive `op` or of a block; None where it gives none."""
    if not isinstance(call, ast.Call):
        return None
    for arg in call.args:
        if arg.name == name:
            return arg.value
    target = primitive(op)
    if block is None and target is None:
        return None
    order = [p.name for p in block.params] if block else [p.name for p in target.params] if target else []
    tensors = len(block.tensors) if block else len(target.tensors) if target else 0
    positional = [arg.value for arg in call.args if arg.name is None]
    # `f(x, 3)` supplies the tensors too, `x -> f(3)` does not: a call that begins with tensors has them all
    if positional and _leads_with_tensors(call, positional, tensors):
        positional = positional[tensors:]
    at = order.index(name) if name in order else len(positional)
    return positional[at] if at < len(positional) else None


def _leads_with_tensors(call: ast.Call, positional: list[ast.Expr], count: int) -> bool:
    around = definition_around(call.span)
    if around is None or not 0 < count <= len(positional):
        return False
    bound = {*around.tensors, *_tensors_assigned(around)}
    first, *others = positional[:count]
    return _is_tensor(first, bound) and all(_is_tensor(p, bound) or _is_empty(p) for p in others)


def _is_tensor(node: ast.Expr, bound: set[str]) -> bool:
    """Whether an expression is a tensor or a list of them, `bound` being the names of tensors around it."""
    match node:
        case ast.Name():
            return node.id in bound
        case ast.ListExpr() | ast.TupleExpr():
            return any(_is_tensor(item, bound) for item in node.items)
        case ast.Binary():
            return _is_tensor(node.left, bound) or _is_tensor(node.right, bound)
        case ast.Conditional():
            return _is_tensor(node.then, bound) or _is_tensor(node.otherwise, bound)
        case ast.Pipe():
            return _is_tensor(node.left, bound)
        case ast.Index() | ast.Slice():
            return _is_tensor(node.value, bound)
        case ast.Call(function=ast.Name(id="len")):
            return False
        case ast.Call():
            return any(_is_tensor(arg.value, bound) for arg in node.args if arg.name is None)
    return False


def _is_empty(node: ast.Expr) -> bool:
    return isinstance(node, ast.ListExpr) and not node.items


def _tensors_assigned(around: Definition) -> set[str]:
    """Names a body binds to what a pipe makes of a tensor; an arch's current tensor among them."""
    known = set(around.tensors)
    for node in walk(around.body):
        if isinstance(node, ast.Input):
            known.add(node.name or "x")
        if (
            isinstance(node, ast.Assign)
            and any(
                isinstance(n, ast.Name) and n.id in known and not _is_object(n, node.value)
                for n in walk(node.value)
            )
            and any(isinstance(n, ast.Pipe | ast.Call) for n in walk(node.value))
        ):
            known.update(target_names(node.target))
    return known


def _is_object(name: ast.Name, within: ast.Expr) -> bool:
    """Whether a name only stands before a dot, as in `x.channels`."""
    return any(isinstance(n, ast.Attribute) and n.value is name for n in walk(within))


def assignment_before(home: Definition, name: str, use: Span) -> ast.Assign | None:
    """The last assignment of a name above its use."""
    found = [
        node
        for node in walk(home.body)
        if isinstance(node, ast.Assign) and name in target_names(node.target) and node.span.end <= use.start
    ]
    return found[-1] if found and found[-1].span.source is use.source else None


def loop_around(home: Definition, name: str, use: Span) -> ast.For | None:
    """The innermost loop around a use that binds the name."""
    found = [
        node
        for node in walk(home.body)
        if isinstance(node, ast.For) and name in target_names(node.target) and _within(use, node.span)
    ]
    return found[-1] if found else None


def setting_of(name: str, home: Definition | None, target: Target) -> ast.Arg | None:
    """The `set` of a name that holds in a body: the variants' first, the body's own, then the arch's."""
    bodies = [*(v.body for v in target.variants), *((home.body,) if home else ()), target.arch.body]
    for body in bodies:
        for node in walk(body):
            if isinstance(node, ast.SetStmt):
                for binding in node.bindings:
                    if binding.name == name:
                        return binding
    return None


def names_in(node: ast.Expr) -> list[ast.Name]:
    """The names an expression mentions, each once, and no names of arguments."""
    found: dict[str, ast.Name] = {}
    for part in walk(node):
        if isinstance(part, ast.Name):
            found.setdefault(part.id, part)
    return list(found.values())


def rounding_rules(node: ast.Expr) -> tuple[str, ...]:
    """How the functions and operators of an expression round."""
    found: dict[str, None] = {}
    for part in walk(node):
        if isinstance(part, ast.Call) and isinstance(part.function, ast.Name) and part.function.id in RULES:
            found.setdefault(RULES[part.function.id])
        elif isinstance(part, ast.Binary) and part.op == "//":
            found.setdefault(RULES["//"])
    return tuple(found)


def _within(inner: Span, outer: Span) -> bool:
    return inner.source is outer.source and outer.start <= inner.start and inner.end <= outer.end
