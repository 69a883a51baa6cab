"""An expression of the language as a function of some numbers: scores, objectives, conditions on figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from archc.diagnostics import ArchError, Diagnostic, Source, Span
from archc.elaborate.api import library
from archc.elaborate.builder import Body
from archc.elaborate.expressions import ExpressionCompiler
from archc.elaborate.frame import ElabFrame
from archc.elaborate.module import Module
from archc.elaborate.run import Run
from archc.elaborate.values import Failure
from archc.syntax.parse import parse, parse_expression


def calculation(text: str, names: Iterable[str], where: str) -> Callable[[Mapping[str, Any]], Any]:
    """A function of the named values. where: what messages call the text. Raises ArchError, now and when called."""
    source = Source(where, text)
    module = Module(library(), source, parse(Source(where, ""))[0], [], 0, shipped=False)
    try:
        evaluate = ExpressionCompiler(module, frozenset(names)).compile(parse_expression(text, where))
    except Failure as failure:
        raise _error(failure) from None

    def compute(values: Mapping[str, Any]) -> Any:
        run = Run(library().caches, None, source.name)
        try:
            return evaluate(ElabFrame(run, dict(values), library().caches.ambient, Body(())))
        except Failure as failure:
            raise _error(failure) from None

    return compute


def number(text: str, names: Iterable[str], where: str) -> Callable[[Mapping[str, Any]], float]:
    """A calculation that comes to a number. Raises as `calculation`."""
    compute = calculation(text, names, where)

    def value(values: Mapping[str, Any]) -> float:
        found = compute(values)
        if isinstance(found, bool) or not isinstance(found, int | float):
            message = f"{where} must come to a number, not {found}"
            raise ArchError([Diagnostic("E0410", message, Span(Source(where, text), 0, len(text)))])
        return float(found)

    return value


def _error(failure: Failure) -> ArchError:
    return ArchError([failure.diagnostic] if failure.diagnostic else [])
