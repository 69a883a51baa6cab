"""Values as expressions of the language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archc.elaborate.values import Composition, OpValue


def literal(value: Any) -> str:
    """The expression that evaluates to a value: numbers to the last bit, ops by their names and arguments."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list | range):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, OpValue):
        inner = ", ".join(f"{name} = {literal(v)}" for name, v in value.args.items())
        return f"{value.target.name}({inner})" if inner else value.target.name
    if isinstance(value, Composition):
        text = " -> ".join(literal(step.op) for step in value.steps)
        return f"({text})" if len(value.steps) > 1 else text or "identity"
    return repr(value)  # an int or a float


def ops_in(value: Any) -> Iterator[Any]:
    """Every op a value holds, inside lists, compositions and arguments too."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from ops_in(item)
    elif isinstance(value, Composition):
        for step in value.steps:
            yield from ops_in(step.op)
    elif isinstance(value, OpValue):
        yield value
        yield from ops_in(list(value.args.values()))
