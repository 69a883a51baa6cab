"""Walking through syntax trees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import Any

from archc.syntax import ast


def walk(node: Any) -> Iterator[ast.Syntax]:
    """A piece of syntax, or a tuple of them, and all they hold: outermost first, in the order of the text."""
    left = [node]
    while left:
        at = left.pop()
        if isinstance(at, ast.Syntax):
            yield at
            left += reversed(parts(at))
        elif isinstance(at, tuple):
            left += reversed(at)


def parts(node: ast.Syntax) -> list[Any]:
    """The values of a node's fields, spans apart."""
    kind: Any = type(node)
    return [getattr(node, name) for name in _names(kind)]


@cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(f.name for f in fields(cls) if f.name not in ("span", "name_span"))
