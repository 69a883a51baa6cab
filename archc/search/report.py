"""The report of a search: one inert page with its course, the front, the winners drawn, and what was tried."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archc.backends.dot import svg
from archc.backends.dot_cells import draw_cells
from archc.backends.graphviz_process import run_dot
from archc.backends.page import charts_page
from archc.backends.svg_file import inlined
from archc.diagnostics import ArchError
from archc.ir import Graph
from archc.search.objectives import front
from archc.search.outcome import best, eligible, spec_of
from archc.search.plan import Prepared
from archc.search.trial import Trial
from archc.spaces.points import graph_of

WEB = Path(__file__).with_name("web")
PARTS = WEB / "search_parts"
DRAWN = 6
"""Winners drawn at most."""


def report(
    prepared: Prepared, trials: Sequence[Trial], told: dict[str, Any], command: str, number: int
) -> str:
    """The page as HTML. told: the search's summary. Winners are not drawn where Graphviz is missing."""
    names = [o.metric for o in prepared.objectives]
    second = (
        names[1]
        if len(names) > 1
        else next((f for f in ("latency", "macs") if f in prepared.networks.figures), "")
    )
    smaller = [o.smaller for o in prepared.objectives] + [True]
    rows = [_row(prepared, t) for t in trials]
    whole = {t.number for t in eligible(trials)}
    data = {
        "command": command,
        "summary": {k: v for k, v in told.items() if k != "best"},
        "objectives": names,
        "smaller": smaller,
        "second": second,
        "report": prepared.report,
        "rows": rows,
        "whole": sorted(whole),
        "front": _front([r for r in rows if r["number"] in whole], names[0], second, smaller),
        "winners": [
            _winner(prepared, trial, place, command)
            for place, trial in enumerate(best(trials, number)[:DRAWN], 1)
        ],
    }
    return charts_page(
        f"{prepared.space.name}: a search", "Point at a trial.", WEB / "search_report", data, PARTS
    )


def _row(prepared: Prepared, trial: Trial) -> dict[str, Any]:
    shown = {o.metric: o.shown(s) for o, s in zip(prepared.objectives, trial.scores, strict=False)}
    numbers = {k: v for k, v in {**trial.figures, **trial.metrics}.items() if v == v}
    return {
        "number": trial.number,
        "state": trial.state,
        "why": trial.proposal.why
        if trial.same_as is None
        else f"{trial.proposal.why}; equals {trial.same_as}",
        "reason": trial.reason,
        "epochs": trial.proposal.epochs,
        "seconds": trial.seconds,
        "values": {**numbers, **shown},
    }


def _front(rows: Sequence[dict[str, Any]], first: str, second: str, smaller: Sequence[bool]) -> list[int]:
    """Numbers of the trials on the front of two metrics."""
    found = [r for r in rows if first in r["values"] and second in r["values"]]
    signs = [-1 if s else 1 for s in smaller]
    scores = [(signs[0] * r["values"][first], signs[1] * r["values"][second]) for r in found]
    return [found[i]["number"] for i in front(scores)]


def _winner(prepared: Prepared, trial: Trial, place: int, command: str) -> dict[str, Any]:
    graph = graph_of(prepared.space, trial.proposal.point)
    cost = graph.cost
    return {
        "number": trial.number,
        "name": f"best_{place}",
        "values": {o.metric: o.shown(s) for o, s in zip(prepared.objectives, trial.scores, strict=True)}
        | {"params": cost.params, "macs": cost.macs},
        "why": trial.proposal.why,
        "svg": drawing(graph),
        "spec": spec_of(prepared, trial, f"best_{place}", command),
    }


def drawing(graph: Graph) -> str:
    """The cells of a network, or its blocks where it has none, as SVG; empty without Graphviz."""
    try:
        return inlined(run_dot(draw_cells(graph).source, "svg").decode())
    except ArchError as error:
        if error.diagnostics[0].code != "E0703":
            return ""
    try:
        return inlined(svg(graph, "block"))
    except ArchError:
        return ""
