"""The parameters of an arch as its spec declares them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from archc.diagnostics import ArchError
from archc.elaborate import library, load
from archc.elaborate.api import main_name
from archc.elaborate.definition import Definition, definition
from archc.elaborate.values import Failure
from archc.syntax import ast


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an arch.

    type: in the words of the language. value: the one in effect, None where it is open. low, high: the bounds
    of a range written in numbers; 0 and infinity without one.
    """

    type: str
    value: Any = None
    low: float = 0.0
    high: float = float("inf")


def arch_definition(spec: str) -> Definition:
    """The arch a SPEC means, with the variants on the way to it; raises ArchError."""
    try:
        module, name = library().locate(spec)
        if any(d.severity == "error" for d in module.problems):
            raise ArchError(module.problems)
        return definition(module, name or main_name(module))
    except Failure as failure:
        raise ArchError([failure.diagnostic] if failure.diagnostic else []) from None


def parameters(spec: str) -> dict[str, Parameter]:
    """Every parameter of the arch a SPEC means, by name; raises ArchError."""
    arch = arch_definition(spec).arch
    values: dict[str, Any] = {}
    with suppress(ArchError):
        values = dict(load(spec).arguments)
    found = {}
    for param in arch.params:
        low, high = _bounds(param.domain)
        found[param.name] = Parameter(
            param.type.name if param.type else "tensor", values.get(param.name), low, high
        )
    return found


def _bounds(domain: ast.Domain | None) -> tuple[float, float]:
    if isinstance(domain, ast.RangeDomain):
        start, stop = domain.range.start, domain.range.stop
        if isinstance(start, ast.Number) and isinstance(stop, ast.Number):
            return float(start.value), float(stop.value)
    return 0.0, float("inf")
