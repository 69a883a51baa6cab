"""Block diagrams: each distinct block of a network once, side by side, as papers draw them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archc.analyses.figures import shape_text
from archc.backends.dot_heat import Colour, Heat
from archc.backends.dot_parts import kinds_legend, title_lines
from archc.backends.dot_rows import Sketch, arrange
from archc.backends.dot_style import (
    FAINT,
    Line,
    box,
    inset,
    label,
    new_digraph,
    op_box,
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
    leading,
    node_label,
    sections_with_repeats,
    topology,
    wrapped,
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
        sketches = self._sketches()
        if self.colour != "kind":  # all diagrams must be known to know the costliest op
            spent = [cost for diagram in self.diagrams.values() for cost in diagram.spent()]
            self.heat = Heat(self.colour, spent)
            sketches = self._sketches()
        legend = self.heat.legend or kinds_legend(kind for sketch in sketches for kind in sketch.kinds)
        title = title_lines(self.graph, legend)
        drawing = new_digraph(self.graph.name, title=title, horizontal_gap=0.25)
        arrange(drawing, sketches)
        return drawing

    def _sketches(self) -> list[Sketch]:
        sketches: list[Sketch] = []
        while len(sketches) < len(self.diagrams):  # drawing a diagram may add those of its inner blocks
            number = len(sketches)
            sketches.append(self._sketch(list(self.diagrams.values())[number], number))
        return sketches

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

    def _sketch(self, diagram: Diagram, number: int) -> Sketch:
        graph, root = self.graph, diagram.places[0]
        sketch = Sketch(f"d{number}", label(*self._heading(diagram), left=True))
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
                    sketch.node(into, home[node.id], look | self.heat(spent[node.id]), node.op.kind)
            for child in self.below.get(scope, []):
                inner = self._unwrapped(child)
                nodes = self.inside[inner]
                if not nodes:
                    continue
                box_name = f"d{number}s{inner}"
                if fused and len(nodes) <= MAX_FUSED:
                    main = leading(nodes)
                    names = " · ".join(node.op.name for node in nodes)
                    look = op_box(main.op, texts[main.id], second=names)
                    sketch.node(into, box_name, look | self.heat(spent[main.id]), main.op.kind)
                elif big or self._key(inner) in self.diagrams:
                    cost = max((spent[node.id] for node in nodes), key=self.heat.figure)
                    sketch.node(into, box_name, self._reference(diagram, inner) | self.heat(cost))
                else:
                    with into.subgraph(name=f"cluster_{box_name}") as cluster:
                        cluster.attr(**inset(graph.scopes[inner].block or graph.scopes[inner].name))
                        fill(cluster, inner)
                    continue
                home.update({node.id: box_name for node in nodes})

        fill(sketch.cluster, root)
        self._wire(sketch, diagram, number, home)
        return sketch

    def _leaves(self, scope: int) -> list[int]:
        """The innermost scopes inside a scope."""
        inner = self.below.get(scope, [])
        return [leaf for i in inner for leaf in self._leaves(i)] if inner else [scope]

    def _unwrapped(self, scope: int) -> int:
        """The scope itself, or the only one in it that holds anything."""
        inner = [i for i in self.below.get(scope, []) if self.inside[i]]
        alone = len(inner) == 1 and len(self.inside[inner[0]]) == len(self.inside[scope])
        return self._unwrapped(inner[0]) if alone else scope

    def _reference(self, diagram: Diagram, inner: int) -> dict[str, str]:
        """Attributes of the box for an inner block, which has or now gets a diagram of its own."""
        for same in self._counterparts(diagram, inner):
            key = self._key(same)
            if key not in self.diagrams or same not in self.diagrams[key].places:
                self._add(same)
        scope = self.graph.scopes[inner]
        lines = self.calls[inner]
        if not lines or len(diagram.places) > 1:  # arguments differ from place to place
            lines = [scope.block or scope.name]
        return {"label": label(*map(Line, lines)), **box("section")}

    def _counterparts(self, diagram: Diagram, inner: int) -> list[int]:
        """The scopes that stand in a diagram's places where `inner` stands in the first."""
        first = self.inside[inner][0]
        at = diagram.members[0].index(first)
        up = list(self.graph.ancestors(first.scope)).index(inner)
        return [list(self.graph.ancestors(members[at].scope))[up] for members in diagram.members]

    def _wire(self, sketch: Sketch, diagram: Diagram, number: int, home: dict[int, str]) -> None:
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
                    sketch.node(sketch.cluster, entries[source], _port(shapes))
                edges.append((entries[source], home[node.id]))
        for tail, head in edges:
            sketch.edge(tail, head)
        for node in diagram.members[0]:
            if node.id in home and any(user not in position for user in self.users[node.id]):
                at = position[node.id]
                port = _port([m[at].shape for m in diagram.members])
                sketch.node(sketch.cluster, f"d{number}o{node.id}", port)
                sketch.edge(home[node.id], f"d{number}o{node.id}")

    def _heading(self, diagram: Diagram) -> list[Line]:
        paths = [self.graph.scope_path(place) for place in diagram.places]
        times = f"  × {len(paths)}" if len(paths) > 1 else ""
        if not diagram.block:
            return [Line(", ".join(joined_paths(paths)) or self.graph.name, 12, bold=True)]
        where = wrapped(", ".join(joined_paths(paths)), MAX_WIDTH, 2)
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
