"""The canonical form of a graph: equal for networks that compute the same by construction.

Simplified first: identities go; what is zero goes with all that is zero because of it; sums are flattened; an op
that learns nothing is counted once however often it is applied to the same value. Then each node is hashed over its
op and the hashes of its inputs, those of sums and products in any order (a Merkle hash), and the graph over its
outputs and the multiset of all nodes, as one weight used twice is not two weights.

Sums are taken as associative, which floating point is not in its last digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from archc.ir import Graph
from archc.ops.base import Op
from archc.passes.drop import RANDOM, is_identity

ZERO = -1
"""Stands for a value that is all zeros."""

# Ops that make zeros of zeros. A normalisation learns a shift, and so does a bias.
_KEEPS_ZERO = frozenset({
    "relu", "relu6", "leaky_relu", "silu", "gelu", "tanh", "elu", "celu", "selu", "mish", "hard_swish", "max_pool",
    "avg_pool", "global_avg_pool", "global_max_pool", "adaptive_avg_pool", "adaptive_max_pool", "dropout", "drop_path",
    "flatten", "reshape", "slice_channels", "channel_shuffle", "pixel_shuffle", "pixel_unshuffle", "upsample", "crop",
    "center_crop", "scale", "gain", "channel_scale", "zero", "local_response_norm",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Simple:
    """A node of a simplified graph. `inputs` are places in it; their order matters where `ordered`.

    weightless: it learns nothing and is not random, so that applying it again gives the same.
    """

    token: str
    inputs: tuple[int, ...]
    ordered: bool
    weightless: bool


@dataclass(frozen=True, slots=True)
class Simplified:
    """Nodes after their inputs, and the outputs with their names; ZERO where an output is."""

    nodes: tuple[Simple, ...]
    outputs: tuple[tuple[str, int], ...]


def simplify(graph: Graph) -> Simplified:
    """The graph with identities, zeros and dead ops removed, equal weightless ops merged and sums flattened."""
    nodes: list[Simple] = []
    known: dict[Any, int] = {}  # weightless nodes by what they are
    place: list[int] = []  # of each node of the graph
    for node in graph.nodes:
        inputs = [place[i] for i in node.inputs]
        shapes = tuple([graph.nodes[i].shape for i in node.inputs])
        if _is_zero(node.op, inputs):
            place.append(ZERO)
            continue
        if node.op.name == "add":
            inputs = [i for term in inputs if term != ZERO for i in _terms(nodes, term)]
        if len(inputs) == 1 and is_identity(node.op, shapes[0], node.shape):
            place.append(inputs[0])
            continue
        ordered = node.op.name not in ("add", "mul")
        if not ordered:
            inputs.sort()
        # zeros among the parts of a concat have a width
        widths = f" {shapes}" if ZERO in inputs else ""
        token = f"{_token(node.op)}{list(node.shape) if node.op.kind == 'input' else ''}{widths}"
        simple = Simple(token, tuple(inputs), ordered, _weightless(node.op))
        if simple.weightless:
            found = known.setdefault(simple, len(nodes))
            if found < len(nodes):
                place.append(found)
                continue
        place.append(len(nodes))
        nodes.append(simple)
    outputs = [(o.name, place[o.node], o.train_only) for o in graph.outputs]
    return _live(nodes, [(f"{name}{'*' if train else ''}", at) for name, at, train in outputs])


def canonical_hash(graph: Graph) -> str:
    """32 hexadecimal digits, equal for graphs that simplify to the same up to the order of their nodes."""
    simplified = simplify(graph)
    hashes: list[bytes] = []
    for node in simplified.nodes:
        inputs = [hashes[i] if i != ZERO else b"0" for i in node.inputs]
        if not node.ordered:
            inputs.sort()
        hashes.append(blake2b(node.token.encode() + b"\0" + b"\0".join(inputs), digest_size=16).digest())
    outputs = [name.encode() + (hashes[at] if at != ZERO else b"0") for name, at in simplified.outputs]
    return blake2b(b"\0".join([*outputs, b"|", *sorted(hashes)]), digest_size=16).hexdigest()


def _terms(nodes: list[Simple], at: int) -> tuple[int, ...]:
    return nodes[at].inputs if nodes[at].token == "add{}" else (at,)


def _is_zero(op: Op, inputs: list[int]) -> bool:
    if op.name == "zero":
        return True
    if not inputs or any(i != ZERO for i in inputs):
        return op.name == "mul" and ZERO in inputs
    if op.name in ("conv", "ws_conv", "linear"):
        return not op.arguments()["bias"]
    if op.name == "batch_norm":
        return not op.arguments()["affine"]
    return op.name in _KEEPS_ZERO or op.name in ("add", "concat", "mul")


@lru_cache(maxsize=50_000)
def _token(op: Op) -> str:
    return f"{op.name}{op.arguments() or '{}'}"


@lru_cache(maxsize=50_000)
def _weightless(op: Op) -> bool:
    return not op.roles() and op.name not in RANDOM


def _live(nodes: list[Simple], outputs: list[tuple[str, int]]) -> Simplified:
    live = {at for _, at in outputs}
    for at in range(len(nodes) - 1, -1, -1):
        if at in live:
            live.update(nodes[at].inputs)
    live.discard(ZERO)
    ids = {ZERO: ZERO, **{at: new for new, at in enumerate(sorted(live))}}
    kept = tuple(
        Simple(n.token, tuple([ids[i] for i in n.inputs]), n.ordered, n.weightless)
        for n in (nodes[at] for at in sorted(live))
    )
    return Simplified(kept, tuple((name, ids[at]) for name, at in outputs))
