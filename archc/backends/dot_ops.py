"""The drawing of every op, clustered by scope; a long network runs down several columns."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from archc.analyses.figures import shape_text
from archc.backends.dot_heat import Colour, Heat
from archc.backends.dot_parts import kinds_legend, node_box, title_lines
from archc.backends.dot_style import FAINT, PAGE_WIDTH, Line, label, new_digraph, panel, pill
from archc.backends.dot_units import calls, children
from archc.ir.graph import Graph

if TYPE_CHECKING:
    from graphviz import Digraph

# points, as they come out for boxes of the usual size
RANK_HEIGHT, BOX_WIDTH = 52, 130
MAX_HEIGHT = 1600  # of a drawing in one column
MAX_CROSSING = 6  # tensors that go from one column to later ones
CUTS = 24  # a scope of more than 1/24 of all nodes may be cut


def draw_ops(graph: Graph, colour: Colour = "kind") -> Digraph:
    """Every node. What goes from one column to another ends in a numbered mark and begins in the same."""
    return _OpDrawing(graph, colour).draw()


class _OpDrawing:
    def __init__(self, graph: Graph, colour: Colour) -> None:
        self.graph = graph
        self.heat = Heat(colour, (node.cost for node in graph.nodes))
        legend = self.heat.legend or kinds_legend(node.op.kind for node in graph.nodes)
        self.dot = new_digraph(graph.name, title=title_lines(graph, legend))
        self.below = children(graph)
        self.calls = calls(graph)
        self.column = columns(graph)
        self.marks: dict[int, int] = {}  # number of each node that is read in a later column

    def draw(self) -> Digraph:
        firsts: list[str] = []
        drawn: set[int] = set()
        for column in range(max(self.column, default=0) + 1):
            entering = self._entering(column)
            nodes = [node for node in self.graph.nodes if self.column[node.id] == column]
            if column:
                for source in entering:
                    name = f"in{column}_{source}"
                    text = f"{self.marks.setdefault(source, len(self.marks) + 1)} ▸"
                    shape = shape_text(self.graph.nodes[source].shape)
                    self.dot.node(name, **pill(Line(text, bold=True), Line(shape, 9, colour=FAINT)))
                firsts.append(f"in{column}_{entering[0]}")
            else:
                firsts.append(f"n{nodes[0].id}")
            inside: set[int] = set()
            direct: dict[int, list[int]] = defaultdict(list)
            for node in nodes:
                direct[node.scope].append(node.id)
                inside.update(self.graph.ancestors(node.scope))
            self._fill(self.dot, 0, column, direct, inside, drawn)
            drawn |= inside
        self._edges()
        if len(firsts) > 1:  # columns begin at the top and stand in order
            with self.dot.subgraph() as top:
                top.attr(rank="same")
                for one, following in pairwise(firsts):
                    top.edge(one, following, style="invis")
        return self.dot

    def _fill(
        self,
        into: Any,
        scope: int,
        column: int,
        direct: dict[int, list[int]],
        inside: set[int],
        drawn: set[int],
    ) -> None:
        for i in direct.get(scope, []):
            node = self.graph.nodes[i]
            into.node(f"n{i}", **node_box(self.graph, node, shape=True) | self.heat(node.cost))
        for inner in self.below.get(scope, []):
            if inner not in inside:
                continue
            name = f"cluster_s{inner}" + (f"_{column}" if inner in drawn else "")
            with into.subgraph(name=name) as cluster:
                at = self.graph.scopes[inner]
                lines = [Line(text, 9, colour=FAINT) for text in self.calls[inner]]
                if at.name != at.block:
                    lines.insert(0, Line(at.name, 10, bold=True))
                if inner in drawn:
                    lines = [Line(f"{at.name}, continued", 10, bold=True)]
                cluster.attr(**panel(label(*lines, left=True), margin="8"))
                self._fill(cluster, inner, column, direct, inside, drawn)

    def _entering(self, column: int) -> list[int]:
        """Nodes of earlier columns that a column reads."""
        found = {
            source
            for node in self.graph.nodes
            if self.column[node.id] == column
            for source in node.inputs
            if self.column[source] < column
        }
        return sorted(found)

    def _edges(self) -> None:
        for source, number in self.marks.items():
            self.dot.node(f"to{source}", **pill(Line(f"▸ {number}", bold=True)))
            self.dot.edge(f"n{source}", f"to{source}")
        edges = [
            (i if self.column[i] == self.column[node.id] else -1 - i, node.id)
            for node in self.graph.nodes
            for i in node.inputs
        ]
        users = Counter(i for node in self.graph.nodes for i in node.inputs)
        for source, target in dict.fromkeys(edges):
            tail = f"n{source}" if source >= 0 else f"in{self.column[target]}_{-1 - source}"
            # a chain stays straight; where ways meet, or many part, they lie about the middle
            straight = (
                target == source + 1 and users[source] <= 2 and len(self.graph.nodes[target].inputs) == 1
            )
            weight = "8" if straight else "1"
            self.dot.edge(tail, f"n{target}", weight=weight)
        for i, output in enumerate(self.graph.outputs):
            look = {"style": "dashed"} if output.train_only else {}
            name = output.name + (" (training)" if output.train_only else "")
            shape = Line(shape_text(self.graph.nodes[output.node].shape), 9, colour=FAINT)
            self.dot.node(f"out{i}", **pill(Line(name, bold=True), shape, train_only=output.train_only))
            self.dot.edge(f"n{output.node}", f"out{i}", **look)


def columns(graph: Graph) -> list[int]:
    """The column each node is drawn in, by id: 0 for all of a network that is short or too wide."""
    rank: list[int] = []
    for node in graph.nodes:
        rank.append(1 + max((rank[i] for i in node.inputs), default=0))
    depth = max(rank, default=0)
    abreast: dict[int, int] = defaultdict(int)
    for at in rank:
        abreast[at] += 1
    width = BOX_WIDTH * max(2, sorted(abreast.values())[len(abreast) * 9 // 10] if abreast else 1)
    count = min(PAGE_WIDTH // width, -(-depth * RANK_HEIGHT // MAX_HEIGHT))
    if count < 2:
        return [0] * len(graph.nodes)
    last_use = list(range(len(graph.nodes)))
    for node in graph.nodes:
        for i in node.inputs:
            last_use[i] = node.id
    found, column, reached = [0] * len(graph.nodes), 0, 0
    starts = _starts(graph)
    for node in graph.nodes:
        full = reached >= (column + 1) * depth / count
        if full and column < count - 1 and node.id in starts:
            crossing = sum(last_use[i] >= node.id for i in range(node.id))
            column += crossing <= MAX_CROSSING
        found[node.id] = column
        reached = max(reached, rank[node.id])
    return found


def _starts(graph: Graph) -> set[int]:
    """Where a column may begin: at a scope that is not within a small one, and at a layer in none."""
    sizes: dict[int, int] = defaultdict(int)
    for node in graph.nodes:
        for scope in graph.ancestors(node.scope):
            sizes[scope] += 1
    limit = len(graph.nodes) / CUTS
    found, seen = set(), set()
    for node in graph.nodes:
        new = [scope for scope in graph.ancestors(node.scope) if scope not in seen]
        layer = node.scope == 0 and node.op.kind in ("conv", "linear")
        if layer or any(sizes[graph.scopes[scope].parent] > limit for scope in new if scope):
            found.add(node.id)
        seen.update(new)
    return found
