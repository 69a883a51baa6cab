"""What Graphviz writes as SVG, made into a file to show and to hand on: named, described, in the dark too."""

from __future__ import annotations

import re

# boxes keep their colours on a dark page; what stands around and between them is lightened
DARK_PANEL, DARK_TEXT, DARK_LINE = "#161b22", "#d6dde5", "#9aa7b4"
STYLE = f"""<style>@media (prefers-color-scheme: dark) {{
.cluster > path {{ fill: {DARK_PANEL}; stroke: #444c56 }}
.graph > text, .names > text {{ fill: {DARK_TEXT} }}
.names > text {{ stroke: {DARK_PANEL} }}
.edge path, .edge polygon {{ stroke: {DARK_LINE} }}
.edge polygon, .edge text {{ fill: {DARK_LINE} }}
}}</style>"""

_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_NAME = re.compile(r"<title>[^<]*</title>\n?| id=\"[^\"]*\"")  # of boxes and edges, made by the compiler
_GROUP = re.compile(r"(?=<g class=)")
_OPENING = re.compile(r"<svg [^>]*(?=>)")
_TEXT = re.compile(r"<text [^>]*font-size=\"([\d.]+)\"[^>]*>([^<]*)</text>")
_SHAPE = re.compile(r"<(?:path|polygon)[^>]* (?:d|points)=\"([^\"]+)\"|<ellipse[^>]* cx=\"([^\"]+)\"")
_LINE = re.compile(r"<text .*?</text>\n", re.DOTALL)
_FILL = re.compile(r"<path fill=\"([^\"]+)\"")
_ACROSS = re.compile(r"(-?[\d.]+),")
_START = re.compile(r"text-anchor=\"start\" x=\"[^\"]*\"")


def finished(drawn: str) -> str:
    """A drawing by Graphviz with a title and a description, read from its heading; without the names of its boxes,
    which browsers show as hints; with text in the middle of boxes, however wide the reader's font is, and names of
    clusters above the edges that cross them."""
    opening = _OPENING.search(drawn)
    if not opening:
        return drawn
    body, ending = drawn[opening.end() + 1 :].rsplit("</g>", 1)
    head, *groups = _GROUP.split(_NAME.sub("", _COMMENT.sub("", body)))
    heading = [(float(size), text.replace("&#160;", " ").strip()) for size, text in _TEXT.findall(groups[0])]
    name = heading[0][1] if heading else ""
    about = " ".join(text for size, text in heading[1:] if size >= 10)  # those of a legend are smaller
    names: list[str] = []
    return "".join(
        [
            f'<?xml version="1.0" encoding="UTF-8"?>\n{opening[0]} role="graphics-document">\n',
            f"<title>{name}</title>\n<desc>{about}</desc>\n{STYLE}{head}",
            *(_changed(group, names) for group in groups),
            *(['<g class="names">\n', *names, "</g>\n"] if names else []),
            f"</g>{ending}",
        ]
    )


def inlined(drawn: str) -> str:
    """A finished drawing for a page that has a style, and a policy, of its own."""
    return drawn.replace(STYLE, "")


def _changed(group: str, names: list[str]) -> str:
    """A group with text in its middle if it is a box; of a cluster the name goes to `names`, to stand above edges."""
    if group.startswith('<g class="node"'):
        return _centred(group)
    if not group.startswith('<g class="cluster"'):
        return group
    fill = _FILL.search(group)
    halo = f'paint-order="stroke" stroke="{fill[1]}" stroke-width="4" ' if fill else ""
    names += [text.replace("<text ", f"<text {halo}", 1) for text in _LINE.findall(group)]
    return _LINE.sub("", group)


def _centred(group: str) -> str:
    shape = _SHAPE.search(group)
    if not shape:
        return group
    across = [float(x) for x in _ACROSS.findall(shape[1])] if shape[1] else [float(shape[2])]
    middle = f"{(min(across) + max(across)) / 2:.2f}".rstrip("0").rstrip(".")
    return _START.sub(f'text-anchor="middle" x="{middle}"', group)
