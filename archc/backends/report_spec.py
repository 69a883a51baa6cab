"""Syntax colours of a spec, from the compiler's own lexer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from archc.diagnostics import Source
from archc.syntax.lexer import lex
from archc.syntax.tables import load

Colour = Literal["keyword", "number", "string", "comment", "call"]


def coloured(source: Source) -> list[tuple[Colour, int, int]]:
    """[start, end) of what is not plain text, in order. Text that is no valid spec is coloured as far as it
    can be."""
    found = lex(source)
    return sorted([*_words(source), *(("comment", *range_) for range_ in found.comments)], key=lambda c: c[1])


def _words(source: Source) -> Iterator[tuple[Colour, int, int]]:
    tables = load()
    terminals, tokens = tables.terminals, lex(source).tokens
    colours: dict[str, Colour] = {"NUMBER": "number", "STRING": "string", "DOC": "string"}
    keywords = set(tables.keywords.values())
    for i, kind in enumerate(tokens.kinds):
        if kind < 0:
            continue
        start, end = tokens.starts[i], tokens.ends[i]
        if kind in keywords:
            yield "keyword", start, end
        elif terminals[kind] in colours:
            yield colours[terminals[kind]], start, end
        elif terminals[kind] == "NAME" and source.text[end : end + 1] == "(":
            yield "call", start, end
