"""Assignment targets: the names they bind, and binding them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from archc.diagnostics import Span
from archc.elaborate.frame import ElabFrame
from archc.elaborate.values import a_type, fail, show
from archc.syntax import ast

_LOST = re.compile(
    r"\s*(?:(?:block|arch|variant|fn|def|class|model|network)\s+(\w+)|for\b(.*?)\bin\b"
    r"|([\w\s,()]+?)\s*(?::=|\+?=(?!=)))"
)
_IMPORT = re.compile(r"\s*(?:from|import)\b")
_SETTING = re.compile(r"\s*(?:set|info|output)\b")
_SWALLOWS = re.compile(
    r"(?!\s*(?:arch|block|variant|import|from|info|set|stem|stage|head|return|output|expect|require|fn)\b)"
)


def names_lost(error: Span) -> list[str]:
    """The names that a line with a syntax error was to give a meaning to."""
    number, _ = error.source.position(error.start)
    while number > 1 and error.source.line(number).lstrip().startswith("->"):  # the statement began above
        number -= 1
    names = _named_in(error.source.line(number))
    while error.text in ("(", "[") and len(names) < 100:  # an open bracket swallows the lines below
        number += 1
        line = error.source.line(number)
        if not line.strip() or _SWALLOWS.match(line) is None:
            break
        names += _named_in(line)
    return names


def _named_in(line: str) -> list[str]:
    line = line[:400]
    if _IMPORT.match(line):
        return re.findall(r"[A-Za-z_]\w*", line)
    if _SETTING.match(line):
        return re.findall(r"([A-Za-z_]\w*)\s*=(?!=)", line)
    found = _LOST.match(line)
    return re.findall(r"[A-Za-z_]\w*", " ".join(g for g in found.groups() if g)) if found else []


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
    flat = tuple(item.id for item in target.items if isinstance(item, ast.NameTarget))
    all_names = len(flat) == len(setters)

    def set_tuple(f: ElabFrame, value: Any, span: Span) -> None:
        kind = type(value)
        if (kind is not tuple and kind is not list) or len(value) != len(setters):
            what = f"{len(value)} values" if isinstance(value, list | tuple) else show(value)
            names = f"{len(setters)} name{'s' if len(setters) != 1 else ''}"
            raise fail(
                "E0421", f"cannot unpack {what} into {names}", span, f"this is {a_type(value)}",
                ("as many names as values, in parentheses: `(a, b) = pair`",),
            )  # fmt: skip
        if all_names and not f.spans:
            f.vars.update(zip(flat, value, strict=True))
            return
        for setter, item in zip(setters, value, strict=True):
            setter(f, item, span)

    return set_tuple
