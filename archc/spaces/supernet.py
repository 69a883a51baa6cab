"""The supernet of a design space as a graph: every answer to every choice among ops and tensors, mixed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from archc.diagnostics import ArchError
from archc.elaborate.arch import elaborate
from archc.elaborate.choosers import KeepAll
from archc.elaborate.keep import MIXED
from archc.ir import Graph
from archc.spaces.space import Space


@dataclass(frozen=True)
class Supernet:
    """choices: the choice points in program order: how many answers each has, and how many of them are picked.

    mixes: the nodes that add the answers to a choice, by its path. edges: for each choice of several, the node that
    weighs each candidate, by its index. inner: the choice a candidate itself is mixed by, by path and index. empty:
    the answers to a mixed choice that are zeros.
    """

    graph: Graph
    choices: dict[str, tuple[int, int]]
    mixes: dict[str, list[int]]
    edges: dict[str, dict[int, list[int]]]
    inner: dict[tuple[str, int], str]
    empty: dict[str, frozenset[int]]


def supernet(space: Space) -> Supernet:
    """The supernet; raises ArchError (E0528, E0529) where a choice cannot stay open."""
    keep = KeepAll()
    made = elaborate(space.target, arguments=space.given, input=space.request.input, chooser=keep)
    if made.graph is None:
        raise ArchError(made.diagnostics)
    graph = without_affine(made.graph)
    mixes: dict[str, list[int]] = {}
    edges: dict[str, dict[int, list[int]]] = {}
    inner: dict[tuple[str, int], str] = {}
    for node in graph.nodes:
        op: Any = node.op
        if op.name == "mix":
            mixes.setdefault(op.choice, []).append(node.id)
        elif op.name == "weigh":
            edges.setdefault(op.choice, {}).setdefault(op.index, []).append(node.id)
            source: Any = graph.nodes[node.inputs[0]].op
            if source.name == "mix":
                inner[op.choice, op.index] = source.choice
    empty = {path: frozenset(_zeros(graph, nodes[0])) for path, nodes in mixes.items()}
    return Supernet(graph, keep.open, mixes, edges, inner, empty)


def _zeros(graph: Graph, mix: int) -> list[int]:
    return [i for i, node in enumerate(graph.nodes[mix].inputs) if graph.nodes[node].op.name == "zero"]


def without_affine(graph: Graph) -> Graph:
    """The graph with batch norms that learn nothing where choices are mixed, as those of DARTS's search.

    A scale would undo the share that its branch is given.
    """
    mixed = {graph.section_of(n) for n in graph.nodes if n.op.name in ("mix", "weigh")}
    mixed |= {i for i, scope in enumerate(graph.scopes) if scope.block == MIXED}
    nodes = []
    for node in graph.nodes:
        if node.op.name == "batch_norm" and mixed.intersection(graph.ancestors(node.scope)) - {0}:
            op = type(node.op).make(**{**node.op.arguments(), "affine": False})
            shapes = tuple(graph.nodes[i].shape for i in node.inputs)
            nodes.append(replace(node, op=op, cost=op.cost(shapes, node.shape)))
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes))
