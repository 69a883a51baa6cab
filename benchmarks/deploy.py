"""The deployed network beside its torchvision or timm twin, in turn in one process: float32, one thread, CPU time, at
the twin's own size or 128×128; the median of rounds, for each of which both are made anew. Folded: the twin after
`torch.fx`'s fusion, in channels_last; where it cannot be traced, the faster of its two layouts. Bold: above 0.90 of
folded, and for NFNets' training step above 0.80.

    python -m benchmarks.run deploy [--quick]
"""

from __future__ import annotations

import copy
import statistics
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
import torch.fx.experimental.optimization as fx
import torch.nn.functional as F
from torch import Tensor, nn

import archc
from archc.backends import torch_module
from archc.ir import Graph
from archc.measure.deploy import settle
from archc.measure.race import Race, race
from archc.measure.weights import randomise
from benchmarks.twins import SIZE, graph_of, twins
from tests.parity.compare import make_peer
from tests.parity.twin import Twin

LIMIT = 40e9  # multiply-adds of a forward pass of a batch
TRAINED = ("nfnet_f0", "nf_resnet50", "nf_regnet_b1")
ROUNDS = 3
NFNET = (3, 192, 192)  # of the paper


@dataclass(frozen=True, slots=True)
class Row:
    """Races of a deployed network with its twin, as it is and folded, a pair a round; `how` the twin was folded."""

    name: str
    batch: int
    races: list[tuple[Race, Race]]
    how: str

    @property
    def eager(self) -> float:
        return statistics.median(eager.ratio or 0 for eager, _ in self.races)

    @property
    def folded(self) -> Race:
        """The race of median ratio."""
        return sorted((folded for _, folded in self.races), key=lambda r: r.ratio or 0)[len(self.races) // 2]


def main(quick: bool = False) -> None:
    torch.set_num_threads(1)
    seconds, least = (3.0, 3) if quick else (12.0, 5)
    print(
        "| network | batch | deployed ms | folded twin ms | deployed / folded | deployed / eager twin | folded by |"
    )
    print("|---|--:|--:|--:|--:|--:|---|")
    for row in rows(quick, seconds, least):
        ratio = f"{row.folded.ratio:.2f}"
        ratio = f"**{ratio}**" if (row.folded.ratio or 0) > 0.9 else ratio
        assert row.folded.second is not None
        print(
            f"| {row.name} | {row.batch} | {row.folded.first.median * 1e3:.1f} | {row.folded.second.median * 1e3:.1f}"
            f" | {ratio} | {row.eager:.2f} | {row.how} |"
        )
    print("\nA training step of a batch of 8, plain SGD; ours / the twin's.\n")
    print("| network | same layout | ours in channels_last with fused SGD |\n|---|--:|--:|")
    for name, same, best in training(quick, seconds / ROUNDS, 2 * least):
        shown = f"**{best.ratio:.2f}**" if (best.ratio or 0) > 0.8 else f"{best.ratio:.2f}"
        print(f"| {name} | {same.ratio:.2f} | {shown} |")


def rows(quick: bool, seconds: float, least: int) -> Iterator[Row]:
    """Every twin at batches of 1 and 16."""
    for twin in twins(quick):
        graph = graph_of(twin, NFNET if twin.spec == "nfnet_f0" else SIZE)
        batches = [batch for batch in (1, 16) if batch * graph.cost.macs <= LIMIT]
        found: dict[int, list[tuple[Race, Race]]] = {batch: [] for batch in batches}
        for _ in range(ROUNDS):
            ready = archc.deploy(graph, random_state(graph))
            peer, folded, how = folded_twin(twin, graph)
            for batch in batches:
                found[batch].append(
                    one_round(ready, peer, folded, graph, batch, how == "nothing", seconds / ROUNDS, least)
                )
        for batch in batches:
            yield Row(twin.spec, batch, found[batch], how)


def one_round(
    ready: nn.Module, peer: nn.Module, folded: nn.Module, graph: Graph, batch: int, contiguous: bool,
    seconds: float, least: int,
) -> tuple[Race, Race]:  # fmt: skip
    """Races of the deployed network with its twin and the folded twin; contiguous: the layout that one is given."""
    with torch.inference_mode():
        x = torch.randn(batch, *graph.inputs[0].shape)
        last = x.contiguous(memory_format=torch.channels_last)
        work = partial(ready, last)
        settle(ready, work)
        return (
            race(work, partial(peer, x), seconds=seconds / 2, least=least),
            race(work, partial(folded, x if contiguous else last), seconds=seconds, least=least),
        )


def random_state(graph: Graph) -> dict[str, Tensor]:
    """Weights and statistics that hide nothing."""
    module = torch_module.compile(graph)
    randomise(module)
    return module.state_dict()


def folded_twin(twin: Twin, graph: Graph) -> tuple[nn.Module, nn.Module, str]:
    """The twin, its best folded form and what that is: "fx + channels_last", "channels_last" or "nothing"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = make_peer(twin).eval().requires_grad_(False)
    x = torch.randn(1, *graph.inputs[0].shape)
    last = x.contiguous(memory_format=torch.channels_last)
    try:
        fused = in_channels_last(fx.fuse(copy.deepcopy(peer)))
        with torch.inference_mode():
            fused(last)
        return peer, fused, "fx + channels_last"
    except Exception:  # what fx cannot trace or fuse, and says so in many ways
        other = in_channels_last(copy.deepcopy(peer))
        with torch.inference_mode():
            found = race(lambda: other(last), lambda: peer(x), seconds=1.0)
        return (peer, other, "channels_last") if (found.ratio or 0) < 1 else (peer, peer, "nothing")


def in_channels_last(module: nn.Module) -> nn.Module:
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]  # torch's stub lacks it


def training(quick: bool, seconds: float, least: int) -> Iterator[tuple[str, Race, Race]]:
    """Networks without normalisation: ours and the twin's step in one layout, and ours as `archc train` runs it."""
    for twin in twins(quick):
        if twin.spec not in TRAINED:
            continue
        graph = graph_of(twin, (3, 96, 96) if quick else SIZE)
        theirs = step(make_peer(twin), graph, torch.contiguous_format, fused=False)
        same = step(torch_module.compile(graph), graph, torch.contiguous_format, fused=False)
        best = step(torch_module.compile(graph), graph, torch.channels_last, fused=True)
        yield (
            twin.spec,
            race(same, theirs, seconds=2 * seconds, least=least),
            race(best, theirs, seconds=2 * seconds, least=least),
        )


def step(
    module: nn.Module, graph: Graph, layout: torch.memory_format, *, fused: bool
) -> Callable[[], object]:
    """A training step: forward, cross entropy, backward, SGD with momentum."""
    module = module.train().to(memory_format=layout)  # type: ignore[call-overload]  # torch's stub lacks it
    optimiser = torch.optim.SGD(module.parameters(), lr=1e-6, momentum=0.9, fused=fused)
    x = torch.randn(8, *graph.inputs[0].shape).contiguous(memory_format=layout)
    target = torch.zeros(8, dtype=torch.long)

    def run() -> None:
        optimiser.zero_grad()
        F.cross_entropy(module(x), target).backward()  # type: ignore[no-untyped-call]  # torch's is untyped
        optimiser.step()

    return run
