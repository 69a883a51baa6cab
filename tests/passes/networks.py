"""Random graphs that hold what passes look for, and what must stop them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from random import Random

from archc.ir.graph import Graph, Output
from archc.ir.verify import verify_graph
from tests.graphs import GraphBuilder

NORMS = ("batch_norm", "batch_norm", "layer_norm", "instance_norm")
ACTIVATIONS = ("relu", "gelu", "silu", "hard_swish", "leaky_relu", "sigmoid", "tanh")


class Drawn:
    """A random network in the making; `random_graph` runs it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.b = GraphBuilder("drawn")

    def conv(self, x: int, width: int = 0, *, stride: int = 1, kernel: int = 0) -> int:
        r, have = self.random, self.b.nodes[x].shape[0]
        width = width or r.choice((4, 8))
        groups = r.choice((1, 1, 2, 4)) if have % 4 == width % 4 == 0 else 1
        bias = r.random() < 0.5
        kernel = kernel or r.choice((1, 1, 3))
        padding = r.choice(("half", "half", "same"))
        if r.random() < 0.3:
            style, gamma = r.choice(("timm", "deepmind")), r.choice((1.0, 1.7))
            return self.b.add(
                "ws_conv", x, channels=width, kernel=kernel, stride=stride, groups=groups, bias=bias, style=style,
                gamma=gamma, padding=padding,
            )  # fmt: skip
        return self.b.add(
            "conv", x, channels=width, kernel=kernel, stride=stride, groups=groups, bias=bias, padding=padding
        )

    def unit(self, x: int) -> int:
        r = self.random
        x = self.conv(x, self.b.nodes[x].shape[0])
        if r.random() < 0.7:
            x = self.b.add(r.choice(NORMS), x)
        return self.act(x)

    def act(self, x: int) -> int:
        name = self.random.choice(ACTIVATIONS)
        if name in ("relu", "gelu", "silu", "leaky_relu") and self.random.random() < 0.5:
            return self.b.add(name, x, gamma=True)
        return self.b.add(name, x)

    def multiplier(self, x: int) -> int:
        op = self.random.choice(("scale", "gain", "channel_scale"))
        return self.b.add(
            op, x, **({"factor": self.random.choice((0.2, 1, 2, -1.5))} if op == "scale" else {})
        )

    def norm(self, x: int) -> int:
        return self.b.add("batch_norm", x)

    def quiet(self, x: int) -> int:
        op = self.random.choice(("dropout", "drop_path", "add"))
        if op in ("dropout", "drop_path"):
            return self.b.add(op, x, rate=0.3)
        return self.b.add("add", x)

    def residual(self, x: int) -> int:
        with self._block("residual"):
            y = self.part(x, 3)
            return self.b.add("add", *((x, y) if self.random.random() < 0.5 else (y, x)))

    def gate(self, x: int) -> int:
        with self._block("gate"):
            keep = self.random.random() < 0.7
            g = self.b.add("global_avg_pool", x, keepdim=keep)
            if keep:
                g = self.b.add("conv", g, channels=self.b.nodes[x].shape[0], bias=True)
            else:
                g = self.b.add("linear", g, features=self.b.nodes[x].shape[0])
            return self.b.add("mul", x, self.b.add("sigmoid", g))

    def branches(self, x: int) -> int:
        """RepVGG's, more or less."""
        width = self.b.nodes[x].shape[0]
        terms = []
        for kernel in self.random.sample((1, 1, 3, 3), self.random.choice((2, 3))):
            y = self.conv(x, width, kernel=kernel)
            terms.append(self.norm(y) if self.random.random() < 0.7 else y)
        if self.random.random() < 0.5:
            terms.append(self.norm(x) if self.random.random() < 0.5 else x)
        return self.b.add("add", *terms)

    def parallel(self, x: int) -> int:
        terms = []
        for _ in range(self.random.choice((2, 3))):
            with self._block("unit"):
                y = self.b.add("conv", x, channels=self.b.nodes[x].shape[0])
                terms.append(self.b.add("relu", y) if self.random.random() < 0.8 else y)
        return self.b.add("add", *terms)

    def twice(self, x: int) -> int:
        """The same thing two times."""
        a, b = (self.b.add("avg_pool", x, kernel=3, stride=1, padding=1) for _ in range(2))
        return self.b.add("add", self.conv(a, 8), self.conv(b, 8))

    def shrink(self, x: int) -> int:
        if self.b.nodes[x].shape[1] < 4:
            return x
        if self.random.random() < 0.5:
            return self.conv(x, stride=2, kernel=3)
        return self.b.add("avg_pool", x, kernel=2)

    def part(self, x: int, length: int) -> int:
        kinds: tuple[Callable[[int], int], ...] = (
            self.unit, self.unit, self.norm, self.multiplier, self.multiplier, self.quiet, self.gate, self.branches,
            self.parallel,
        )  # fmt: skip
        for _ in range(self.random.randint(1, length)):
            x = self.random.choice(kinds)(x)
        return x

    def _block(self, name: str) -> AbstractContextManager[None]:
        return self.b.scope(f"{name}{len(self.b.scopes)}", "block", name)


def random_graph(seed: int) -> Graph:
    """A network of two stages and a head, with an output of training only every third time."""
    random = Random(seed)
    d = Drawn(random)
    x = d.b.add("input", size=(4, 8, 8), name="x")
    outputs: list[Output | int] = []
    for stage in (1, 2):
        with d.b.scope(f"s{stage}"):
            x = d.part(x, 3)
            for kind in random.sample((d.residual, d.branches, d.twice, d.shrink, d.parallel), 2):
                x = kind(x)
            x = d.part(x, 2)
        if stage == 1 and seed % 3 == 0:
            y = d.b.add("global_avg_pool", x, train_only=True)
            outputs = [Output("aux", d.b.add("linear", y, features=3, train_only=True), train_only=True)]
    with d.b.scope("head"):
        x = d.b.chain(d.act(x), "global_avg_pool", ("dropout", {"rate": 0.2}), ("linear", {"features": 5}))
    graph = d.b.graph(x, *outputs)
    verify_graph(graph)
    return graph
