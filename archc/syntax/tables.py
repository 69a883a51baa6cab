"""LALR tables: made from grammar/arch.lark by `generate`, shipped as JSON, loaded here without Lark.

Building the grammar takes Lark 0.25 s with its import; reading the tables takes a few milliseconds.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from archc.diagnostics.record import record

PATH = Path(__file__).with_name("tables.json")
STARTS = ("file", "expression")


@record
class Production:
    """One production: `make` names the builder's function; None is a list or hands its child through.

    keep: for each argument of `make` the position of its value on the stack, counted from the start
    of the production; ~position for a list whose members are spliced in; None for an optional part
    that is absent.
    """

    origin: str
    length: int
    make: str | None
    keep: tuple[int | None, ...]


@record
class Tables:
    """`actions[state][terminal]` is a state to shift to (>= 0) or ~rule to reduce by."""

    terminals: tuple[str, ...]
    patterns: dict[str, str]
    literals: dict[str, int]
    keywords: dict[str, int]
    soft: dict[str, int]
    rules: tuple[Production, ...]
    actions: tuple[dict[int, int], ...]
    gotos: tuple[dict[str, int], ...]
    starts: dict[str, int]
    ends: dict[str, int]


@cache
def load() -> Tables:
    """The shipped tables."""
    data = json.loads(PATH.read_text(encoding="utf-8"))
    return Tables(
        terminals=tuple(data["terminals"]),
        patterns=data["patterns"],
        literals=data["literals"],
        keywords=data["keywords"],
        soft=data["soft"],
        rules=tuple(Production(o, n, make, tuple(keep)) for o, n, make, keep in data["rules"]),
        actions=tuple(dict(zip(row[::2], row[1::2], strict=True)) for row in data["actions"]),
        gotos=tuple(data["gotos"]),
        starts=data["starts"],
        ends=data["ends"],
    )
