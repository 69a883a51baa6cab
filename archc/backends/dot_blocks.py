"""Block diagrams: each distinct block of a network once, side by side, as papers draw them."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archc.analyses.figures import shape_text
from archc.backends.dot_heat import Colour, Heat
from archc.backends.dot_parts import title_lines
from archc.backends.dot_style import (
    FAINT,
    Line,
    box,
    inset,
    label,
    new_digraph,
    op_box,
    panel,
    pill,
)
from archc.backends.dot_units import (
    MAX_WIDTH,
    Form,
    calls,
    children,
    form,
    joined_paths,
    joint_label,
    node_label,
    sections_with_repeats,
    topology,
)
from archc.ir.graph import Graph, Node
from archc.ops.base import FREE, Cost, Shape

if TYPE_CHECKING:
    from graphviz import Digraph

MAX_NODES = 26  # a diagram of more ops shows its inner blocks as boxes, each with a diagram of its own
MAX_FUSED = 3  # inner blocks of so few ops become one box there, named by the convolution

Key = tuple[str, Form]


@dataclass(slots=True)
class Diagram:
    """One distinct block; `places` are the scopes it fills, `members` the nodes of each, in order."""

    block: str
    places: list[int] = field(default_factory=list)
    members: list[list[Node]] = field(default_factory=list)

    def spent(self) -> list[Cost]:
        """What each of its ops costs in all places together."""
        return [sum((node.cost for node in same), FREE) for same in zip(*self.members, strict=True)]


class BlockDrawing:
    """The diagrams of one graph: found from its sections inwards, drawn one by one."""

    def __init__(self, graph: Graph, colour: Colour = "kind") -> None:
        self.graph = graph
        self.colour = colour
        self.heat = Heat("kind", ())
        self.below = children(graph)
        self.calls = calls(graph)
        self.inside = _nodes_inside(graph)
        self.users = _users(graph)
        self.diagrams: dict[Key, Diagram] = {}
        for scope in self._roots():
            self._add(scope)

    def draw(self) -> Digraph:
        if self.colour != "kind":  # all diagrams must be known to know the costliest op
            self._draw_diagrams(new_digraph(self.graph.name, title=()))
            spent = [cost for diagram in self.diagrams.values() for cost in diagram.spent()]
            self.heat = Heat(self.colour, spent)
        title = title_lines(self.graph, self.heat.legend)
        drawing = new_digraph(self.graph.name, title=title, horizontal_gap=0.25)
        self._draw_diagrams(drawing)
        return drawing

    def _draw_diagrams(self, drawing: Any) -> None:
        drawn = 0
        while drawn < len(self.diagrams):  # drawing a diagram may add those of its inner blocks
            self._draw_diagram(drawing, list(self.diagrams.values())[drawn], drawn)
            drawn += 1

    def _roots(self) -> list[int]:
        """The scopes to draw: sections or their repeats, and blocks outside; a section that only calls
        blocks gives way to them."""
        scopes = self.graph.scopes
        repeated = sections_with_repeats(self.graph)
        direct = {node.scope for node in self.graph.nodes if node.op.kind != "input"}
        found: list[int] = []

        def visit(scope: int) -> None:
            inner = self.below.get(scope, [])
            only_calls = scope not in direct and not scopes[scope].block
            if scope in repeated or (only_calls and any(len(self.inside[i]) > MAX_FUSED for i in inner)):
                for child in inner:
                    visit(child)
            elif self.inside[scope]:
                found.append(scope)

        for child in self.below.get(0, []):
            visit(child)
        return sorted(found, key=lambda scope: self.inside[scope][0].id) or [0]

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
        fused = big or sum(0 < len(self.inside[i]) <= MAX_FUSED for i in self._leaves(root)) > 1
        shown = [
            joint_label([node_label(graph, n) for n in same]) for same in zip(*diagram.members, strict=True)
        ]
        home: dict[int, str] = {}
        spent = {node.id: cost for node, cost in zip(diagram.members[0], diagram.spent(), strict=True)}
        texts = {node.id: text for node, text in zip(diagram.members[0], shown, strict=True)}

        def fill(into: Any, scope: int) -> None:
            for node in self.inside[scope]:
                if node.scope == scope and node.op.kind != "input":
                    home[node.id] = f"d{number}n{node.id}"
                    look = op_box(node.op, texts[node.id], train_only=node.train_only)
                    into.node(home[node.id], **look | self.heat(spent[node.id]))
            for child in self.below.get(scope, []):
                inner = self._unwrapped(child)
                nodes = self.inside[inner]
                if not nodes:
                    continue
                box_name = f"d{number}s{inner}"
                if fused and len(nodes) <= MAX_FUSED:
                    main = next((node for node in nodes if node.op.kind in ("conv", "linear")), nodes[0])
                    names = " · ".join(node.op.name for node in nodes)
                    look = op_box(main.op, texts[main.id], second=names)
                    into.node(box_name, **look | self.heat(spent[main.id]))
                elif big or self._key(inner) in self.diagrams:
                    cost = max((spent[node.id] for node in nodes), key=self.heat.figure)
                    self._draw_reference(into, diagram, inner, box_name, cost)
                else:
                    with into.subgraph(name=f"cluster_{box_name}") as cluster:
                        cluster.attr(**inset(graph.scopes[inner].block or graph.scopes[inner].name))
                        fill(cluster, inner)
                    continue
                home.update({node.id: box_name for node in nodes})

        with drawing.subgraph(name=f"cluster_d{number}") as cluster:
            cluster.attr(**panel(label(*self._heading(diagram), left=True)))
            fill(cluster, root)
            self._wire(cluster, diagram, number, home)

    def _leaves(self, scope: int) -> list[int]:
        """The innermost scopes inside a scope."""
        inner = self.below.get(scope, [])
        return [leaf for i in inner for leaf in self._leaves(i)] if inner else [scope]

    def _unwrapped(self, scope: int) -> int:
        """The scope itself, or the only one in it that holds anything."""
        inner = [i for i in self.below.get(scope, []) if self.inside[i]]
        alone = len(inner) == 1 and len(self.inside[inner[0]]) == len(self.inside[scope])
        return self._unwrapped(inner[0]) if alone else scope

    def _draw_reference(self, into: Any, diagram: Diagram, inner: int, box_name: str, cost: Cost) -> None:
        """A box for an inner block, which has or now gets a diagram of its own."""
        for same in self._counterparts(diagram, inner):
            key = self._key(same)
            if key not in self.diagrams or same not in self.diagrams[key].places:
                self._add(same)
        scope = self.graph.scopes[inner]
        lines = self.calls[inner]
        if not lines or len(diagram.places) > 1:  # arguments differ from place to place
            lines = [scope.block or scope.name]
        into.node(box_name, label=label(*map(Line, lines)), **box("section") | self.heat(cost))

    def _counterparts(self, diagram: Diagram, inner: int) -> list[int]:
        """The scopes that stand in a diagram's places where `inner` stands in the first."""
        first = self.inside[inner][0]
        at = diagram.members[0].index(first)
        up = list(self.graph.ancestors(first.scope)).index(inner)
        return [list(self.graph.ancestors(members[at].scope))[up] for members in diagram.members]

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
            return [Line(", ".join(joined_paths(paths)) or self.graph.name, 12, bold=True)]
        where = textwrap.wrap(", ".join(joined_paths(paths)), MAX_WIDTH, max_lines=2, placeholder=" …")
        return [Line(diagram.block + times, 12, bold=True), *(Line(text, 9, colour=FAINT) for text in where)]


def draw_blocks(graph: Graph, colour: Colour = "kind") -> Digraph:
    """Each distinct block once. Blocks that differ in widths only are one, drawn with ranges; their colour
    by cost is that of all places together, a reference's that of its costliest op."""
    return BlockDrawing(graph, colour).draw()


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
