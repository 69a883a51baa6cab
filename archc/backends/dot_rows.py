"""Diagrams side by side, in as many rows as keep a page narrow."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archc.backends.dot_style import PAGE_WIDTH, panel

if TYPE_CHECKING:
    from graphviz import Digraph

# points, as they come out for the text and the gaps of `dot_style`
CHARACTER, SIDES, GAP, RANK, HEADING = 0.56, 18, 19, 44, 28

Size = tuple[float, float]


class Sketch:
    """A diagram in the making: a cluster below a heading, and what is needed to guess its size.

    kinds: of the ops that boxes stand for.
    """

    def __init__(self, name: str, heading: str) -> None:
        from graphviz import Digraph

        self.cluster: Digraph = Digraph(f"cluster_{name}", graph_attr=panel(heading))
        self.heading = text_width(heading)
        self.widths: dict[str, float] = {}
        self.edges: dict[tuple[str, str], None] = {}
        self.kinds: set[str] = set()

    def node(self, into: Any, name: str, look: dict[str, str], kind: str = "") -> None:
        """Adds a box to the cluster, or to one in it."""
        into.node(name, **look)
        self.widths[name] = text_width(look["label"]) + SIDES
        if kind:
            self.kinds.add(kind)

    def edge(self, tail: str, head: str) -> None:
        if tail != head and (tail, head) not in self.edges:
            self.edges[tail, head] = None
            self.cluster.edge(tail, head)

    def top(self) -> str:
        """A box of the first rank: the one with the longest way below it."""
        ways = self._longest({(head, tail): None for tail, head in self.edges})
        return max(self.widths, key=lambda name: ways[name])

    def size(self) -> Size:
        """Width and height in points, about as Graphviz will draw it."""
        rank = self._longest(self.edges)
        below: dict[str, list[str]] = defaultdict(list)
        reads: dict[str, int] = defaultdict(int)
        for tail, head in self.edges:
            below[tail].append(head)
            reads[head] += 1
        # side branches stand just above what reads them
        for name in sorted(rank, key=lambda name: -rank[name]):
            if reads[name] <= len(below[name]) > 0:
                rank[name] = max(rank[name], min(rank[head] for head in below[name]) - 1)
        across: dict[int, float] = defaultdict(lambda: -GAP)
        for name, width in self.widths.items():
            across[rank[name]] += width + GAP
        for tail, head in self.edges:  # what passes by
            for at in range(rank[tail] + 1, rank[head]):
                across[at] += GAP
        width = max(max(across.values()), self.heading) + 2 * GAP
        return width, (max(rank.values()) + 1) * RANK + HEADING

    def _longest(self, edges: dict[tuple[str, str], None]) -> dict[str, int]:
        """Length of the longest way to each box along edges."""
        above: dict[str, list[str]] = defaultdict(list)
        for tail, head in edges:
            above[head].append(tail)
        found: dict[str, int] = {}
        begun: set[str] = set()  # a box that stands for several ops may be on its own way
        waiting = list(reversed(self.widths))
        while waiting:
            name = waiting[-1]
            begun.add(name)
            missing = [tail for tail in above[name] if tail not in begun]
            waiting += missing
            if not missing:
                found[waiting.pop()] = max((found[t] + 1 for t in above[name] if t in found), default=0)
        return found


def text_width(label: str) -> float:
    """Width of the widest line of a label, in points."""
    widest = 0.0
    for row in label[1:-1].split("</tr>"):
        sizes = re.findall(r'point-size="(\d+)"', row)
        text = html.unescape(re.sub(r"<[^<>]*>", "", row))
        widest = max(widest, len(text) * CHARACTER * int(sizes[0]) if sizes else 0)
    return widest


def rows(sizes: Sequence[Size], width: float = PAGE_WIDTH) -> list[int]:
    """How many diagrams stand in each row, in order: the least high of all ways that keep within a width; of
    equally high ones the most even. A diagram wider than that has a row of its own."""
    best: list[tuple[float, float, list[int]]] = [(0, 0, [])]  # height, unevenness, for the first 0, 1, 2…
    for end in range(1, len(sizes) + 1):
        options = []
        for start in range(end - 1, -1, -1):
            across = sum(w for w, _ in sizes[start:end])
            if across > width and end - start > 1:
                break
            height, uneven, counts = best[start]
            high = max(h for _, h in sizes[start:end])
            options.append((height + high, uneven + across**2, [*counts, end - start]))
        best.append(min(options))
    return best[-1][2]


def arrange(drawing: Digraph, diagrams: Sequence[Sketch]) -> None:
    """Adds diagrams to a drawing. Each row hangs on a point of its own, so that Graphviz lays it out alone,
    in the order written; rows are stacked, centred."""
    counts = rows([diagram.size() for diagram in diagrams])
    if len(counts) > 1:
        drawing.attr(pack="0", packmode="array_i1")
    start = 0
    for number, count in enumerate(counts):
        for diagram in diagrams[start : start + count]:
            if len(counts) > 1:
                drawing.edge(f"row{number}", diagram.top(), style="invis", weight="0")
            drawing.subgraph(diagram.cluster)
        if len(counts) > 1:
            drawing.node(f"row{number}", label="", style="invis", width="0", height="0", margin="0")
        start += count
