"""Two-input cells, as architecture search finds them: nodes that add two operators' results, then a concat.

Recognised by structure, not by name: a scope with two or more sums of two, each of an input of the cell
or an earlier sum, through one block or none. So a cell of one's own is recognised too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from archc.ir.graph import Graph, Node
from archc.ops.base import Kind

IDENTITY = "identity"

Traced = tuple[str, Kind, int]
"""An operator, its kind, and the node it reads."""


@dataclass(frozen=True, slots=True)
class Operand:
    """An operator and what it reads: -2 and -1 are the cell's inputs, older first, 0… its earlier nodes."""

    operator: str
    kind: Kind
    source: int


@dataclass(frozen=True, slots=True)
class Cell:
    """nodes: the two operands of each sum. outputs: what is concatenated, numbered as in `Operand`."""

    nodes: tuple[tuple[Operand, Operand], ...]
    outputs: tuple[int, ...]
    reduces: bool


@dataclass(slots=True)
class Found:
    """A distinct cell and the scopes it fills."""

    cell: Cell
    places: list[int] = field(default_factory=list)


def cells(graph: Graph) -> list[Found]:
    """The distinct cells of a graph, in order of first use."""
    direct: dict[int, list[Node]] = {}
    for node in graph.nodes:
        direct.setdefault(node.scope, []).append(node)
    inside: dict[int, list[Node]] = {}
    for node in graph.nodes:
        for scope in graph.ancestors(node.scope):
            inside.setdefault(scope, []).append(node)
    found: dict[Cell, Found] = {}
    for scope in sorted(direct, key=lambda s: direct[s][0].id):
        cell = _cell(graph, scope, direct[scope], inside)
        if cell is not None:
            found.setdefault(cell, Found(cell)).places.append(scope)
    return list(found.values())


def _cell(graph: Graph, scope: int, own: list[Node], inside: dict[int, list[Node]]) -> Cell | None:
    sums = [node for node in own if node.op.name == "add" and len(node.inputs) == 2]
    last = own[-1]
    if len(sums) < 2 or last.op.name != "concat" or len(sums) + 1 != len(own):
        return None
    traced: list[tuple[Traced | None, ...]] = [
        tuple(_trace(graph, scope, i, inside) for i in node.inputs) for node in sums
    ]
    read = {operand[2] for pair in traced for operand in pair if operand}
    traced = [  # what other operators read is a state, however it was brought to its shape
        tuple((IDENTITY, "input", i) if i in read else t for i, t in zip(node.inputs, pair, strict=True))
        for node, pair in zip(sums, traced, strict=True)
    ]
    sources = [operand[2] for pair in traced for operand in pair if operand] + list(last.inputs)
    position = {node.id: i for i, node in enumerate(sums)}
    entering = sorted({source for source in sources if source not in position})
    if len(entering) > 2 or not all(all(pair) for pair in traced):
        return None
    position.update({source: i - len(entering) for i, source in enumerate(entering)})
    nodes = tuple(
        (Operand(left[0], left[1], position[left[2]]), Operand(right[0], right[1], position[right[2]]))
        for left, right in ((a, b) for a, b in traced if a and b)
    )
    height = graph.nodes[entering[-1]].shape[1] if entering else 0
    return Cell(nodes, tuple(position[i] for i in last.inputs), reduces=last.shape[1] < height)


def _trace(graph: Graph, scope: int, operand: int, inside: dict[int, list[Node]]) -> Traced | None:
    """(operator, kind, node it reads) of an operand of a sum; None where it is not one block of one input."""
    node = graph.nodes[operand]
    up = list(_up_to(graph, node.scope, scope))
    if node.scope == scope or not up:
        return IDENTITY, "input", operand
    block = graph.scopes[up[-1]]
    members = inside[up[-1]]
    made = {member.id for member in members}
    read = {source for member in members for source in member.inputs if source not in made}
    if len(read) != 1:
        return None
    kinds = [member.op.kind for member in members]
    kind: Kind = next((k for k in ("pool", "conv", "linear") if k in kinds), kinds[-1])
    return operator_name(block.block or block.name), kind, read.pop()


def _up_to(graph: Graph, scope: int, end: int) -> Iterator[int]:
    """The scopes from `scope` up to a child of `end`; none where `end` is not above."""
    chain = list(graph.ancestors(scope))
    return iter(chain[: chain.index(end)] if end in chain else [])


def operator_name(block: str) -> str:
    """`sep_conv_3x3` as `sep conv 3×3`."""
    return re.sub(r"(\d+)x(\d+)", r"\1×\2", block).replace("_", " ")
