"""Expressions of emitted code, and their layout: what `ruff format` would make of them at 110 columns."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH = 110


@dataclass(frozen=True, slots=True)
class Atom:
    """Text that cannot be broken: a name or a literal."""

    text: str


@dataclass(frozen=True, slots=True)
class Bracket:
    """`head(a, b, key=c)`, or a list with the head "" and the brackets "[]"."""

    head: str
    items: tuple[tuple[str, Expr], ...]
    brackets: str = "()"


@dataclass(frozen=True, slots=True)
class Infix:
    """`a + b + c`; `operator` is + or *."""

    operator: str
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """`*(item for _ in range(count))`, as an argument."""

    item: Expr
    count: int


Expr = Atom | Bracket | Infix | Repeated

BINDING = {"+": 1, "*": 2}


def flat(expr: Expr) -> str:
    """The expression on one line."""
    if isinstance(expr, Atom):
        return expr.text
    if isinstance(expr, Bracket):
        return f"{expr.head}{expr.brackets[0]}{_joined(expr)}{expr.brackets[1]}"
    if isinstance(expr, Repeated):
        return f"*({flat(expr.item)} for _ in range({expr.count}))"
    return f" {expr.operator} ".join(operand_texts(expr))


def operand_texts(expr: Infix) -> list[str]:
    """The operands on one line each, in parentheses where they bind less tightly."""
    texts = []
    for index, operand in enumerate(expr.operands):
        text = flat(operand)
        if isinstance(operand, Infix):
            tighter = BINDING[operand.operator] > BINDING[expr.operator]
            if not tighter and (index > 0 or operand.operator != expr.operator):
                text = f"({text})"
        texts.append(text)
    return texts


def layout(prefix: str, expr: Expr, indent: int, suffix: str = "") -> list[str]:
    """Lines of `prefix + expr + suffix` at an indent (in columns), broken where they would not fit."""
    pad = " " * indent
    line = f"{pad}{prefix}{flat(expr)}{suffix}"
    if len(line) <= WIDTH or isinstance(expr, Atom):
        return [line]
    inner = " " * (indent + 4)
    if isinstance(expr, Repeated):
        return [
            f"{pad}{prefix}*(",
            *layout("", expr.item, indent + 4),
            f"{inner}for _ in range({expr.count})",
            f"{pad}){suffix}",
        ]
    if isinstance(expr, Infix):
        texts = operand_texts(expr)
        joined = inner + f" {expr.operator} ".join(texts)
        body = [joined] if len(joined) <= WIDTH else [inner + texts[0]]
        if len(joined) > WIDTH:
            body += [f"{inner}{expr.operator} {text}" for text in texts[1:]]
        return [f"{pad}{prefix}(", *body, f"{pad}){suffix}"]
    opened, closed = f"{pad}{prefix}{expr.head}{expr.brackets[0]}", f"{pad}{expr.brackets[1]}{suffix}"
    joined = inner + _joined(expr)
    # lists and tuples go one item a line at once
    if len(joined) <= WIDTH and expr.head:
        return [opened, joined, closed]
    broken = [
        line
        for name, item in expr.items
        for line in layout(f"{name}=" if name else "", item, indent + 4, ",")
    ]
    return [opened, *broken, closed]


def _joined(expr: Bracket) -> str:
    return ", ".join(f"{name}={flat(item)}" if name else flat(item) for name, item in expr.items)


def signature(head: str, parameters: list[str], tail: str, indent: int) -> list[str]:
    """Lines of a `def` with its parameters, broken where they would not fit."""
    items = tuple(("", Atom(text)) for text in parameters)
    return layout("", Bracket(head, items), indent, tail)
