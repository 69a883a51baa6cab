"""What commands print: diagnostics and failures on stderr, tables and figures on stdout."""

from __future__ import annotations

import errno
import os
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from typing import IO, Any

import click

from archc.diagnostics import Diagnostic, render

LEFT_ROOM = 16  # characters that the names of a table keep where there is little room
GAP = 2  # between columns
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a write fails with where a disk is full or broken."""

_STYLES = (
    (re.compile(r"^error(\[\w+\])?:"), {"fg": "red", "bold": True}),
    (re.compile(r"^warning(\[\w+\])?:"), {"fg": "yellow", "bold": True}),
    (re.compile(r"^ *--> "), {"fg": "blue", "bold": True}),
    (re.compile(r"^ *\| +\^.*$"), {"fg": "red"}),
    (re.compile(r"^ *= help:"), {"fg": "cyan", "bold": True}),
)


def command_line() -> str:
    """The command that runs, as a user would type it again."""
    return "archc " + shlex.join(click.get_current_context().obj)


def coloured(stream: IO[str]) -> bool:
    """Whether to colour: a terminal, and no NO_COLOR (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _styled(line: str) -> str:
    for pattern, style in _STYLES:
        found = pattern.match(line)
        if found:
            return click.style(found.group(), **style) + line[found.end() :]
    return line


def complain(text: str) -> None:
    """Text on stderr, coloured as diagnostics are."""
    colour = coloured(sys.stderr)
    click.echo("\n".join(map(_styled, text.split("\n"))) if colour else text, err=True, color=colour)


def fail(message: str) -> None:
    """`error: message` on stderr."""
    complain(f"error: {message}")


def warn(message: str) -> None:
    """`warning: message` on stderr."""
    complain(f"warning: {message}")


def print_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Diagnostics on stderr, an empty line after each."""
    for diagnostic in diagnostics:
        complain(render(diagnostic) + "\n")


def print_json(value: Any) -> None:
    """Indented JSON on stdout."""
    import json

    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> None:
    """A table on stdout: the first `left` columns flush left, the others right. A row of no cells draws a rule.

    A terminal gets it through rich, which knows its width; a pipe gets plain aligned columns.
    """
    cells = [tuple(row) for row in rows]
    if coloured(sys.stdout):
        _rich_table(columns, cells, left)
        return
    widths = [max(len(r[i]) for r in (tuple(columns), *(c for c in cells if c))) for i in range(len(columns))]
    for row in (tuple(columns), (), *cells):
        if row:
            padded = (
                c.ljust(w) if i < left else c.rjust(w)
                for i, (c, w) in enumerate(zip(row, widths, strict=True))
            )
            click.echo("  ".join(padded).rstrip())
        else:
            click.echo("  ".join("─" * w for w in widths))


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, header_style="bold")
    widths = _widths(columns, rows, left, console.width)
    for i, (name, width) in enumerate(zip(columns, widths, strict=True)):
        if i < left:
            table.add_column(name, overflow="fold")
        else:
            table.add_column(name, justify="right", overflow="fold", width=width)
    for row in rows:
        if row:
            table.add_row(*map(Text, row))
        else:
            table.add_section()
    console.print(table)


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int, room: int) -> list[int]:
    """How wide columns are: figures stay whole, and where there is no room for all, headings are folded first,
    then what stands left."""
    cells = [max((len(row[i]) for row in rows if row), default=0) for i in range(len(columns))]
    for heading in range(max(map(len, columns)), 0, -1):
        found = [max(cell, min(len(name), heading)) for name, cell in zip(columns, cells, strict=True)]
        names = sum(min(LEFT_ROOM, width) for width in found[:left])
        if names + sum(found[left:]) + GAP * len(columns) <= room:
            return found
    return cells
