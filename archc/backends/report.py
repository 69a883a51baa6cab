"""The report: one self-contained page with the diagram, the costs and the spec of some networks.

Nothing in a spec becomes markup: it travels as JSON in a script element that is data, `<` escaped, and
the page's script writes it as text. The policy lets the page run its own script and style, known by
their hashes, and load nothing at all; so it works from a file and reaches no network.
"""

from __future__ import annotations

import hashlib
import html
import json
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from archc.analyses.figures import short
from archc.backends.dot_style import PALETTE
from archc.backends.report_data import report_data
from archc.ir.graph import Graph
from archc.ops.base import Cost

WEB = Path(__file__).with_name("web")
SCRIPTS = ("model.js", "layout.js", "diagram.js", "spec.js", "tables.js", "plots.js", "page.js")
NOTEBOOK_HEIGHT = 620  # pixels of the diagram in a notebook

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'sha256-{script_hash}'; \
style-src 'sha256-{style_hash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<noscript>This page draws its diagram with JavaScript.</noscript>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def report(graphs: Sequence[Graph]) -> str:
    """The page as HTML text; several graphs are compared. Raises ValueError for none."""
    if not graphs:
        raise ValueError("a report needs at least one graph")
    style, script = _style(), _script()
    data = json.dumps(report_data(list(graphs)), separators=(",", ":"), allow_nan=False)
    return PAGE.format(
        title=html.escape(", ".join(graph.name for graph in graphs)),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=data.replace("<", "\\u003c"),
    )


def notebook_html(graph: Graph) -> str:
    """The diagram for a notebook's cell: the report in a frame that may run scripts and nothing else."""
    page = html.escape(report([graph]), quote=True)
    return (
        f'<iframe sandbox="allow-scripts" width="100%" height="{NOTEBOOK_HEIGHT}" frameborder="0" '
        f'title="{html.escape(graph.name, quote=True)}" srcdoc="{page}"></iframe>'
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
    own = "\n".join((WEB / name).read_text(encoding="utf-8") for name in SCRIPTS)
    vendored = (WEB / "dagre.min.js").read_text(encoding="utf-8")
    licence = (WEB / "dagre.LICENSE").read_text(encoding="utf-8").strip()
    return f'/*! @dagrejs/dagre\n{licence}\n*/\n{vendored}\n(() => {{\n"use strict";\n{own}\n}})();\n'


@cache
def _style() -> str:
    """The style sheet; boxes have the colours of the drawings."""
    boxes = "".join(
        f".k-{kind}>.shape{{fill:{fill};stroke:{border}}}.fill-{kind}{{fill:{border}}}\n"
        for kind, (fill, border) in PALETTE.items()
    )
    return (WEB / "report.css").read_text(encoding="utf-8") + boxes


def _hash(text: str) -> str:
    """What the policy knows an inline script or style by."""
    return b64encode(hashlib.sha256(text.encode()).digest()).decode()
