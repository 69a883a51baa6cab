"""How drawings look: near-white boxes with dark text and mid-grey lines, legible on white and on dark pages.

Text is escaped here and nowhere else; names of boxes are made by the compiler.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archc.analyses.figures import short
from archc.ops.base import Cost, Op

if TYPE_CHECKING:
    from graphviz import Digraph

INK = "#1f2933"  # text on boxes
FAINT = "#5b6673"  # second lines on boxes
LINE = "#6f7b8a"  # edges, and text that stands on the page itself
PANEL = "#f6f8fa"
PANEL_LINE = "#c9d1da"

# fill and border by kind of op
PALETTE = {
    "input": ("#eef1f4", "#6b7684"),
    "conv": ("#dce9fd", "#4c82d8"),
    "linear": ("#e8e2fd", "#8367d6"),
    "norm": ("#e0f3e3", "#4f9f5b"),
    "activation": ("#fdeed6", "#d58a2b"),
    "pool": ("#fde1e5", "#cf5f6f"),
    "merge": ("#ffffff", "#4a5563"),
    "scale": ("#f7f7e3", "#a3a04a"),
    "reshape": ("#dff4f5", "#3d9aa3"),
    "regularize": ("#f2f2f4", "#98a1ad"),
    "section": ("#f4f8ff", "#5d7fb5"),
}
# Graphviz measures text with the first of these that its machine has, a browser draws with the first of its
# own: these two have the same widths, so that text fits its box either way.
FONT = "Verdana,DejaVu Sans,sans-serif"
HEAT = ("#ffffff", "#f59a73", "#a8623f")  # fill where nothing is spent, where most is; border
SYMBOLS = {"add": "+", "mul": "×"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a label; `size` in points."""

    text: str
    size: int = 10
    bold: bool = False
    colour: str = INK


def label(*lines: Line, left: bool = False) -> str:
    """An HTML-like Graphviz label, centred or flush left; everything in it is shown as written."""
    cells = []
    for line in lines:
        text = html.escape("".join(c if c.isprintable() else "�" for c in line.text))
        text = text.replace("\\", "&#92;&#92;")  # Graphviz expands \N and its like
        text = f"<b>{text}</b>" if line.bold and text else text
        cells.append(f'<font point-size="{line.size}" color="{line.colour}">{text or " "}</font>')
    if left:
        return "<" + "".join(f'{cell}<br align="left"/>' for cell in cells) + ">"
    return "<" + "<br/>".join(cells) + ">"


def new_digraph(name: str, *, title: tuple[Line, ...], horizontal_gap: float = 0.35) -> Digraph:
    """An empty drawing, top to bottom."""
    from graphviz import Digraph

    return Digraph(
        re.sub(r"\W", "_", name, flags=re.ASCII),
        graph_attr={
            "bgcolor": "transparent",
            "fontname": FONT,
            "label": label(*title) if title else "",
            "labelloc": "t",
            "nodesep": str(horizontal_gap),
            "ranksep": "0.32",
            "pad": "0.2",
            "rankdir": "TB",
        },
        node_attr={
            "fontname": FONT,
            "fontsize": "10",
            "fontcolor": INK,
            "shape": "box",
            "style": "rounded,filled",
            "margin": "0.12,0.06",
            "height": "0.28",
            "penwidth": "1.1",
        },
        edge_attr={
            "color": LINE,
            "fontcolor": LINE,
            "fontname": FONT,
            "fontsize": "9",
            "arrowsize": "0.6",
            "penwidth": "1.1",
        },
    )


def panel(text: str, **attributes: str) -> dict[str, str]:
    """Attributes of a cluster."""
    return {
        "label": text,
        "labeljust": "l",
        "style": "rounded,filled",
        "fillcolor": PANEL,
        "color": PANEL_LINE,
        "fontname": FONT,
        "margin": "10",
        **attributes,
    }


def inset(text: str) -> dict[str, str]:
    """Attributes of a cluster within another."""
    name = label(Line(text, 9, colour=FAINT))
    return panel(name, fillcolor="#ffffff", style="rounded,filled,dashed", margin="6")


def box(kind: str, *, train_only: bool = False) -> dict[str, str]:
    """Attributes of a box of one kind."""
    fill, border = PALETTE[kind]
    dashed = {"style": "rounded,filled,dashed"} if train_only or kind == "regularize" else {}
    return {"fillcolor": fill, "color": border, **dashed}


def pill(*lines: Line, train_only: bool = False) -> dict[str, str]:
    """Attributes of an input or an output."""
    return {"label": label(*lines), **box("input", train_only=train_only), "margin": "0.2,0.04"}


def op_box(op: Op, text: str, *, train_only: bool = False, second: str = "") -> dict[str, str]:
    """Attributes of one op: sums and products are the circles of papers, constants are ovals."""
    look = box(op.kind, train_only=train_only)
    symbol = SYMBOLS.get(op.name)
    if symbol:
        return {
            **look,
            "label": label(Line(symbol, 14)),
            "shape": "circle",
            "width": "0.28",
            "fixedsize": "true",
            "tooltip": op.name,
        }
    lines = [Line(text), *([Line(second, 8, colour=FAINT)] if second else [])]
    if op.kind == "scale":
        return {**look, "label": label(*lines), "shape": "ellipse", "margin": "0.05,0.0"}
    return {**look, "label": label(*lines)}


def figures(cost: Cost) -> str:
    """`12.42 M params · 2.810 G macs`; empty where nothing is counted."""
    parts = [(cost.params, "params"), (cost.macs, "macs")]
    return " · ".join(f"{short(number)} {unit}" for number, unit in parts if number)
