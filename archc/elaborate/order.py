"""The order an arch's statements run in, so that what a sample is rejected for is found early."""

from __future__ import annotations

from archc.elaborate.statements import assigned_names, free_names
from archc.syntax import ast


def hoist(statements: ast.Body) -> ast.Body:
    """Each `require` right after the last statement that binds one of its names, before any later work."""
    placed: list[ast.Stmt] = []
    requires: list[ast.Require] = []
    current = next((s.name or "x" for s in statements if isinstance(s, ast.Input)), "")
    for statement in statements:
        if isinstance(statement, ast.Require):
            requires.append(statement)
        else:
            placed.append(statement)
    for require in requires:
        names = set(free_names(require.condition))
        last = -1
        for i, statement in enumerate(placed):
            bound = {current} if isinstance(statement, ast.Section) else set()
            before = (
                statement.span.start < require.span.start or statement.span.source is not require.span.source
            )
            if before and names & {*bound, *assigned_names((statement,))}:
                last = i
        while last + 1 < len(placed) and isinstance(placed[last + 1], ast.Require):
            last += 1
        placed.insert(last + 1, require)
    return tuple(placed)


def arithmetic_first(statements: ast.Body) -> tuple[ast.Body, ast.Body]:
    """The leading arithmetic, `input` and `info` moved behind what does not need them, and the rest.

    So a sample that does not meet a `require` is rejected before a graph is begun.
    """
    early: list[ast.Stmt] = []
    held: list[ast.Stmt] = []
    for i, statement in enumerate(statements):
        mentioned = set(free_names(statement))
        if isinstance(statement, ast.Input | ast.Info) and "pick" not in mentioned:
            held.append(statement)
            continue
        inputs = set(assigned_names(held))
        touched = {n for h in held for n in free_names(h)} | inputs
        if not isinstance(statement, ast.Assign | ast.FnDef | ast.Require) or (
            mentioned & inputs or touched & set(assigned_names((statement,)))
        ):
            return tuple(early), (*held, *statements[i:])
        early.append(statement)
    return tuple(early), tuple(held)
