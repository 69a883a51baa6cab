"""Random graphs of any ops with any arguments, every tensor read by whatever comes after it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from archc.ir.graph import Graph, Output, ScopeKind
from archc.ir.verify import verify_graph
from archc.ops.base import OpError, elements
from archc.passes.draft import Draft
from tests.graphs import GraphBuilder

LARGEST = 4096
"""Elements of the largest tensor."""

Arguments = dict[str, Any]


def _window(r: Random) -> Arguments:
    return {
        "kernel": r.choice((1, 1, 2, 3, 5, (1, 3), (3, 1), (2, 4))),
        "stride": r.choice((1, 1, 1, 2, 3, (1, 2))),
        "padding": r.choice(("half", "half", "half", "same", "same", "symmetric", "valid", 1, (0, 2))),
    }


def _conv(r: Random) -> Arguments:
    return {
        **_window(r),
        "channels": r.choice((1, 2, 4, 4, 4, 8)),
        "dilation": r.choice((1, 1, 1, 2, (1, 3))),
        "groups": r.choice((1, 1, 1, 2, 4)),
        "bias": r.random() < 0.5,
    }


def _ws_conv(r: Random) -> Arguments:
    style, gamma = r.choice(("timm", "deepmind")), r.choice((1.0, 1.7, -0.6))
    return {**_conv(r), "style": style, "gamma": gamma}


def _conv_transpose(r: Random) -> Arguments:
    stride = r.choice((1, 2, 3))
    return {
        "channels": r.choice((2, 4, 4, 8)),
        "kernel": r.choice((1, 2, 3)),
        "stride": stride,
        "padding": r.choice((0, 0, 1)),
        "output_padding": r.randrange(stride),
        "groups": r.choice((1, 1, 2, 4)),
        "bias": r.random() < 0.5,
    }


def _max_pool(r: Random) -> Arguments:
    stride = r.choice((None, 1, 1, 2))
    return {**_window(r), "stride": stride, "ceil_mode": r.random() < 0.2}


def _avg_pool(r: Random) -> Arguments:
    return {**_max_pool(r), "count_include_pad": r.random() < 0.5}


def _adaptive(r: Random) -> Arguments:
    return {"size": r.choice((1, 2, (3, 2), 8))}


def _upsample(r: Random) -> Arguments:
    if r.random() < 0.5:
        return {"factor": r.choice((1, 2)), "mode": r.choice(("nearest", "bilinear"))}
    return {"size": r.choice((1, 4, (5, 3), 8)), "mode": "bilinear", "align_corners": r.random() < 0.5}


def _pad(r: Random) -> Arguments:
    mode = r.choice(("constant", "constant", "reflect", "replicate"))
    value = r.choice((0.0, 0.5)) if mode == "constant" else 0.0
    return {"top": r.choice((0, 1)), "right": r.choice((0, 0, 2)), "mode": mode, "value": value}


def _slice(r: Random) -> Arguments:
    start = r.choice((0, 0, 1, 2, 4))
    return {"start": start, "stop": start + r.choice((1, 2, 2, 4))}


def _crop(r: Random) -> Arguments:
    return {"height": r.choice((1, 2, 4, 8)), "width": r.choice((1, 2, 4, 8))}


def _gamma(r: Random) -> Arguments:
    return {"gamma": r.random() < 0.5}


def _rate(r: Random) -> Arguments:
    return {"rate": r.choice((0, 0.3))}


def _factor(r: Random) -> Arguments:
    return {"factor": r.choice((1, 0, 0.2, 3, -1.5))}


def _groups(r: Random) -> Arguments:
    return {"groups": r.choice((1, 2, 4))}


def _affine(r: Random) -> Arguments:
    return {"affine": r.random() < 0.7}


OPS: dict[str, Callable[[Random], Arguments]] = {
    "conv": _conv,
    "ws_conv": _ws_conv,
    "conv_transpose": _conv_transpose,
    "linear": lambda r: {"features": r.choice((1, 4, 4, 8)), "bias": r.random() < 0.5},
    "channel_linear": lambda r: {"features": r.choice((4, 4, 8)), "bias": r.random() < 0.5},
    "batch_norm": _affine,
    "layer_norm": lambda r: {},
    "group_norm": _groups,
    "instance_norm": _affine,
    "grn": lambda r: {},
    "local_response_norm": lambda r: {"size": r.choice((1, 2, 3))},
    "relu": _gamma,
    "relu6": lambda r: {},
    "leaky_relu": lambda r: {"slope": r.choice((0.01, 0.2, -1.0))},
    "silu": _gamma,
    "gelu": lambda r: {**_gamma(r), "approximate": r.choice(("none", "tanh"))},
    "sigmoid": _gamma,
    "tanh": _gamma,
    "elu": lambda r: {"alpha": r.choice((1.0, 0.5, -0.5))},
    "celu": lambda r: {"alpha": r.choice((1.0, 0.5, -0.5))},
    "selu": _gamma,
    "softplus": _gamma,
    "mish": lambda r: {},
    "hard_sigmoid": lambda r: {},
    "hard_swish": lambda r: {},
    "softmax": lambda r: {},
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "global_avg_pool": lambda r: {"keepdim": r.random() < 0.7},
    "global_max_pool": lambda r: {"keepdim": r.random() < 0.7},
    "adaptive_avg_pool": _adaptive,
    "adaptive_max_pool": _adaptive,
    "add": lambda r: {},
    "mul": lambda r: {},
    "concat": lambda r: {},
    "scale": _factor,
    "gain": lambda r: {"init": r.choice((0, 0.5))},
    "channel_scale": lambda r: {},
    "zero": lambda r: {},
    "dropout": _rate,
    "drop_path": _rate,
    "flatten": lambda r: {},
    "reshape": lambda r: {"size": r.choice(((4, 2, 2), (8, 4, 4), (4, 8, 8), (16,)))},
    "slice_channels": _slice,
    "channel_shuffle": _groups,
    "pixel_shuffle": lambda r: {"factor": r.choice((1, 2))},
    "pixel_unshuffle": lambda r: {"factor": r.choice((1, 2))},
    "upsample": _upsample,
    "pad": _pad,
    "crop": lambda r: {**_crop(r), "top": r.choice((0, 0, 1))},
    "center_crop": _crop,
}
"""How the arguments of every op are drawn."""

FAVOURITES = ("conv",) * 4 + ("batch_norm",) * 3 + ("add", "mul") * 4 + ("scale", "gain", "channel_scale") * 2


class _Drawing:
    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.b = GraphBuilder(f"anything{seed}")
        self.made = [
            self.b.add(
                "input", size=self.random.choice(((4, 8, 8), (4, 8, 8), (8, 5, 7), (4, 1, 1))), name=name
            )
            for name in ("x", "y")[: self.random.choice((1, 1, 2))]
        ]

    def inputs(self, op: str) -> tuple[int, ...]:
        """Tensors for an op: recent ones more often, for sums of one shape most of the time."""
        r, nodes = self.random, self.b.nodes
        recent = self.made[-r.choice((1, 2, 4, 30)) :]
        first = r.choice(recent)
        if op not in ("add", "mul", "concat"):
            return (first,)
        alike = [i for i in self.made if nodes[i].shape == nodes[first].shape]
        if op == "mul":
            small = [
                i
                for i in self.made
                if nodes[i].shape in (nodes[first].shape[:1], (nodes[first].shape[0], 1, 1))
            ]
            pair = (first, r.choice(small if small and r.random() < 0.7 else alike))
            return pair if r.random() < 0.7 else pair[::-1]
        return tuple(r.choices(alike, k=r.choice((1, 2, 2, 2, 3))))

    def one(self) -> None:
        r = self.random
        op = r.choice((r.choice(FAVOURITES), r.choice(tuple(OPS))))
        inputs, arguments = self.inputs(op), OPS[op](r)
        try:
            made = self.b.add(op, *inputs, **arguments)
        except OpError:
            return
        if elements(self.b.nodes[made].shape) > LARGEST:
            self.b.nodes.pop()
        else:
            self.made.append(made)

    def grow(self, depth: int) -> None:
        for number in range(self.random.randint(3, 6)):
            if depth < 3 and self.random.random() < 0.4:
                kind: ScopeKind = "section" if depth == 0 else "block"
                name = f"part{number}"
                with self.b.scope(name, kind, self.random.choice(("", "left", "right")) if depth else ""):
                    self.grow(depth + 1)
            else:
                for _ in range(self.random.randint(1, 4)):
                    self.one()


def any_graph(seed: int) -> Graph:
    """A random network with one to three outputs, the last of them of training only every third time."""
    d = _Drawing(seed)
    d.grow(0)
    r = d.random
    found = list(
        dict.fromkeys([d.made[-1], *r.sample(d.made, r.choice((0, 0, 1, 2)) if len(d.made) > 2 else 0)])
    )
    extra = [Output("aux", found.pop(), train_only=True)] if len(found) > 1 and r.random() < 0.5 else []
    named = [Output("out" if len(found) == 1 else f"out{i}", at) for i, at in enumerate(found)] + extra
    graph = Draft(d.b.graph(*named), "").finish().graph
    verify_graph(graph)
    return graph
