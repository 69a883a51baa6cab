"""Assignment targets: the names they bind, and binding them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from archc.diagnostics import Span
from archc.elaborate.frame import ElabFrame
from archc.elaborate.values import fail, show
from archc.syntax import ast


def target_names(target: ast.Target) -> list[str]:
    """The names a target binds."""
    if isinstance(target, ast.NameTarget):
        return [target.id]
    return [n for item in target.items for n in target_names(item)]


def target_setter(target: ast.Target) -> Callable[[ElabFrame, Any, Span], None]:
    """A function that binds a value to a target; raises Failure when it does not unpack."""
    if isinstance(target, ast.NameTarget):
        name = target.id

        def set_name(f: ElabFrame, value: Any, span: Span) -> None:
            f.vars[name] = value
            if name in f.spans:
                f.spans = {k: v for k, v in f.spans.items() if k != name}

        return set_name
    setters = [target_setter(item) for item in target.items]

    def set_tuple(f: ElabFrame, value: Any, span: Span) -> None:
        if not isinstance(value, list | tuple) or len(value) != len(setters):
            what = f"{len(value)} values" if isinstance(value, list | tuple) else show(value)
            raise fail("E0421", f"cannot unpack {what} into {len(setters)} names", span)
        for setter, item in zip(setters, value, strict=True):
            setter(f, item, span)

    return set_tuple
