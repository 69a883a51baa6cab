"""Helpers that emitted files carry with them: one class or function a module, read as text.

A module imports torch, at most another helper, and nothing else of archc. `helper_source` needs no torch.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Helper:
    """One helper: the module it is in; its imports, as lines; the helpers it calls; its definition."""

    module: str
    imports: tuple[str, ...]
    uses: tuple[str, ...]
    source: str


@cache
def helpers() -> dict[str, Helper]:
    """All helpers by the name of their class or function."""
    found: dict[str, Helper] = {}
    for path in sorted(files(__name__).iterdir(), key=lambda p: p.name):
        if path.name.endswith(".py") and path.name != "__init__.py":
            name, helper = _read(f"{__name__}.{path.name[:-3]}", path.read_text(encoding="utf-8"))
            found[name] = helper
    return found


def helper_source(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(import lines, definitions) of the helpers named and those they use, users after what they use.

    Raises KeyError for an unknown name.
    """
    order: dict[str, Helper] = {}

    def visit(name: str) -> None:
        if name not in order:
            helper = helpers()[name]
            for used in helper.uses:
                visit(used)
            order[name] = helper

    for name in sorted(set(names)):
        visit(name)
    imports = {line for helper in order.values() for line in helper.imports}
    return tuple(sorted(imports)), tuple(helper.source for helper in order.values())


def _read(module: str, text: str) -> tuple[str, Helper]:
    imports: list[str] = []
    uses: list[str] = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(__name__):
            uses += [alias.name for alias in node.names]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(ast.unparse(node))
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            start = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
            source = "\n".join(text.splitlines()[start : node.end_lineno])
            return node.name, Helper(module, tuple(imports), tuple(uses), source)
    raise ValueError("a helper module defines one class or function")
