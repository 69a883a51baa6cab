"""A network as its spec's sections: what each puts out and costs."""

from __future__ import annotations

from dataclasses import dataclass, field

from archc.ir.graph import Graph, Node
from archc.ops.base import FREE, Cost, Shape


@dataclass(slots=True)
class Section:
    """One section, or (`scope` 0) all nodes outside sections.

    block: the block it applies, empty for a composition or a body. repeats: how often.
    shape: of its last result that leaves it, (C, H, W) or (F,). cost: of one example in eval mode.
    """

    scope: int
    name: str
    block: str = ""
    repeats: int = 1
    shape: Shape = ()
    cost: Cost = FREE
    train_only_cost: Cost = FREE
    nodes: list[Node] = field(default_factory=list)


def sections(graph: Graph) -> tuple[Section, ...]:
    """The sections of a graph in program order, then the nodes outside them if they cost or do anything."""
    found = {0: Section(0, "(outside)")}
    for scope in graph.sections:
        found[scope] = Section(scope, graph.scope_path(scope), *_applied(graph, scope))
    home = section_by_scope(graph)
    outputs = {o.node for o in graph.outputs if not o.train_only}
    leaving = set(outputs)
    for node in graph.nodes:
        for source in node.inputs:
            if not node.train_only and home[graph.nodes[source].scope] != home[node.scope]:
                leaving.add(source)
    for node in graph.nodes:
        section = found[home[node.scope]]
        section.nodes.append(node)
        if node.train_only:
            section.train_only_cost += node.cost
            continue
        section.cost += node.cost
        if node.id in leaving or not section.shape:
            section.shape = node.shape
    rest = found.pop(0)
    outside = [rest] if any(n.op.kind != "input" for n in rest.nodes) else []
    return tuple([s for s in found.values() if s.nodes] + outside)


def section_by_scope(graph: Graph) -> list[int]:
    """For each scope, the id of the innermost section around it; 0 outside sections."""
    home: list[int] = []
    for i, scope in enumerate(graph.scopes):
        home.append(i if scope.kind == "section" else home[scope.parent] if scope.parent >= 0 else 0)
    return home


def _applied(graph: Graph, section: int) -> tuple[str, int]:
    """The block a section applies and how often."""
    repeats = [s for s in graph.scopes if s.parent == section and s.kind == "repeat"]
    blocks = {s.block for s in repeats} or {graph.scopes[section].block}
    return (blocks.pop() if len(blocks) == 1 else ""), max(1, len(repeats))
