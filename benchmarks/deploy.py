"""The deployed network beside its torchvision or timm twin: float32, one thread, CPU time, sizes and rounds as above but two
at least. Each round makes the deployed network once, which then chooses its calls, the folded twin twice and the twin as
it is once, anew, and runs the four in turn. Folded: the twin after `torch.fx`'s fusion, in channels_last (timm's
normalisations with an activation inside are taken apart before, as fusion knows plain ones only); where it cannot be
traced, the faster of its two layouts. The ratio is deployed to folded, and ± what three quarters of the rounds
find the folded twin to differ from itself by at most. Bold: above 0.90 of folded; NFNet-F0, at 192×192, against the twin
as it is above 0.60; for the training step of networks that standardise their kernels, above 0.80.

    python -m benchmarks.deploy [GLOB …] [--quick] [--seconds 540] [--again]
    python -m benchmarks.deploy --page

All networks with twins, the representative ones (--quick: only these) first, then row by row from the cheapest on:
--seconds 7000 does for all. A GLOB may also name rows: "nfnet_f0 train *". A row is kept in tests/data/deploy.json as it
is made, and not made again while the emitted source stays as it is, so a run that was cut short goes on.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import torch
import torch.fx.experimental.optimization as fx
import torch.nn.functional as F
from torch import nn

import archc
from archc.backends import torch_module
from archc.backends.torch_source import emit
from archc.ir import Graph
from archc.measure.bench import Mode, Setting
from archc.measure.race import Work, race
from archc.measure.weights import randomise
from archc.passes.pipeline import optimize
from benchmarks.deploy_page import body, line
from benchmarks.library import AS_IT_IS, DATA, Comparison, Found, Kind, maker
from benchmarks.record import Row
from benchmarks.rounds import rounds
from benchmarks.run import heading, put
from benchmarks.twins import graph_of
from tests.parity.compare import make_peer
from tests.parity.twin import Twin

OWN_SIZES: dict[tuple[str, Kind], tuple[int, int, int]] = {
    ("nfnet_f0", ("forward", 1)): (3, 192, 192)
}  # of the paper
LAST = Setting(layout="channels_last")


class Deployed(Comparison):
    """Forward pass, and the training step of networks that standardise their kernels."""

    record = DATA / "deploy.json"
    kinds: ClassVar = {("forward", 1): (4e9, 11e9), ("forward", 16): (6e9, 17e9), ("train", 8): (15e9, 12e9)}
    # four copies, one with packed kernels beside its own
    most_params: ClassVar = {"forward": 500e6, "train": 150e6}

    def kinds_of(self, twin: Twin) -> list[Kind]:
        return [kind for kind in self.kinds if kind[0] == "forward" or twin.spec.startswith("nf")]

    def graph(self, twin: Twin, kind: Kind) -> Graph | None:
        own = OWN_SIZES.get((twin.spec, kind))
        return graph_of(twin, own) if own else super().graph(twin, kind)

    def code(self, graph: Graph, mode: Mode) -> str:
        return emit(graph) if mode == "train" else emit(optimize(graph).graph, form="packed")

    def compare(self, twin: Twin, graph: Graph, kind: Kind) -> Found:
        race_all = partial(rounds, seconds=0.4, least=2, budget=6.0)
        if kind[0] == "train":
            return race_all(*training(twin, graph, kind[1])), {}
        peer, folded, how = folded_twin(twin, graph)
        first = maker(ready(graph), graph, kind, LAST)
        second = maker(folded, graph, kind, AS_IT_IS if folded is peer else LAST)
        return race_all(first, second, maker(peer, graph, kind), fewest=2), {"folded": how}

    def line(self, row: Row) -> str:
        return line(row)


def ready(graph: Graph) -> nn.Module:
    """The deployed network, with weights and statistics that hide nothing."""
    module = torch_module.compile(graph)
    randomise(module)
    return archc.deploy(graph, module.state_dict())


def folded_twin(twin: Twin, graph: Graph) -> tuple[nn.Module, nn.Module, str]:
    """The twin, its best folded form and what that is: "fx + channels_last", "channels_last" or "nothing"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = make_peer(twin).eval().requires_grad_(False)
    x = torch.randn(1, *graph.inputs[0].shape)
    last = x.contiguous(memory_format=torch.channels_last)
    try:
        folded = fused(peer)
        with torch.inference_mode():
            folded(last)
        return peer, folded, "fx + channels_last"
    except Exception:  # what fx cannot trace or fuse, and says so in many ways
        other = in_channels_last(copy.deepcopy(peer))
        with torch.inference_mode():
            found = race(lambda: other(last), lambda: peer(x), seconds=1.0)
        return (peer, other, "channels_last") if (found.ratio or 0) < 1 else (peer, peer, "nothing")


def fused(twin: nn.Module) -> nn.Module:
    """A copy with normalisations folded into the convolutions before them, in channels_last; raises what tracing does."""
    from timm.layers import BatchNormAct2d

    module = copy.deepcopy(twin)
    for parent in list(module.modules()):
        for key, norm in list(parent.named_children()):
            if isinstance(norm, BatchNormAct2d):
                plain = nn.BatchNorm2d(norm.num_features, norm.eps).eval()
                plain.load_state_dict(norm.state_dict())
                rest = [m for m in (norm.drop, norm.act) if not isinstance(m, nn.Identity)]
                setattr(parent, key, nn.Sequential(plain, *rest))
    return in_channels_last(fx.fuse(module))


def in_channels_last(module: nn.Module) -> nn.Module:
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # torch's stub lacks it


def training(twin: Twin, graph: Graph, batch: int) -> list[Callable[[], Work]]:
    """What makes a training step: of ours as `archc train` runs it, of the twin, and of ours in the twin's layout."""
    ours, theirs = torch_module.compile(graph), make_peer(twin)
    return [
        partial(step, ours, graph, batch, torch.channels_last, fused=True),
        partial(step, theirs, graph, batch, torch.contiguous_format, fused=False),
        partial(step, ours, graph, batch, torch.contiguous_format, fused=False),
    ]


def step(module: nn.Module, graph: Graph, batch: int, layout: torch.memory_format, *, fused: bool) -> Work:
    """A training step of a copy: forward, cross entropy, backward, SGD with momentum."""
    module = copy.deepcopy(module).train().to(memory_format=layout)  # type: ignore[call-overload]  # torch's stub lacks it
    optimiser = torch.optim.SGD(module.parameters(), lr=1e-6, momentum=0.9, fused=fused)
    x = torch.randn(batch, *graph.inputs[0].shape).contiguous(memory_format=layout)
    target = torch.zeros(batch, dtype=torch.long)

    def run() -> None:
        optimiser.zero_grad()
        F.cross_entropy(module(x), target).backward()  # type: ignore[no-untyped-call]  # torch's is untyped
        optimiser.step()

    return run


DEPLOYED = Deployed()


def main(quick: bool = False) -> None:
    """Make the rows that are missing, and print what the record holds."""
    print(body(DEPLOYED.run(quick).values(), DEPLOYED.expected()))


def page(text: str, rows: dict[str, Row]) -> str:
    """docs/performance.md with the section of the record put in."""
    return put(
        text, "deploy", f"{heading('deploy', __doc__)}\n\n{body(rows.values(), DEPLOYED.expected())}\n"
    )


if __name__ == "__main__":
    DEPLOYED.run_as_asked(__doc__, page)
