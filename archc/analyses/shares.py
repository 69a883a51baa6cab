"""Which kinds of block the parameters and multiply-adds of a network are in."""

from __future__ import annotations

from dataclasses import dataclass

from archc.ir.graph import Graph
from archc.ops.base import FREE, Cost


@dataclass(slots=True)
class Share:
    """A block type, or the ops outside of blocks: calls of it, and what they cost with all they call."""

    block: str
    calls: int
    cost: Cost


def block_shares(graph: Graph) -> tuple[Share, ...]:
    """The block types of a network by their multiply-adds, largest first.

    A block inside another counts for both; "(ops)" are ops in no block, so only outermost blocks and "(ops)"
    add up to the whole.
    """
    found: dict[str, Share] = {}
    for scope in graph.scopes[1:]:
        if scope.block:
            found.setdefault(scope.block, Share(scope.block, 0, FREE)).calls += 1
    for node in graph.nodes:
        if node.train_only:
            continue
        blocks = {graph.scopes[s].block for s in graph.ancestors(node.scope) if s and graph.scopes[s].block}
        for block in blocks or {"(ops)"}:
            found.setdefault(block, Share(block, 0, FREE)).cost += node.cost
    return tuple(sorted(found.values(), key=lambda s: (-s.cost.macs, -s.cost.params, s.block)))
