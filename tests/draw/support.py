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


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Contrast ratio, 1 to 21 (WCAG 2.2)."""
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)
