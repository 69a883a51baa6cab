"""Block diagrams: each distinct block of a network once, side by side, as papers draw them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from archc.analyses.figures import shape_text
from archc.backends.dot_style import (
    FAINT,
    Line,
    box,
    label,
    new_digraph,
    op_box,
    panel,
    pill,
)
from archc.backends.dot_units import Form, calls, children, form, joint_label, sections_with_repeats, topology
from archc.ir.graph import Graph, Node
from archc.ops.base import Shape

if TYPE_CHECKING:
    from graphviz import Digraph

MAX_NODES = 26  # a diagram of more ops shows its inner blocks as boxes, each with a diagram of its own
MIN_INNER = 3  # inner blocks of fewer ops stay inline

Key = tuple[str, Form]


@dataclass(slots=True)
class Diagram:
    """One distinct block; `places` are the scopes it fills, `members` the nodes of each, in order."""

    block: str
    places: list[int] = field(default_factory=list)
    members: list[list[Node]] = field(default_factory=list)


class BlockDrawing:
    """The diagrams of one graph: found from its sections inwards, drawn one by one."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.below = children(graph)
        self.calls = calls(graph)
        self.inside = _nodes_inside(graph)
        self.users = _users(graph)
        self.diagrams: dict[Key, Diagram] = {}
        for scope in self._roots():
            self._add(scope)

    def draw(self) -> Digraph:
        from archc.backends.dot import title_lines

        drawing = new_digraph(self.graph.name, title=title_lines(self.graph), horizontal_gap=0.25)
        drawn = 0
        while drawn < len(self.diagrams):  # drawing a diagram may add those of its inner blocks
            self._draw_diagram(drawing, list(self.diagrams.values())[drawn], drawn)
            drawn += 1
        return drawing

    def _roots(self) -> list[int]:
        scopes = self.graph.scopes
        repeated = sections_with_repeats(self.graph)
        found = [
            i
            for i, s in enumerate(scopes)
            if s.kind == "repeat"
            or (s.kind == "section" and i not in repeated)
            or (s.kind == "block" and s.parent == 0)
        ]
        first = {i: self.inside[i][0].id for i in found if self.inside[i]}
        return sorted(first, key=first.__getitem__) or [0]

    def _key(self, scope: int) -> Key:
        return self.graph.scopes[scope].block, form(self.inside[scope], topology)

    def _add(self, scope: int) -> None:
        key = self._key(scope)
        diagram = self.diagrams.setdefault(key, Diagram(key[0]))
        diagram.places.append(scope)
        diagram.members.append(self.inside[scope])

    def _draw_diagram(self, drawing: Any, diagram: Diagram, number: int) -> None:
        graph, root = self.graph, diagram.places[0]
        big = len(diagram.members[0]) > MAX_NODES
        shown = [joint_label([n.op.label() for n in same]) for same in zip(*diagram.members, strict=True)]
        home: dict[int, str] = {}
        texts = {node.id: text for node, text in zip(diagram.members[0], shown, strict=True)}

        def fill(into: Any, scope: int) -> None:
            for node in self.inside[scope]:
                if node.scope == scope and node.op.kind != "input":
                    home[node.id] = f"d{number}n{node.id}"
                    into.node(home[node.id], **op_box(node.op, texts[node.id], train_only=node.train_only))
            for inner in self.below.get(scope, []):
                nodes = self.inside[inner]
                key = self._key(inner)
                if nodes and (key in self.diagrams or (big and len(nodes) >= MIN_INNER)):
                    if key not in self.diagrams or inner not in self.diagrams[key].places:
                        self._add(inner)
                    home.update({node.id: f"d{number}s{inner}" for node in nodes})
                    lines = self.calls[inner]
                    if not lines or len(diagram.places) > 1:  # arguments differ from place to place
                        lines = [graph.scopes[inner].block or graph.scopes[inner].name]
                    into.node(f"d{number}s{inner}", label=label(*map(Line, lines)), **box("section"))
                    continue
                with into.subgraph(name=f"cluster_d{number}s{inner}") as cluster:
                    text = graph.scopes[inner].block or graph.scopes[inner].name
                    cluster.attr(
                        **panel(
                            label(Line(text, 9, colour=FAINT)),
                            fillcolor="#ffffff",
                            style="rounded,filled,dashed",
                            margin="6",
                        )
                    )
                    fill(cluster, inner)

        with drawing.subgraph(name=f"cluster_d{number}") as cluster:
            cluster.attr(**panel(label(*self._heading(diagram), left=True)))
            fill(cluster, root)
            self._wire(cluster, diagram, number, home)

    def _wire(self, cluster: Any, diagram: Diagram, number: int, home: dict[int, str]) -> None:
        """Edges inside a diagram, and its entries and exits with their shapes."""
        nodes = self.graph.nodes
        position = {node.id: i for i, node in enumerate(diagram.members[0])}
        edges: list[tuple[str, str]] = []
        entries: dict[int, str] = {}
        for node in diagram.members[0]:
            if node.id not in home:  # an input of the graph written in the diagram's scope
                continue
            for place, source in enumerate(node.inputs):
                if source in home:
                    edges.append((home[source], home[node.id]))
                    continue
                if source not in entries:
                    entries[source] = f"d{number}i{source}"
                    at = position[node.id]
                    shapes = [nodes[members[at].inputs[place]].shape for members in diagram.members]
                    cluster.node(entries[source], **_port(shapes))
                edges.append((entries[source], home[node.id]))
        for tail, head in dict.fromkeys(edges):
            if tail != head:
                cluster.edge(tail, head)
        for node in diagram.members[0]:
            if node.id in home and any(user not in position for user in self.users[node.id]):
                at = position[node.id]
                cluster.node(f"d{number}o{node.id}", **_port([m[at].shape for m in diagram.members]))
                cluster.edge(home[node.id], f"d{number}o{node.id}")

    def _heading(self, diagram: Diagram) -> list[Line]:
        paths = [self.graph.scope_path(place) for place in diagram.places]
        times = f"  × {len(paths)}" if len(paths) > 1 else ""
        if not diagram.block:
            return [Line(", ".join(_runs(paths)) or self.graph.name, 12, bold=True)]
        runs = _runs(paths)
        where = ", ".join(runs if len(runs) <= 6 else [*runs[:5], "…"])
        return [Line(diagram.block + times, 12, bold=True), Line(where, 9, colour=FAINT)]


def draw_blocks(graph: Graph) -> Digraph:
    """Each distinct block once. Blocks that differ in widths only are one, drawn with ranges."""
    return BlockDrawing(graph).draw()


def _nodes_inside(graph: Graph) -> list[list[Node]]:
    """The nodes in each scope and in the scopes inside it, in creation order."""
    found: list[list[Node]] = [[] for _ in graph.scopes]
    for node in graph.nodes:
        for scope in graph.ancestors(node.scope):
            found[scope].append(node)
    return found


def _users(graph: Graph) -> list[list[int]]:
    """Ids of the nodes that read each node; -1 stands for an output of the graph."""
    found: list[list[int]] = [[] for _ in graph.nodes]
    for node in graph.nodes:
        for source in node.inputs:
            found[source].append(node.id)
    for output in graph.outputs:
        found[output.node].append(-1)
    return found


def _port(shapes: list[Shape]) -> dict[str, str]:
    """An entry or exit of a diagram, where the shape is the same or only channels are told."""
    if len(set(shapes)) == 1:
        return pill(Line(shape_text(shapes[0]), 9, colour=FAINT))
    channels = joint_label([str(s[0]) for s in shapes])
    return pill(Line(f"{channels} × H × W" if len(shapes[0]) == 3 else channels, 9, colour=FAINT))


def _runs(paths: list[str]) -> list[str]:
    """`s2.1, s2.2, s2.3` as `s2.1…3`."""
    split = [re.fullmatch(r"(.*?)(\d+)", path, re.ASCII) for path in paths]
    out: list[str] = []
    numbered = [
        (path, found.group(1) if found else path, int(found.group(2)) if found else -i)
        for i, (path, found) in enumerate(zip(paths, split, strict=True))
    ]
    for _, run in groupby(enumerate(numbered), key=lambda item: (item[1][1], item[1][2] - item[0])):
        members = [item for _, item in run]
        out.append(members[0][0] if len(members) == 1 else f"{members[0][0]}…{members[-1][2]}")
    return out
