"""The code of arithmetic: see `archc.elaborate.numeric`, which has it written and falls back on the closures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from archc.diagnostics import Span
from archc.diagnostics.record import record
from archc.elaborate.arithmetic import MAX_INT
from archc.elaborate.builtins import UNARY
from archc.elaborate.frame import effort
from archc.elaborate.numeric_support import SUPPORT
from archc.elaborate.operators import Lambda
from archc.elaborate.values import Function
from archc.syntax import ast

if TYPE_CHECKING:
    from archc.elaborate.expressions import ExpressionCompiler

MAX_SIZE = 2_000
"""Expressions within one that code is written for."""
DEEP = 24
"""Calls of functions within each other."""
LIMIT = float(MAX_INT)

NUMBERS = ("int", "float", "number")
MANY = {"max": max, "min": min, "lcm": math.lcm}


class Unfit(Exception):
    """No code can be written for an expression."""


@record
class Value:
    """Code of an expression. bits: a number, or each item of a list of numbers, is below 2^bits either way.

    type: `int`, `float`, `number` (either), `bool`, `string`, `range`, ("list", type) or ("tuple", types). unchecked:
    the code without the check that keeps it within these bits.
    """

    code: str
    type: Any
    bits: float = 0.0
    unchecked: str = ""


class Program:
    """Code under construction: functions, the objects they use, and the fuel of the one being written."""

    def __init__(self) -> None:
        self.functions: list[str] = []
        self.made: dict[Any, tuple[str, Value]] = {}
        self.fuel = [0]
        self.count = 0
        self.size = 0
        self.iterables = 0  # being written, within each other
        self.scope: dict[str, Any] = dict(SUPPORT)

    def name(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def constant(self, value: Any) -> str:
        """The name of an object."""
        name = self.name("k")
        self.scope[name] = value
        return name


class Writer:
    """Writes the expressions of one scope. `scope`: the variables in it."""

    def __init__(
        self, program: Program, compiler: ExpressionCompiler, scope: dict[str, Value], depth: int
    ) -> None:
        self.program = program
        self.compiler = compiler
        self.scope = scope
        self.depth = depth

    def write(self, node: ast.Expr) -> Value:
        """The code of an expression; raises Unfit."""
        method = getattr(self, "_" + type(node).__name__, None)
        self.program.size += 1
        if method is None or self.program.size > MAX_SIZE:
            raise Unfit
        found: Value = method(node)
        return found

    def number(self, node: ast.Expr) -> Value:
        """The code of an expression that is a number."""
        found = self.write(node)
        if found.type not in NUMBERS:
            raise Unfit
        return found

    def condition(self, node: ast.Expr) -> Value:
        """The code of an expression that is a bool."""
        found = self.write(node)
        if found.type != "bool":
            raise Unfit
        return found

    def _aside(self, node: ast.Expr) -> Value:
        """The code of what is not always evaluated: it spends its fuel itself."""
        self.program.fuel.append(0)
        found = self.write(node)
        fuel = self.program.fuel.pop()
        return Value(f"(spend(run, {fuel}) or {found.code})", found.type, found.bits) if fuel else found

    def _Number(self, node: ast.Number) -> Value:
        if not math.isfinite(node.value):
            raise Unfit
        kind = "int" if type(node.value) is int else "float"
        return Value(repr(node.value), kind, math.log2(abs(node.value) + 1))

    def _String(self, node: ast.String) -> Value:
        return Value(self.program.constant(node.value), "string")

    def _Bool(self, node: ast.Bool) -> Value:
        return Value(repr(node.value), "bool")

    def _Name(self, node: ast.Name) -> Value:
        if node.id in self.scope:
            return self.scope[node.id]
        if node.id in self.compiler.locals:
            raise Unfit
        value = self.compiler.names.resolve(node.id, node.span)
        if type(value) is int or type(value) is float:
            kind = "int" if type(value) is int else "float"
            return Value(f"({value!r})", kind, math.log2(abs(value) + 1))
        raise Unfit

    def _Unary(self, node: ast.Unary) -> Value:
        if node.op == "not":
            return Value(f"(not {self.condition(node.operand).code})", "bool")
        value = self.number(node.operand)
        return Value(f"({node.op}{value.code})", value.type, value.bits)

    def _Binary(self, node: ast.Binary) -> Value:
        a, b = self.number(node.left), self.number(node.right)
        kind = a.type if a.type == b.type else "float" if "float" in (a.type, b.type) else "number"
        code = f"({a.code} {node.op} {b.code})"
        if node.op == "**":
            if a.type != "float":
                raise Unfit
            if self.program.iterables or not a.code.isidentifier():
                return Value(f"power({a.code}, {b.code})", "float", 63)
            name = self.program.name("t")
            found = f"({name} := {a.code} ** {b.code})"
            return Value(f"({name} if {a.code} > 0 and {found} < {LIMIT!r} else bail())", "float", 63)
        if node.op in "+-":
            return self._within(code, kind, max(a.bits, b.bits) + 1)
        if node.op == "*":
            bits = a.bits + b.bits
            for factor, value in ((node.left, b), (node.right, a)):
                if isinstance(factor, ast.Number) and abs(factor.value) >= 1 and bits > _most(kind):
                    # the product is no smaller: its check is that of the value too
                    code = f"({factor.value!r} * {value.unchecked or value.code})"
            return self._within(code, kind, bits)
        if node.op == "%":
            return self._within(code, kind, b.bits)
        # a quotient is no larger than the dividend where the divisor is whole
        bits = a.bits + 1 if b.type == "int" else math.inf
        return self._within(code, "float" if node.op == "/" else kind, bits)

    def _BoolOp(self, node: ast.BoolOp) -> Value:
        left = self.condition(node.left)
        right = self._aside(node.right)
        if right.type != "bool":
            raise Unfit
        return Value(f"({left.code} {node.op} {right.code})", "bool")

    def _Compare(self, node: ast.Compare) -> Value:
        if len(node.rest) != 1:
            raise Unfit
        ((op, other),) = node.rest
        if op in ("in", "not in"):
            if not isinstance(other, ast.Range):
                raise Unfit
            value, low, high = self.number(node.first), self.number(other.start), self.number(other.stop)
            inside = f"({low.code} <= {value.code} {'<=' if other.inclusive else '<'} {high.code})"
            return Value(inside if op == "in" else f"(not {inside})", "bool")
        a, b = self.write(node.first), self.write(other)
        if not (a.type in NUMBERS and b.type in NUMBERS) and not (a.type == b.type == "string"):
            raise Unfit
        return Value(f"({a.code} {op} {b.code})", "bool")

    def _Conditional(self, node: ast.Conditional) -> Value:
        condition = self.condition(node.condition)
        then, otherwise = self._aside(node.then), self._aside(node.otherwise)
        kind = _joined([then.type, otherwise.type])
        bits = max(then.bits, otherwise.bits)
        return Value(f"({then.code} if {condition.code} else {otherwise.code})", kind, bits)

    def _Range(self, node: ast.Range) -> Value:
        low, high = self.number(node.start), self.number(node.stop)
        if low.type != "int" or high.type != "int":
            raise Unfit
        stop = f"{high.code} + 1" if node.inclusive else high.code
        return Value(f"range({low.code}, {stop})", "range", max(low.bits, high.bits) + 1)

    def _ListExpr(self, node: ast.ListExpr) -> Value:
        items = [self.write(i) for i in node.items]
        if not items:
            raise Unfit
        kind = ("list", _joined([i.type for i in items]))
        code = f"[{', '.join(i.code for i in items)}]"
        return Value(self._bounded(code, kind[1], node.span), kind, max(i.bits for i in items))

    def _TupleExpr(self, node: ast.TupleExpr) -> Value:
        items = [self.write(i) for i in node.items]
        code = f"({''.join(f'{i.code}, ' for i in items)})"
        for item in items:
            if type(item.type) is tuple:
                code = self._bounded(code, item.type, node.span)
                break
        return Value(code, ("tuple", tuple(i.type for i in items)))

    def _bounded(self, code: str, item: Any, span: Span) -> str:
        """A new list or tuple, weighed where it holds others."""
        if type(item) is not tuple:
            return code
        if (weight := _weight(item)) is not None:
            return f"rows(run, {code}, {weight})"
        return f"nested(run, {code}, {self.program.constant(span)})"

    def _Index(self, node: ast.Index) -> Value:
        items, index = self.write(node.value), self.number(node.index)
        if type(items.type) is not tuple or items.type[0] != "list" or index.type != "int":
            raise Unfit
        return Value(f"{items.code}[{index.code}]", items.type[1], items.bits)

    def _Slice(self, node: ast.Slice) -> Value:
        items = self.write(node.value)
        bounds = [None if b is None else self.number(b) for b in (node.start, node.stop)]
        if type(items.type) is not tuple or items.type[0] != "list":
            raise Unfit
        if any(b is not None and b.type != "int" for b in bounds):
            raise Unfit
        start, stop = ("" if b is None else b.code for b in bounds)
        code = self._bounded(f"part(run, {items.code}[{start}:{stop}])", items.type[1], node.span)
        return Value(code, items.type, items.bits)

    def _ListComp(self, node: ast.ListComp) -> Value:
        inner = Writer(self.program, self.compiler, dict(self.scope), self.depth)
        parts = []
        for i, clause in enumerate(node.clauses):
            if not isinstance(clause.target, ast.NameTarget):
                raise Unfit
            # the first iterable is evaluated once, in the scope around
            self.program.iterables += 1
            source = (
                self.write(clause.iterable) if i == 0 else inner._aside(clause.iterable)
            )  # others as often as they are met
            self.program.iterables -= 1
            kind = "int" if source.type == "range" else source.type[1] if source.type[0] == "list" else None
            if kind is None:
                raise Unfit
            variable = self.program.name("v")
            inner.scope[clause.target.id] = Value(variable, kind, source.bits)
            fuel = 1 + effort(node.span)
            if len(node.clauses) == 1 and not clause.conditions:
                self.program.fuel.append(0)
                element = inner.write(node.element)
                fuel += self.program.fuel.pop()
            parts.append(f"for {variable} in items(run, {source.code}, {fuel})")
            for condition in clause.conditions:
                found = inner._aside(condition)
                if found.type != "bool":
                    raise Unfit
                parts.append(f"if {found.code}")
        if len(node.clauses) > 1 or node.clauses[0].conditions:
            element = inner._aside(node.element)
        code = f"[{element.code} {' '.join(parts)}]"
        if len(node.clauses) > 1:
            code = f"short({code})"
        return Value(self._bounded(code, element.type, node.span), ("list", element.type), element.bits)

    def _Call(self, node: ast.Call) -> Value:
        if not isinstance(node.function, ast.Name) or any(a.name for a in node.args):
            raise Unfit
        name = node.function.id
        if name in self.compiler.locals:
            raise Unfit
        target = self.compiler.names.resolve(name, node.function.span)
        values = [self.write(a.value) for a in node.args]
        if type(target) is Lambda and target.definition is not None:
            return self._of_fn(target, values)
        if not isinstance(target, Function):
            raise Unfit
        return self._builtin(target, values, node.span)

    def _of_fn(self, target: Lambda, values: list[Value]) -> Value:
        definition = target.definition
        if definition is None or len(values) != len(definition.params) or self.depth >= DEEP:
            raise Unfit
        bits = [min(-(-v.bits // 8) * 8, 64) if v.bits <= 63 else v.bits for v in values]
        key = (id(definition), *[v.type for v in values], *bits)
        found = self.program.made.get(key)
        if found is None:
            names = [self.program.name("p") for _ in values]
            scope = {
                p.name: Value(n, v.type, b)
                for p, n, v, b in zip(definition.params, names, values, bits, strict=True)
            }
            self.program.fuel.append(20 + effort(definition.span))
            around, self.program.iterables = self.program.iterables, 0
            writer = Writer(self.program, target.compiler, scope, self.depth + 1)
            value = writer.write(definition.value)
            self.program.iterables = around
            name = self.program.name("f")
            self.program.functions.append(
                f"def {name}({', '.join(['run', *names])}):\n"
                f"    run.fuel -= {self.program.fuel.pop()}\n    return {value.code}"
            )
            found = self.program.made[key] = (name, value)
        name, value = found
        return Value(f"{name}({', '.join(['run', *(v.code for v in values)])})", value.type, value.bits)

    def _builtin(self, target: Function, values: list[Value], span: Span) -> Value:
        name, kinds = target.name, [v.type for v in values]
        codes = ", ".join(v.code for v in values)
        numbers = all(k in NUMBERS for k in kinds)
        if len(values) == 1 and numbers and name in UNARY:
            self.program.fuel[-1] += 2
            (value,) = values
            if name == "abs":
                return Value(f"abs({codes})", value.type, value.bits)
            if name in ("log", "log2", "sqrt"):
                return Value(f"{name}({codes})", "float", 11 if name != "sqrt" else value.bits)
            return self._within(f"{name}({codes})", "int", max(value.bits, min(value.bits, 53) + 1))
        if len(values) > 1 and numbers and name in MANY:
            if name == "lcm" and set(kinds) != {"int"}:  # of whole floats
                self.program.fuel[-1] += 4
                return self._within(f"{self.program.constant(target.call)}({codes})", "int", math.inf)
            self.program.fuel[-1] += 2
            bits = sum(v.bits for v in values) if name == "lcm" else max(v.bits for v in values)
            return self._within(f"{name}({codes})", _joined(kinds), bits)
        flat = bool(kinds) and type(kinds[0]) is tuple and kinds[0][0] == "list" and kinds[0][1] in NUMBERS
        if name == "zip" and values:
            weights = [_weight(k[1]) if type(k) is tuple and k[0] == "list" else None for k in kinds]
            if None in weights:
                raise Unfit
            kind = ("list", ("tuple", tuple(k[1] for k in kinds)))
            return Value(f"zipped(run, ({codes},), {weights!r})", kind)
        if name == "make_divisible" and numbers:
            self.program.fuel[-1] += 2
            return self._within(f"{self.program.constant(target.call)}({codes})", "int", math.inf)
        if name == "count" and flat and len(kinds) == 2 and kinds[1] in NUMBERS:
            return Value(f"counted(run, {codes})", "int", 17)
        if name == "len" and flat and len(kinds) == 1:
            return Value(f"len(weighed(run, {codes}))", "int", 17)
        if name == "unique" and flat and len(kinds) == 1 and kinds[0][1] != "number":
            return Value(f"list(dict.fromkeys(weighed(run, {codes})))", kinds[0], values[0].bits)
        if name in ("max", "min") and flat and len(kinds) == 1:
            return Value(f"{name}(weighed(run, {codes}))", kinds[0][1], values[0].bits)
        if name == "sum" and flat and len(kinds) == 1:
            return Value(f"total(run, {codes})", kinds[0][1], 63)
        raise Unfit

    def _within(self, code: str, kind: str, bits: float) -> Value:
        """Ints stay below 2^63, floats finite; within an iterable Python takes no `:=`."""
        if bits <= _most(kind):
            return Value(code, kind, bits)
        if self.program.iterables:
            return Value(f"check({code})", kind, 63, code)
        name = self.program.name("t")
        return Value(f"({name} if {-LIMIT!r} < ({name} := {code}) < {LIMIT!r} else bail())", kind, 63, code)


def _most(kind: str) -> float:
    return 1000 if kind == "float" else 63


def _weight(kind: Any) -> int | None:
    """What an item of a list counts, those of a tuple with it; None for lists, whose lengths are not known."""
    if type(kind) is str:
        return 1
    if kind[0] == "list":
        return None
    parts = [_weight(part) for part in kind[1]]
    return None if None in parts else 1 + sum(part or 0 for part in parts)


def _joined(kinds: list[Any]) -> Any:
    """The type of what may be of any of several."""
    if len(set(kinds)) == 1:
        return kinds[0]
    if all(k in NUMBERS for k in kinds):
        return "number"
    raise Unfit
