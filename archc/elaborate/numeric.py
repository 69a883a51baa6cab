"""Arithmetic as Python code, once samples have had it evaluated often: drawing from a space is arithmetic.

Code is written for the types of the variables an expression reads. It reports nothing, and does not handle what goes
wrong: then, as where an expression is not plain arithmetic, the closures evaluate the expression. It spends the same
fuel. All identifiers in the code are made here, and constants are numbers, so no text of a spec is in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from archc.elaborate.frame import ElabFrame
from archc.elaborate.numeric_code import DEEP, Program, Unfit, Value, Writer
from archc.elaborate.numeric_support import Bail
from archc.elaborate.values import Failure
from archc.syntax import ast

if TYPE_CHECKING:
    from archc.elaborate.expressions import ExpressionCompiler

Closure = Callable[[ElabFrame], Any]

OFTEN = 48
"""Evaluations before code is written: it takes as long as some hundred of them."""
MOST = 16
"""Combinations of types code is written for."""
LEAF_BITS = 31


def often(compiler: ExpressionCompiler, node: ast.Expr, closure: Closure) -> Closure:
    """`closure`, an expression's, or code for it where it is evaluated often."""
    if not isinstance(
        node, ast.Call | ast.Compare | ast.Binary | ast.ListComp | ast.Conditional | ast.BoolOp
    ):
        return closure
    written: dict[Any, Callable[..., Any] | None] = {}
    names: list[str] | None = None
    evaluated = 0

    def evaluate(f: ElabFrame) -> Any:
        nonlocal evaluated, names
        run = f.run
        if not run.priced or evaluated < OFTEN:
            evaluated += run.priced
            return closure(f)
        if names is None:
            names = _read(compiler, node)
        values = [f.vars.get(name) for name in names]
        types = tuple(map(_type_of, values))
        code = written.get(types)
        if code is None:
            if types in written or len(written) >= MOST:
                return closure(f)
            code = written[types] = _written(compiler, node, names, types)
            if code is None:
                return closure(f)
        fuel = run.fuel
        if run.depth + DEEP < 64:
            try:
                found = code(run, *values)
                if run.fuel >= 0:
                    return found
            except (Bail, Failure, ArithmeticError, ValueError, LookupError):
                pass
        run.fuel = fuel
        return closure(f)

    return evaluate


def _read(compiler: ExpressionCompiler, node: Any) -> list[str]:
    from archc.elaborate.statements import free_names

    return [name for name in dict.fromkeys(free_names(node)) if name in compiler.locals]


def _type_of(value: Any) -> Any:
    kind = type(value)
    if kind is int or kind is float or kind is bool or kind is str:
        return kind
    if kind is list:
        kinds = set(map(type, value))
        if kinds == {int}:
            return "ints"
        if kinds == {float}:
            return "floats"
    return None


_LEAVES: dict[Any, tuple[Any, float]] = {
    int: ("int", LEAF_BITS),
    float: ("float", LEAF_BITS),
    bool: ("bool", 0),
    str: ("string", 0),
    "ints": (("list", "int"), 63),
    "floats": (("list", "float"), math.inf),
}


def _written(
    compiler: ExpressionCompiler, node: ast.Expr, names: list[str], types: tuple[Any, ...]
) -> Callable[..., Any] | None:
    """The function of the run and the variables; None where there is no code."""
    program = Program()
    scope = {}
    checks = []
    for i, (name, kind) in enumerate(zip(names, types, strict=True)):
        if kind in _LEAVES:  # another is not read where it is only the name of a comprehension's variable
            scope[name] = Value(f"a{i}", *_LEAVES[kind])
            if kind is int or kind is float:
                checks.append(f"-{2**LEAF_BITS} < a{i} < {2**LEAF_BITS}")
    try:
        result = Writer(program, compiler, scope, 0).write(node)
    except (Unfit, Failure):
        return None
    lines = [f"def code({', '.join(['run', *(f'a{i}' for i in range(len(names)))])}):"]
    if checks:
        lines.append(f"    if not ({' and '.join(checks)}): raise Bail")
    if program.fuel[-1]:
        lines.append(f"    run.fuel -= {program.fuel[-1]}")
    lines.append(f"    return {result.code}")
    try:
        exec("\n".join([*program.functions, *lines]), program.scope)
    except (SyntaxError, MemoryError, RecursionError):  # parentheses nested deeper than Python takes
        return None
    return program.scope["code"]  # type: ignore[no-any-return]  # defined by the lines
