"""Graphs made by hand, without the elaborator."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from archc.ir import Graph, Node, Output, Scope, ScopeKind
from archc.ops.registry import registry


class Builder:
    """Makes nodes in the scope that is open; tensors are node ids."""

    def __init__(self, name: str = "net", *inputs: tuple[int, ...], doc: str = "", source: str = "") -> None:
        self.name, self.doc, self.source = name, doc, source
        self.nodes: list[Node] = []
        self.scopes = [Scope(-1, "", "arch")]
        self.at = 0
        self.counts: dict[tuple[int, str], int] = {}
        self.train_only = False
        self.inputs = [self.op("input", size=size) for size in inputs]

    @contextmanager
    def scope(
        self, name: str, kind: ScopeKind = "section", block: str = "", **arguments: Any
    ) -> Iterator[None]:
        self.scopes.append(Scope(self.at, name, kind, block, tuple(arguments.items())))
        before, self.at = self.at, len(self.scopes) - 1
        yield
        self.at = before

    def op(self, op: str, *inputs: int, name: str = "", **arguments: Any) -> int:
        made = registry()[op].make(**arguments)
        shapes = tuple(self.nodes[i].shape for i in inputs)
        shape = made.shape(*shapes)
        number = self.counts[self.at, op] = self.counts.get((self.at, op), 0) + 1
        node = Node(
            len(self.nodes), made, inputs, shape, made.cost(shapes, shape), name or f"{op}{number}", self.at,
            train_only=self.train_only,
        )  # fmt: skip
        self.nodes.append(node)
        return node.id

    def conv_norm_act(self, x: int, channels: int, kernel: int = 3, stride: int = 1) -> int:
        x = self.op("conv", x, channels=channels, kernel=kernel, stride=stride)
        return self.op("relu", self.op("batch_norm", x))

    def channels(self, x: int) -> int:
        return self.nodes[x].shape[0]

    def graph(self, *outputs: int, train_only: dict[str, int] | None = None, **changes: Any) -> Graph:
        named = [Output("output" if i == 0 else f"output{i}", node) for i, node in enumerate(outputs)]
        named += [Output(name, node, True) for name, node in (train_only or {}).items()]
        made = Graph(
            self.name, tuple(self.nodes), tuple(named), tuple(self.scopes), self.doc, self.source
        )  # fmt: skip
        return dataclasses.replace(made, **changes)


def residual_block(b: Builder, x: int, width: int, stride: int) -> int:
    mid = width // 4
    y = b.conv_norm_act(x, mid, 1)
    y = b.conv_norm_act(y, mid, 3, stride)
    y = b.op("batch_norm", b.op("conv", y, channels=width, kernel=1), zero_init=True)
    if stride != 1 or b.channels(x) != width:
        with b.scope("shortcut", "block", "shortcut", width=width, stride=stride):
            x = b.op("batch_norm", b.op("conv", x, channels=width, kernel=1, stride=stride))
    return b.op("relu", b.op("add", x, y))


def residual() -> Graph:
    """Two stages of three residual blocks each, the first with a projection."""
    b = Builder("resnet_tiny", (3, 32, 32), doc="A residual network.", source="specs/tiny.arch")
    (x,) = b.inputs
    with b.scope("stem"):
        x = b.op("max_pool", b.conv_norm_act(x, 8, 3, 2), kernel=3, stride=2, padding=1)
    for name, width, stride in (("s1", 32, 1), ("s2", 64, 2)):
        with b.scope(name):
            for i in range(3):
                step = stride if i == 0 else 1
                with b.scope(str(i), "repeat", "bottleneck", width=width, stride=step):
                    x = residual_block(b, x, width, step)
    with b.scope("head"):
        x = b.op("linear", b.op("dropout", b.op("global_avg_pool", x), rate=0.1), features=10)
    return b.graph(x)


def unet() -> Graph:
    """Sections that read the outputs of earlier ones, two of them alike."""
    b = Builder("unet", (1, 32, 32))
    (x,) = b.inputs
    skips = []
    for level in range(2):
        with b.scope(f"s{level + 1}", "section", "double_conv", width=8 * 2**level):
            x = b.conv_norm_act(b.conv_norm_act(x, 8 * 2**level), 8 * 2**level)
        skips.append(x)
        x = b.op("max_pool", x, kernel=2)
    with b.scope("bridge", "section", "double_conv", width=32):
        x = b.conv_norm_act(b.conv_norm_act(x, 32), 32)
    for level in (1, 0):
        with b.scope(f"s{5 - level}"):
            up = b.op("conv_transpose", x, channels=8 * 2**level, kernel=2, stride=2)
            x = b.op("concat", skips[level], up)
            with b.scope("double_conv", "block", "double_conv", width=8 * 2**level):
                x = b.conv_norm_act(b.conv_norm_act(x, 8 * 2**level), 8 * 2**level)
    with b.scope("head"):
        x = b.op("conv", x, channels=2, kernel=1, bias=True)
    return b.graph(x)


def auxiliary() -> Graph:
    """A train-only head on a middle layer."""
    b = Builder("aux_net", (3, 16, 16))
    (x,) = b.inputs
    with b.scope("stem"):
        x = b.conv_norm_act(x, 8)
    middle = x
    b.train_only = True
    with b.scope("aux", "block", "aux_head", classes=10):
        aux = b.op("linear", b.op("global_avg_pool", b.conv_norm_act(middle, 4, 1)), features=10)
    b.train_only = False
    with b.scope("s1"):
        x = b.conv_norm_act(x, 16, 3, 2)
    with b.scope("head"):
        x = b.op("linear", b.op("global_avg_pool", x), features=10)
    return b.graph(x, train_only={"aux": aux})


def mixed_section() -> Graph:
    """A section that makes both the next tensor and a train-only one, two results and a plain second output."""
    b = Builder("mixed", (3, 8, 8), (4, 8, 8))
    x, y = b.inputs
    with b.scope("s1"):
        x = b.conv_norm_act(x, 4)
        b.train_only = True
        aux = b.op("linear", b.op("global_avg_pool", x, name="pooled"), features=3, name="extra")
        b.train_only = False
        left = b.op("conv", x, channels=4)
        right = b.op("conv", y, channels=4)
    with b.scope("s2"):
        with b.scope("0", "repeat", "merge"):
            z = b.op("conv", b.op("add", left, right), channels=4)
        with b.scope("1", "repeat", "merge"):
            z = b.op("conv", b.op("add", z, right), channels=4)
    return b.graph(z, b.op("mul", left, right), train_only={"aux": aux})


def mixed_reader() -> Graph:
    """A section that makes the next tensor, and a train-only one of a train-only tensor from before it."""
    b = Builder("reader", (3, 8, 8))
    (x,) = b.inputs
    with b.scope("stem"):
        x = b.conv_norm_act(x, 4)
    b.train_only = True
    extra = b.op("conv", x, channels=4, kernel=3)
    b.train_only = False
    with b.scope("s1"):
        x = b.op("conv", x, channels=6)
        b.train_only = True
        aux = b.op("linear", b.op("global_avg_pool", extra), features=3)
        b.train_only = False
    return b.graph(x, train_only={"aux": aux})


def shuffled() -> Graph:
    """Stateless scopes, literals read in forward, and the same shapes with other numbers."""
    b = Builder("shuffled", (8, 8, 8))
    (x,) = b.inputs
    for i in range(3):
        with b.scope(f"s{i + 1}", "section", "unit", scale=0.5 + i):
            half = b.op("slice_channels", x, start=0, stop=4)
            rest = b.op("slice_channels", x, start=4, stop=8)
            rest = b.op("conv", b.op("scale", rest, factor=0.5 + i), channels=4, kernel=1 + 2 * (i % 2))
            with b.scope("mix", "block", "mix"):
                x = b.op("channel_shuffle", b.op("concat", half, rest), groups=2)
    return b.graph(b.op("max_pool", x, kernel=2))


def scattered(seed: int) -> Graph:
    """A random graph: nested scopes at random, every op reading any tensors made before."""
    draw = random.Random(seed)
    b = Builder(f"random{seed}", (4, 6, 6))
    made = list(b.inputs)

    def grow(depth: int) -> None:
        for number in range(draw.randint(2, 4)):
            if depth < 3 and draw.random() < 0.4:
                kind: ScopeKind = "section" if depth == 0 else "block"
                with b.scope(f"part{number}", kind, draw.choice(["", "left", "right"]) if depth else ""):
                    grow(depth + 1)
                continue
            op = draw.choice(["conv", "batch_norm", "relu", "scale", "add", "mul", "channel_scale"])
            arguments = {
                "conv": {"channels": 4, "kernel": draw.choice([1, 3]), "bias": draw.random() < 0.5},
                "scale": {"factor": draw.choice([0.5, 2.0])},
            }.get(op, {})
            count = {"add": draw.randint(2, 3), "mul": 2}.get(op, 1)
            made.append(b.op(op, *(draw.choice(made[-6:]) for _ in range(count)), **arguments))

    grow(0)
    used = {i for node in b.nodes for i in node.inputs}
    return b.graph(*dict.fromkeys([made[-1], *(i for i in made if i not in used)]))


ALL = (residual, unet, auxiliary, mixed_section, mixed_reader, shuffled)
