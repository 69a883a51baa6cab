"""Memory: what lives at once in inference, and what training keeps.

Inference: the peak of live tensors when nodes run in order, a tensor living until its last use, or until the
statement it stands in is done (the caller of a module holds its arguments). Training: what torch's backward
formulas save, each storage once, with parameters, gradients and optimiser state. What kernels allocate for
themselves is not in either.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from archc.ir.graph import Graph, Node
from archc.ops.base import Shape, elements
from archc.ops.geometry import resolve_padding

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
"""Bytes of an element, by dtype."""

STATES = {"none": 0, "sgd": 0, "momentum": 1, "adam": 2}
"""Elements of optimiser state per parameter, by optimiser."""

INDEX_BYTES = 8  # max pools remember where each maximum was

# What the backward formula of each op saves beside parameters: `in` all inputs, `x` the first, `out` the output,
# `pixels`/`channels`/`groups` two statistics for each of them, `index` an index per output element, `noise` the
# mask of dropout, `kernel` the standardised kernel; `product`, `power` and `window` are worked out on the way. From
# torch's derivatives.yaml (2.13).
SAVES: dict[str, tuple[str, ...]] = {
    "conv": ("x",), "ws_conv": ("x", "kernel"), "conv_transpose": ("x",), "linear": ("x",), "channel_linear": ("x",),
    "batch_norm": ("x", "channels"), "instance_norm": ("x", "channels"), "group_norm": ("x", "groups"),
    "layer_norm": ("x", "pixels"), "grn": ("x", "product"), "local_response_norm": ("x", "window", "product", "power"),
    "relu": ("out",), "sigmoid": ("out",), "tanh": ("out",), "softmax": ("out",), "selu": ("x",),
    "relu6": ("x",), "leaky_relu": ("x",), "silu": ("x",), "gelu": ("x",), "elu": ("x",), "celu": ("x",),
    "softplus": ("x",), "mish": ("x",), "hard_sigmoid": ("x",), "hard_swish": ("x",),
    "max_pool": ("x", "index"), "avg_pool": ("x",), "global_avg_pool": (), "global_max_pool": ("x", "out"),
    "adaptive_avg_pool": ("x",), "adaptive_max_pool": ("x", "index"), "pad": ("x",),
    "mul": ("in",), "gain": ("x",), "channel_scale": ("x",), "dropout": ("noise",),
}  # fmt: skip

VIEWS = frozenset({"flatten", "reshape", "slice_channels", "crop", "center_crop"})
"""Ops whose output is a view of their input."""

GAMMA_KEEPS = frozenset({"relu", "sigmoid", "tanh", "softmax"})
"""Activations that save their own output, which γ makes a tensor of its own."""


@dataclass(frozen=True, slots=True)
class Inference:
    """Peak bytes of live tensors and the path of the node that makes it; parameters and buffers beside it."""

    peak: int
    at: str
    params: int

    @property
    def total(self) -> int:
        return self.peak + self.params


@dataclass(frozen=True, slots=True)
class Training:
    """Bytes of one training step: activations saved for backward, parameters, gradients, optimiser state."""

    saved: int
    params: int
    grads: int
    state: int

    @property
    def total(self) -> int:
        return self.saved + self.params + self.grads + self.state


def inference_memory(graph: Graph, batch: int = 1, dtype: str = "float32") -> Inference:
    """Memory of a forward pass in eval mode. Raises KeyError for an unknown dtype."""
    size = BYTES[dtype]
    nodes = [n for n in graph.nodes if not n.train_only]
    alias = aliases(graph, train=False)
    last: dict[int, int] = {}
    lifetimes = _Lifetimes(graph, nodes)
    for node in nodes:
        for i in node.inputs:
            last[alias[i]] = max(last.get(alias[i], 0), node.id, lifetimes.until(i, node))
        last.setdefault(alias[node.id], node.id)
    for output in graph.outputs:
        if not output.train_only:
            last[alias[output.node]] = len(graph.nodes)
    for node in graph.inputs:
        last[node.id] = len(graph.nodes)  # whoever called the network holds it
    leaving: dict[int, list[int]] = {}
    for root, end in last.items():
        leaving.setdefault(end, []).append(root)
    live = peak = 0
    at = ""
    for node in nodes:
        own = elements(node.shape) * batch * size if alias[node.id] == node.id else 0
        extra = _transient(graph, node, batch, size, own)
        if live + own + extra > peak:
            peak, at = live + own + extra, graph.path(node)
        live += own
        live -= sum(elements(graph.nodes[r].shape) * batch * size for r in leaving.get(node.id, ()))
    return Inference(peak, at, (graph.cost.params + graph.cost.buffers) * size)


def training_memory(
    graph: Graph, batch: int = 1, dtype: str = "float32", optimiser: str = "momentum"
) -> Training:
    """Memory of a training step at the end of its forward pass, when it is largest.

    Gradients of parameters are counted in full. Raises KeyError for an unknown dtype or optimiser.
    """
    size = BYTES[dtype]
    params = graph.cost.params + graph.train_only_cost.params
    kept: dict[tuple[int, str], int] = {}
    alias = aliases(graph, train=True)
    needs = _needs_gradient(graph)
    for node in graph.nodes:
        if node.op.kind == "input" or not needs[node.id]:
            continue
        kept.update(_saved(graph, node, alias, batch, size, needs))  # a storage saved twice is one
    return Training(sum(kept.values()), params * size, params * size, params * size * STATES[optimiser])


def aliases(graph: Graph, *, train: bool) -> list[int]:
    """For each node, the node whose storage its output is: its own but for views and what does nothing."""
    found: list[int] = []
    for node in graph.nodes:
        view = (node.op.name in VIEWS and _is_view(graph, node)) or getattr(node.op, "picks", False)
        found.append(found[node.inputs[0]] if view or _is_identity(node, train) else node.id)
    return found


def _is_view(graph: Graph, node: Node) -> bool:
    return node.op.name not in ("flatten", "reshape") or graph.nodes[node.inputs[0]].op.name not in (
        "layer_norm",
    )


def _is_identity(node: Node, train: bool) -> bool:
    op: Any = node.op
    if op.name == "dropout":
        return not train or op.rate == 0
    if op.name == "drop_path":
        return not train or op.effective_rate == 0
    return op.name == "add" and len(node.inputs) == 1


def _needs_gradient(graph: Graph) -> list[bool]:
    """Whether each node depends on a parameter: without one, nothing is saved."""
    found: list[bool] = []
    for node in graph.nodes:
        found.append(node.cost.params > 0 or any(found[i] for i in node.inputs))
    return found


def _saved(
    graph: Graph, node: Node, alias: list[int], batch: int, size: int, needs: list[bool]
) -> Iterable[tuple[tuple[int, str], int]]:
    """(storage, bytes) of what one node's backward formula keeps; storages are (node id, part)."""
    op: Any = node.op
    out = elements(node.shape) * batch
    if _is_identity(node, train=True):
        return
    if op.name == "drop_path":
        yield (node.id, "noise"), batch * size
        return
    if getattr(op, "picks", False) or (op.name == "pad" and op.mode == "constant"):
        return
    for what in SAVES.get(op.name, ()):
        if what == "x" or what == "in":
            for source in node.inputs if what == "in" else node.inputs[:1]:
                if op.name == "mul":
                    # a factor is kept for the gradient of the other one
                    other = node.inputs[1] if source == node.inputs[0] else node.inputs[0]
                    if not needs[other]:
                        continue
                if getattr(op, "padding", None) is not None and _same_pads(graph, node):
                    yield (node.id, "padded"), _padded(graph, node) * batch * size
                else:
                    root = graph.nodes[alias[source]].shape  # a view keeps all of what it looks into
                    yield (alias[source], "out"), elements(root) * batch * size
        elif what == "out":
            own = getattr(op, "gamma", False) and op.name in GAMMA_KEEPS
            yield ((node.id, "plain") if own else (alias[node.id], "out")), out * size
        elif what == "index":
            yield (node.id, what), out * INDEX_BYTES
        elif what in ("noise", "product", "power"):
            yield (node.id, what), out * size
        elif what == "window":  # squares with channels of zeros around them
            yield (node.id, what), out // node.shape[0] * (node.shape[0] + op.size - 1) * size
        elif what == "kernel":
            # the standardised kernel; mean, scale and gain of each channel, and whether the floor acted
            yield (node.id, what), _kernel(node) * size + node.shape[0] * (3 * size + 1)
        else:
            yield (node.id, what), 2 * _statistics(node, what, batch) * max(size, 4)


def _statistics(node: Node, what: str, batch: int) -> int:
    op: Any = node.op
    if what == "channels":
        return node.shape[0] * (batch if op.name == "instance_norm" else 1)
    if what == "groups":
        return int(op.groups) * batch
    return elements(node.shape[1:]) * batch


def _kernel(node: Node) -> int:
    biases = node.shape[0] if getattr(node.op, "bias", False) else 0
    return node.cost.params - biases - node.shape[0]


def _same_pads(graph: Graph, node: Node) -> bool:
    op: Any = node.op
    dilation = getattr(op, "dilation", (1, 1))
    stride = getattr(op, "step", None) or op.stride
    return resolve_padding(op.padding, op.kernel, stride, dilation)[1] and _padded(graph, node) > 0


def _padded(graph: Graph, node: Node) -> int:
    """Elements of a TensorFlow-padded copy of the input, which F.pad makes even for nothing to add."""
    op: Any = node.op
    shape: Shape = graph.nodes[node.inputs[0]].shape
    dilation = getattr(op, "dilation", (1, 1))
    stride = getattr(op, "step", None) or op.stride
    sizes = [
        max(
            (-(-shape[1 + d] // stride[d]) - 1) * stride[d] + dilation[d] * (op.kernel[d] - 1) + 1,
            shape[1 + d],
        )
        for d in (0, 1)
    ]
    return int(shape[0] * sizes[0] * sizes[1])


def _transient(graph: Graph, node: Node, batch: int, size: int, own: int) -> int:
    """Bytes a node needs while it runs, beside its inputs and its output of `own` bytes."""
    op: Any = node.op
    extra = 0
    if op.kind in ("conv", "pool") and hasattr(op, "padding") and _same_pads(graph, node):
        extra += _padded(graph, node) * batch * size
    if op.name == "ws_conv":  # its kernel is centred and scaled, then convolved with
        kernel = _kernel(node) * size
        return extra + kernel + max(kernel - own, 0)
    if op.name in ("max_pool", "adaptive_max_pool") and not getattr(op, "picks", False):
        return extra + elements(node.shape) * batch * INDEX_BYTES
    if op.name == "local_response_norm":
        return extra + 2 * own
    if getattr(op, "gamma", False) is True or op.name == "grn":
        return extra + own  # the activation before it is multiplied
    return extra


# ---------------------------------------------------------------- how long a variable holds a tensor

FOLDED = 3  # calls the emitted source nests in one statement, operators apart; an activation ends one
INFIX = frozenset({"add", "mul", "scale"})


class _Lifetimes:
    """Until which node each use keeps a tensor: to the end of the statement, in the module common to both.

    The emitted source holds a value in a variable until the statement that reads it last is done; a submodule's
    result read more than once has a variable of its own, which lasts until its module returns.
    """

    def __init__(self, graph: Graph, nodes: list[Node]) -> None:
        self.graph = graph
        self.chains = [tuple(reversed(tuple(graph.ancestors(s)))) for s in range(len(graph.scopes))]
        self.ends: dict[tuple[int, int], int] = {}  # (scope, item) -> last node of its statement
        self.scope_end: dict[int, int] = {}
        items: dict[int, list[tuple[int, int, bool]]] = {}  # scope -> (item, last node, may nest further)
        for node in nodes:
            chain = self.chains[node.scope]
            for depth, scope in enumerate(chain):
                self.scope_end[scope] = node.id
                inner = chain[depth + 1] if depth + 1 < len(chain) else -1
                item = len(graph.nodes) + inner if inner >= 0 else node.id
                nests = node.op.kind != "activation" if inner < 0 else graph.scopes[inner].kind == "block"
                rows = items.setdefault(scope, [])
                if rows and rows[-1][0] == item:
                    rows.pop()
                rows.append((item, node.id, nests))
        self.items_reading: dict[tuple[int, int], int] = {}  # (value, scope) -> the first item to read it
        self.readers: dict[int, int] = {}
        for node in nodes:
            for i in set(node.inputs):
                self.readers[i] = self.readers.get(i, 0) + 1
        for scope, rows in items.items():
            self._statements(scope, rows)

    def _statements(self, scope: int, rows: list[tuple[int, int, bool]]) -> None:
        statement: list[int] = []
        depth = 0
        for at, (item, last, nests) in enumerate(rows):
            infix = item < len(self.graph.nodes) and self.graph.nodes[item].op.name in INFIX
            depth += not infix or not statement
            statement.append(item)
            follows = at + 1 < len(rows) and self._reads_only(rows[at + 1], last)
            if not nests or not follows or depth >= FOLDED:
                self.ends.update({(scope, i): last for i in statement})
                statement, depth = [], 0

    def _reads_only(self, following: tuple[int, int, bool], value: int) -> bool:
        item, _, _ = following
        if self.readers.get(value, 0) != 1:
            return False
        if item < len(self.graph.nodes):
            return value in self.graph.nodes[item].inputs
        scope = item - len(self.graph.nodes)
        reader = next((n for n in self.graph.nodes if value in n.inputs), None)
        return (
            reader is not None
            and scope in self.chains[reader.scope]
            and self.graph.scopes[scope].kind == "block"
        )

    def until(self, source: int, user: Node) -> int:
        """The last node during which `user`'s reading of `source` keeps it."""
        ours, theirs = self.chains[self.graph.nodes[source].scope], self.chains[user.scope]
        depth = 0
        while depth + 1 < min(len(ours), len(theirs)) and ours[depth + 1] == theirs[depth + 1]:
            depth += 1
        scope = theirs[depth]
        first, count = len(self.graph.nodes), depth + 1
        item = first + theirs[count] if count < len(theirs) else user.id
        known = self.items_reading.setdefault((source, scope), item)
        if known != item and len(ours) > count:
            return self.scope_end[scope]
        made = first + ours[count] if count < len(ours) else source
        end = self.ends.get((scope, item), user.id)
        if self.ends.get((scope, made)) == end:  # nested in the same statement: gone when its reader is done
            return self.scope_end[theirs[count]] if count < len(theirs) else user.id
        return end
