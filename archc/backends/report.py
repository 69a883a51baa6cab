"""The report: one self-contained page with the diagram, the costs and the spec of some networks."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import cache

from archc.analyses.figures import short
from archc.backends.dot_style import PALETTE
from archc.backends.page import WEB, page, text
from archc.backends.report_data import report_data
from archc.ir.graph import Graph
from archc.ops.base import Cost

SCRIPTS = ("model.js", "layout.js", "diagram.js", "spec.js", "tables.js", "plots.js", "page.js")
NOTEBOOK_HEIGHT = 620  # pixels of the diagram in a notebook


def report(graphs: Sequence[Graph]) -> str:
    """The page as HTML text; several graphs are compared. Raises ValueError for none."""
    if not graphs:
        raise ValueError("a report needs at least one graph")
    title = ", ".join(graph.name for graph in graphs)
    body = "<noscript>This page draws its diagram with JavaScript.</noscript>"
    return page(title, body, _style(), _script(), report_data(list(graphs)))


def notebook_html(graph: Graph) -> str:
    """The diagram for a notebook's cell: the report in a frame that may run scripts and nothing else."""
    source = html.escape(report([graph]), quote=True)
    return (
        f'<iframe sandbox="allow-scripts" width="100%" height="{NOTEBOOK_HEIGHT}" frameborder="0" '
        f'title="{html.escape(graph.name, quote=True)}" srcdoc="{source}"></iframe>'
    )


def cost_html(cost: Cost) -> str:
    """A cost as an HTML table: each figure in short and in full."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{name}</th><td>{short(value)}</td><td>{value:,}</td></tr>"
        for name, value in (
            ("params", cost.params),
            ("macs", cost.macs),
            ("flops", cost.flops),
            ("activations", cost.activations),
            ("buffers", cost.buffers),
        )
    )
    return f"<table>{rows}</table>"


@cache
def _script() -> str:
    own = "\n".join(text(WEB / name) for name in SCRIPTS)
    vendored = text(WEB / "dagre.min.js")
    licence = text(WEB / "dagre.LICENSE").strip()
    return f'/*! @dagrejs/dagre\n{licence}\n*/\n{vendored}\n(() => {{\n"use strict";\n{own}\n}})();\n'


@cache
def _style() -> str:
    """The style sheet; boxes have the colours of the drawings."""
    boxes = "".join(
        f".k-{kind}>.shape{{fill:{fill};stroke:{border}}}.fill-{kind}{{fill:{border}}}\n"
        for kind, (fill, border) in PALETTE.items()
    )
    return text(WEB / "report.css") + boxes
