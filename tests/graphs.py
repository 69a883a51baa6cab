"""Small graphs made by hand, for tests of what comes after the elaborator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from archc.diagnostics import Source, Span
from archc.ir.graph import Graph, Node, Output, Scope, ScopeKind
from archc.ops.registry import registry

SOURCE = Source("toy.arch", 'arch toy() {\n  input 3 x 32 x 32\n  head conv("é")\n}\n')


class GraphBuilder:
    """Adds nodes and scopes in order; `graph` gives the result, unverified."""

    def __init__(self, name: str = "toy", doc: str = "") -> None:
        self.name, self.doc = name, doc
        self.nodes: list[Node] = []
        self.scopes = [Scope(-1, name, "arch")]
        self.at = 0

    @contextmanager
    def scope(
        self, name: str, kind: ScopeKind = "section", block: str = "", **arguments: Any
    ) -> Iterator[None]:
        above, self.at = self.at, len(self.scopes)
        span = Span(SOURCE, 0, 4)
        self.scopes.append(Scope(above, name, kind, block, tuple(arguments.items()), span))
        yield
        self.at = above

    def add(self, op: str, *inputs: int, name: str = "", train_only: bool = False, **arguments: Any) -> int:
        made = registry()[op].make(**arguments)
        shapes = tuple(self.nodes[i].shape for i in inputs)
        shape = made.shape(*shapes)
        taken = sum(n.scope == self.at and n.op.name == op for n in self.nodes)
        node = Node(
            len(self.nodes), made, inputs, shape, made.cost(shapes, shape), name or f"{op}{taken + 1}", self.at,
            Span(SOURCE, 5, 8), train_only,
        )  # fmt: skip
        self.nodes.append(node)
        return node.id

    def chain(self, x: int, *ops: str | tuple[str, dict[str, Any]]) -> int:
        for op in ops:
            name, arguments = (op, {}) if isinstance(op, str) else op
            x = self.add(name, x, **arguments)
        return x

    def graph(self, *outputs: Output | int) -> Graph:
        named = tuple(o if isinstance(o, Output) else Output("output", o) for o in outputs)
        return Graph(
            self.name,
            tuple(self.nodes),
            named,
            tuple(self.scopes),
            self.doc,
            SOURCE.name,
            (("classes", 10),),
            (("year", 2021),),
        )


def conv(channels: int, kernel: int = 1, **more: Any) -> tuple[str, dict[str, Any]]:
    return "conv", {"channels": channels, "kernel": kernel, **more}


def residual(b: GraphBuilder, x: int, width: int, stride: int = 1) -> int:
    """A residual block with squeeze-excite in the current scope."""
    skip = (
        x if stride == 1 and b.nodes[x].shape[0] == width else b.add("conv", x, channels=width, stride=stride)
    )
    y = b.chain(x, conv(width // 4), "batch_norm", "relu", conv(width // 4, 3, stride=stride), "batch_norm")
    with b.scope("squeeze_excite", "block", "squeeze_excite", ratio=0.5):
        gate = b.chain(
            y, ("global_avg_pool", {"keepdim": True}), conv(width // 8), "relu", conv(width // 4), "sigmoid"
        )
        y = b.add("mul", y, gate)
    y = b.chain(y, "relu", conv(width), "batch_norm", ("scale", {"factor": 1 / width}))
    return b.add("relu", b.add("add", skip, y))


def resnet() -> Graph:
    """Stem, two stages of residual blocks, a head; and an auxiliary output."""
    b = GraphBuilder("toy_resnet", "A toy <b>residual</b> network & more.\nSecond line.")
    x = b.add("input", size=(3, 32, 32), name="x")
    with b.scope("stem"):
        x = b.chain(x, conv(16, 3), "batch_norm", "relu")
    for stage, (width, depth) in enumerate(((32, 2), (64, 4)), 1):
        with b.scope(f"s{stage}"):
            for i in range(depth):
                stride = 2 if i == 0 else 1
                with b.scope(str(i), "repeat", "residual", width=width, stride=stride):
                    x = residual(b, x, width, stride)
        if stage == 1:
            middle = x
    with b.scope("head"):
        x = b.chain(x, "global_avg_pool", ("linear", {"features": 10}))
    with b.scope("aux", "block", "aux_head"):
        aux = b.add("global_avg_pool", middle, train_only=True)
        aux = b.add("linear", aux, features=10, train_only=True)
    return b.graph(x, Output("aux", aux, train_only=True))


def unet() -> Graph:
    """Two levels down, a bridge, two levels up with crops; pools outside of sections."""
    b = GraphBuilder("toy_unet")

    def double(x: int, width: int) -> int:
        return b.chain(x, conv(width, 3), "relu", conv(width, 3), "relu")

    x, skips = b.add("input", size=(1, 64, 64), name="img"), []
    for level in range(2):
        with b.scope(f"s{level + 1}", "section", "double_conv", width=8 * 2**level):
            x = double(x, 8 * 2**level)
        skips.append(x)
        x = b.add("max_pool", x, kernel=2)
    with b.scope("bridge", "section", "double_conv", width=32):
        x = double(x, 32)
    for i, level in enumerate((1, 0)):
        with b.scope(f"s{i + 3}"):
            up = b.add("conv_transpose", x, channels=8 * 2**level, kernel=2, stride=2)
            _, height, width = b.nodes[up].shape
            crop = b.add("center_crop", skips[level], height=height, width=width)
            x = b.add("concat", crop, up)
            with b.scope("double_conv", "block", "double_conv", width=8 * 2**level):
                x = double(x, 8 * 2**level)
    with b.scope("head"):
        x = b.add("conv", x, channels=2)
    return b.graph(x)
