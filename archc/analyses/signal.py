"""Signal propagation: the variance at the end of every block, and what spoils it (Brock et al. 2021,
arXiv:2101.08692)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archc.analyses.reference_state import Variance
from archc.diagnostics import NOWHERE, Diagnostic
from archc.ir.graph import Graph, Node

TOLERANCE = 1e-3
"""Relative deviation from 1 that counts as another variance."""

CONVOLUTIONS = frozenset({"conv", "ws_conv", "conv_transpose"})
GATES = frozenset({"sigmoid", "hard_sigmoid"})


@dataclass(frozen=True, slots=True)
class Point:
    """The end of a stage repetition or a section, and of its residual branch if it has one.

    node, branch: node ids. variance, branch_variance: predicted; a string names the op without a rule.
    """

    path: str
    node: int
    variance: Variance
    branch: int | None
    branch_variance: Variance | None


def points(graph: Graph, variances: Sequence[Variance]) -> tuple[Point, ...]:
    """The points of a signal propagation plot, in order. variances: of every node (`reference_variances`)."""
    found = []
    holders = {s.parent for s in graph.scopes if s.kind == "repeat"}
    for scope, at in enumerate(graph.scopes):
        if at.kind not in ("section", "repeat") or scope in holders:
            continue
        inside = [n for n in graph.nodes if not n.train_only and scope in graph.ancestors(n.scope)]
        if not inside:
            continue
        last = inside[-1]
        branch = _branch(graph, inside)
        found.append(
            Point(
                graph.scope_path(scope), last.id, variances[last.id], branch,
                None if branch is None else variances[branch],
            )
        )  # fmt: skip
    return tuple(found)


def _branch(graph: Graph, inside: list[Node]) -> int | None:
    """The end of the residual branch: what the last sum of a block adds to its skip, the operand with more ops."""
    sums = [n for n in inside if n.op.name == "add" and len(n.inputs) == 2]
    if not sums:
        return None
    ids = {n.id for n in inside}

    def depth(node: int) -> int:
        seen, waiting = set(), [node]
        while waiting:
            at = waiting.pop()
            if at in ids and at not in seen:
                seen.add(at)
                waiting += graph.nodes[at].inputs
        return len(seen)

    return max(sums[-1].inputs, key=depth)


def normaliser_free(graph: Graph) -> bool:
    """Whether a network has residual sums and no normalisation at all."""
    kinds = {n.op.kind for n in graph.nodes}
    return "norm" not in kinds and any(n.op.name == "add" and len(n.inputs) > 1 for n in graph.nodes)


def warnings(graph: Graph, variances: Sequence[Variance]) -> tuple[Diagnostic, ...]:
    """W0211, once a line of the spec, for what does not preserve the variance of a normaliser-free network.

    The head after the last sum, and what gates are made of, need not preserve it.
    """
    if not normaliser_free(graph):
        return ()
    last_sum = max(n.id for n in graph.nodes if n.op.name == "add")
    gating = _gate_parts(graph)
    found: dict[tuple[str, int, str], Diagnostic] = {}
    for node in graph.nodes:
        if node.id > last_sum or node.id in gating or node.op.kind == "input":
            continue
        problem = _problem(graph, node, variances)
        if problem is not None:
            message, help = problem
            span = node.span or NOWHERE
            key = (span.source.name, span.start, message.partition(" at ")[0])
            found.setdefault(key, Diagnostic("W0211", message, span, help=(help,)))
    return tuple(found.values())


def _problem(graph: Graph, node: Node, variances: Sequence[Variance]) -> tuple[str, str] | None:
    path = graph.path(node)
    variance = variances[node.id]
    before = [variances[i] for i in node.inputs]
    if isinstance(variance, str):
        if variance != node.op.name:
            return None  # it began further up, and is told there
        if node.op.name == "mul" and _is_settled(graph, node, variances):
            return None
        if hasattr(node.op, "gamma"):
            return f"{node.op.name} at {path} does not preserve the variance", f"{node.op.name}(gamma = true)"
        if node.op.name == "mul":
            return (
                f"the gate at {path} changes the variance",
                "a sigmoid gate halves what it gates: multiply by 2, and assert it: with_std(2 * (x * gate), x.std)",
            )
        if node.op.name in CONVOLUTIONS:
            return f"{node.op.name} at {path} has a variance that depends on its weights", "use ws_conv"
        return f"{node.op.name} at {path} has no variance rule", "assert what it gives: with_std(y, 1)"
    read = before[0] if before else 1.0
    if node.op.name == "ws_conv" and isinstance(read, float) and abs(read - 1) > TOLERANCE:
        return (
            f"ws_conv at {path} reads a variance of {read:.4g}, not 1",
            "divide by the standard deviation before the branch: x -> act -> scale(1 / x.std)",
        )
    return None


def _is_settled(graph: Graph, node: Node, variances: Sequence[Variance]) -> bool:
    """Whether a product is only read by ops whose variance is known, which takes an assertion."""
    readers = [n for n in graph.nodes if node.id in n.inputs]
    return bool(readers) and all(not isinstance(variances[r.id], str) for r in readers)


def _gate_parts(graph: Graph) -> set[int]:
    """Nodes that only make gates: everything that reaches the network through a sigmoid's product alone."""
    users: dict[int, list[Node]] = {}
    for node in graph.nodes:
        for i in node.inputs:
            users.setdefault(i, []).append(node)
    parts: set[int] = set()
    for node in reversed(graph.nodes):
        readers = users.get(node.id, [])
        gates = node.op.name in GATES and readers and all(r.op.name == "mul" for r in readers)
        if gates or (readers and all(r.id in parts for r in readers)):
            parts.add(node.id)
    return parts
