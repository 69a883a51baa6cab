"""What the sections of docs/performance.md say that show a record of comparisons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields

from benchmarks.record import Row
from benchmarks.rounds import Rounds


def rounds_of(row: Row) -> Rounds | None:
    """The comparison of a row; None where it was left out or failed."""
    if "ratios" not in row:
        return None
    return Rounds(**{field.name: tuple(row[field.name]) for field in fields(Rounds) if field.name in row})


def made_on(rows: Iterable[Row]) -> str:
    """Days and machines, and how many rows each made."""
    found = sorted(Counter(row["made"] for row in rows if "ratios" in row).items())
    return "Made: " + "; ".join(f"{count} rows on {made}" for made, count in found) + "."


def failed(rows: Iterable[Row]) -> str:
    """What could not be run, and what it raised; nothing where all could."""
    errors = [f"{row['name']}: {row['error']}" for row in rows if "error" in row]
    return "Could not be run: " + "; ".join(errors) + "." if errors else ""
