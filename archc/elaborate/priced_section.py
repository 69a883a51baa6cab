"""Sections without graphs: what a section costs, by a formula of the variables it reads.

As in `archc.elaborate.pricing`, but the section's op is not even evaluated: its expression is traced with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from archc.diagnostics import Span
from archc.elaborate.frame import ElabFrame
from archc.elaborate.operators import Lambda
from archc.elaborate.pricing import (
    NUMBERS,
    Formula,
    add_priced,
    kind_of,
    outline,
    prove,
    traced,
    with_symbols,
)
from archc.elaborate.run import MAX_NODES
from archc.elaborate.statements import StatementCompiler, free_names
from archc.elaborate.values import MISSING, POISON, Tensor, fail, is_op
from archc.ops.symbolic import Symbol
from archc.syntax import ast


class PricedSection:
    """A section of an arch whose op is an expression. `op`: its closure."""

    def __init__(
        self, compiler: StatementCompiler, node: ast.Expr, op: Callable[[ElabFrame], Any], span: Span
    ) -> None:
        self.compiler = compiler
        self.node = node
        self.op = op
        self.span = span
        self.names: list[str] | None = None

    def apply(self, f: ElabFrame, count: int, ordinary: Callable[[], Any]) -> bool:
        """Apply the op `count` times to the current tensor; False where it is to be elaborated.

        ordinary: elaborates it, where a formula is to be proved.
        """
        run, body, current = f.run, f.body, f.vars.get(f.current)
        if type(current) is not Tensor or current.tainted:
            return False
        stage = count > 1
        numbers: list[int | float] = [*current.shape]
        key = self._key(f, numbers)
        if key is None:
            return False
        kind = kind_of(run, (*key, stage, len(current.shape)))
        at = kind.formula(run, numbers, lambda: self._traced(f, current, numbers, stage))
        if at is None:
            return False
        formula, found = at
        more = count - 2 if stage else 0
        if found is None or not formula.settled(numbers):

            def elaborated() -> Any:
                ordinary()
                return f.vars[f.current]

            prove(run, body, kind, formula, found, elaborated, more)
            return True
        nodes, fuel = formula.node_count + more * formula.last_node_count, formula.fuel + 2 * count
        if fuel > run.fuel or body.node_count + nodes > MAX_NODES:
            return False  # which says so
        run.fuel -= fuel
        (f.vars[f.current],) = add_priced(body, formula, found, [current], more)
        return True

    def _key(self, f: ElabFrame, numbers: list[int | float]) -> list[Any] | None:
        """A key of what the op's expression reads but for the numbers, which are appended to `numbers`.

        None where it reads what no formula is made for.
        """
        if self.names is None:
            self.names = self._read()
        values, key = f.vars, [self, f.ambient]
        for name in self.names:
            value = values.get(name, MISSING)
            kind = type(value)
            if kind is int or kind is float:
                numbers.append(value)
                key.append(kind)
            elif kind is list or kind is tuple:
                kinds = tuple(map(type, value))
                if not NUMBERS.issuperset(kinds):
                    return None
                numbers += value
                key.append((kind, kinds))
            elif kind is Lambda:
                if self.compiler.functions.get(name) is None:
                    return None
                key.append(kind)
            elif kind is Tensor or value is POISON:
                if name != f.current:
                    return None
            else:
                key.append(value if value is MISSING else outline(value, numbers))
        return key

    def _read(self) -> list[str]:
        """The local variables that the op reads, by way of local functions too."""
        found: dict[str, None] = {}
        left: list[Any] = [self.node]
        while left:
            for name in free_names(left.pop()):
                if name in self.compiler.locals and name not in found:
                    found[name] = None
                    if (function := self.compiler.functions.get(name)) is not None:
                        left += [function[0].value, *[p.default for p in function[0].params]]
        return list(found)

    def _traced(self, f: ElabFrame, current: Tensor, numbers: list[Any], stage: bool) -> Formula | None:
        def make(frame: ElabFrame, symbols: Iterator[Symbol], inputs: list[Any]) -> Any:
            for name in self.names or ():
                value = f.vars.get(name, MISSING)
                kind = type(value)
                if kind is list or kind is tuple:
                    frame.vars[name] = kind([next(symbols) for _ in value])
                elif kind is Lambda:
                    function = self.compiler.functions[name]
                    assert function is not None  # `_key` looked
                    frame.vars[name] = function[1](frame.vars)
                elif kind is not Tensor and value is not MISSING:
                    frame.vars[name] = with_symbols(value, symbols)
            frame.current = f.current
            frame.vars[f.current] = inputs[0]
            op = self.op(frame)
            if not is_op(op):
                raise fail("E0520", "not an op", self.span)  # the section says it better
            return op

        formula = traced(f.run, make, [current], numbers, f.ambient, self.span, stage)
        return formula if formula is not None and formula.result == 0 else None
