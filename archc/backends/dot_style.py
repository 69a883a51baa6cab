"""How drawings look: near-white boxes with dark text; on dark pages SVG files lighten what stands outside boxes.

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
FAINT = "#414b57"  # second lines on boxes
LINE = "#5d6875"  # edges, and text that stands on the page itself
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
HEAT = ("#ffffff", "#f8ae8c", "#a8623f")  # fill where nothing is spent, where most is; border
# what colours mean, in the order of a legend; the other kinds say it in their box
KINDS = {
    "conv": "convolution",
    "linear": "linear",
    "norm": "normalisation",
    "activation": "activation",
    "pool": "pooling",
    "scale": "scale",
    "reshape": "shape only",
    "regularize": "in training only",
}
PAGE_WIDTH = 1150  # points: at the width of A4 text is then 5 points high
SYMBOLS = {"add": "+", "mul": "×"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a label; `size` in points."""

    text: str
    size: int = 10
    bold: bool = False
    colour: str = INK

    def __bool__(self) -> bool:
        return bool(self.text)


@dataclass(frozen=True, slots=True)
class Swatches:
    """A line of a legend: what it is of, then (fill, border, meaning) of each colour."""

    heading: str
    entries: tuple[tuple[str, str, str], ...]


def label(*lines: Line | Swatches, left: bool = False) -> str:
    """An HTML-like Graphviz label, centred or flush left; text in it is shown as written, empty lines are not."""
    cells = [_swatches(line) if isinstance(line, Swatches) else _text(line) for line in lines if line]
    if not cells:
        return ""
    if len(cells) == 1 and not left:
        return f"<{cells[0]}>"
    side = ' align="left"' if left else ""
    # a row of a table for each line: the lines of a plain label touch each other
    rows = "".join(f"<tr><td{side}>{cell}</td></tr>" for cell in cells)
    return f'<<table border="0" cellborder="0" cellspacing="0" cellpadding="1">{rows}</table>>'


def heading(*lines: Line | Swatches) -> str:
    """The label of a whole drawing: set off from what stands below it."""
    return label(*lines).replace("</table>>", '<tr><td height="8"></td></tr></table>>')


def _text(line: Line) -> str:
    text = html.escape("".join(c if c.isprintable() else "�" for c in line.text))
    text = text.replace("\\", "&#92;&#92;")  # Graphviz expands \N and its like
    text = f"<b>{text}</b>" if line.bold else text
    return f'<font point-size="{line.size}" color="{line.colour}">{text}</font>'


def _swatches(line: Swatches) -> str:
    cells = [f"<td>{_text(Line(line.heading, 9, colour=LINE))}</td>"] if line.heading else []
    for fill, border, meaning in line.entries:
        cells.append(
            f'<td bgcolor="{fill}" border="1" color="{border}" fixedsize="true" width="14" height="9"></td>'
            f"<td>{_text(Line(meaning, 9, colour=LINE))}</td><td width='6'></td>"
        )
    # a fixed width, on the safe side: tables else spread over the width of the lines above
    letters = len(line.heading) + sum(len(meaning) for _, _, meaning in line.entries)
    width = round(letters * 6.5) + len(line.entries) * 34 + 12
    return (
        f'<table border="0" cellborder="0" cellspacing="4" cellpadding="0" fixedsize="true" width="{width}" '
        f'height="21"><tr>{"".join(cells)}</tr></table>'
    )


def new_digraph(name: str, *, title: tuple[Line | Swatches, ...], horizontal_gap: float = 0.35) -> Digraph:
    """An empty drawing, top to bottom."""
    from graphviz import Digraph

    return Digraph(
        re.sub(r"\W", "_", name, flags=re.ASCII),
        graph_attr={
            "bgcolor": "transparent",
            "fontname": FONT,
            "label": heading(*title),
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
    lines = (Line(text), Line(second, 8, colour=FAINT))
    if op.kind == "scale":
        return {**look, "label": label(*lines), "shape": "ellipse", "margin": "0.05,0.0"}
    return {**look, "label": label(*lines)}


def figures(cost: Cost) -> str:
    """`12.42 M params · 2.810 G macs`; empty where nothing is counted."""
    parts = [(cost.params, "params"), (cost.macs, "macs")]
    return " · ".join(f"{short(number)} {unit}" for number, unit in parts if number)
