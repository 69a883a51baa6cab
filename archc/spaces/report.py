"""Populations compared on one page: EDFs, parameters against errors, complexity against activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archc.backends.page import charts_page
from archc.spaces.edf import BestRange, Edf, best_range, edf, errors_of

WEB = Path(__file__).with_name("web")
FIGURES = ("params", "macs", "activations")
NOT_PARAMETERS = frozenset({
    "name", "space", "seed", "draw", "widths", "depths", "hash", "error", "status", "seconds", "failure", *FIGURES
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Studied:
    """A population with what is asked of it; edf is None and parameters empty where none is trained.

    errors: its trained rows with their errors. parameters: for each numeric one, where its best value lies.
    """

    name: str
    rows: list[dict[str, Any]]
    errors: list[tuple[dict[str, Any], float]]
    edf: Edf | None
    parameters: dict[str, BestRange]


def study(name: str, rows: list[dict[str, Any]], column: str) -> Studied:
    """What the report shows of a population."""
    errors = errors_of(rows, column)
    if not errors:
        return Studied(name, rows, [], None, {})
    parameters = {}
    for key in rows[0]:
        values = [(row[key], error) for row, error in errors if type(row.get(key)) in (int, float)]
        if key not in NOT_PARAMETERS and key != column and values:
            parameters[key] = best_range([v for v, _ in values], [e for _, e in values])
    return Studied(name, rows, errors, edf(name, [error for _, error in errors]), parameters)


def page(studied: Sequence[Studied], column: str) -> str:
    """The report as one HTML page that loads nothing."""
    data = {"column": column, "populations": [_data(s, column) for s in studied]}
    title = ", ".join(s.name for s in studied)
    return charts_page(title, "Point at a network.", WEB / "space_report", data)


def _data(s: Studied, column: str) -> dict[str, Any]:
    plain = (int, float, str)
    return {
        "name": s.name,
        "rows": [
            {k: v if isinstance(v, plain) else " ".join(map(str, v or ())) for k, v in row.items()} for row in s.rows
        ],
        "edf": None if s.edf is None else {
            "errors": s.edf.errors, "shares": s.edf.shares, "low": s.edf.low, "high": s.edf.high,
        },
        "parameters": {name: [b.low, b.median, b.high] for name, b in s.parameters.items()},
    }  # fmt: skip
