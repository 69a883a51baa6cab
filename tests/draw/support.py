"""What there is in an SVG file."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter

from archc.backends.dot import Level

LEVELS: tuple[Level, ...] = ("network", "stage", "block", "op")
DRAWN = {"svg", "g", "title", "desc", "style", "polygon", "path", "text", "ellipse", "polyline", "a"}


def texts(drawn: str) -> list[str]:
    """The text elements of an SVG; Graphviz writes spaces as no-break spaces."""
    return [
        (e.text or "").replace("\xa0", " ").strip()
        for e in ET.fromstring(drawn).iter()
        if e.tag.endswith("}text")
    ]


def tags(drawn: str) -> Counter[str]:
    return Counter(e.tag.rpartition("}")[2] for e in ET.fromstring(drawn).iter())
