"""`verify` finds nothing wrong with sound graphs, and names what is wrong with others."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from archc.backends import torch_module
from archc.ir import Graph
from archc.measure.verify import Counter, verify
from archc.ops.base import Cost
from tests.backends import graphs
from tests.backends.test_torch_source import Make, every_graph, op_samples, sample_graph


@every_graph
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_sound_graphs(make: Make, device: str) -> None:
    graph = make()
    report = verify(graph, device=device)
    assert report.ok, [str(m) for m in report.mismatches]
    assert report.params == graph.cost.params + graph.train_only_cost.params
    assert report.buffers == graph.cost.buffers + graph.train_only_cost.buffers
    assert report.macs == graph.cost.macs
    assert report.nodes == len(graph.nodes)
    assert report.modes == (("eval", "train") if graph.train_only_cost.params else ("eval",))


@pytest.mark.parametrize("name, index", op_samples())
def test_every_op(name: str, index: int) -> None:
    report = verify(sample_graph(name, index))
    assert report.ok, [str(m) for m in report.mismatches]


def changed(graph: Graph, path: str, **changes: object) -> Graph:
    nodes = tuple(dataclasses.replace(n, **changes) if graph.path(n) == path else n for n in graph.nodes)
    assert nodes != graph.nodes
    return dataclasses.replace(graph, nodes=nodes)


@pytest.mark.parametrize(
    "changes, what",
    [
        ({"shape": (9, 16, 16)}, "shape"),
        ({"cost": Cost(params=217, macs=55_296)}, "params"),
        ({"cost": Cost(params=216, macs=55_297)}, "macs"),
        ({"cost": Cost(params=216, macs=55_296, buffers=1)}, "buffers"),
    ],
    ids=["shape", "params", "macs", "buffers"],
)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_wrong_figure_is_named(changes: dict[str, object], what: str, device: str) -> None:
    graph = changed(graphs.residual(), "stem.conv1", **changes)
    report = verify(graph, device=device)
    # a wrong shape also makes the layers that read it
    assert any((m.path, m.what) == ("stem.conv1", what) for m in report.mismatches)
    if what != "shape":
        assert len(report.mismatches) == 1


def test_a_network_that_does_not_run_is_a_mismatch() -> None:
    graph = changed(graphs.residual(), "s1.0.conv1", shape=(7, 8, 8))
    report = verify(graph)
    assert any(m.what == "run" and "RuntimeError" in str(m.found) for m in report.mismatches)


def test_large_networks_take_no_memory() -> None:
    b = graphs.Builder("large", (64, 512, 512))
    (x,) = b.inputs
    with b.scope("s1"):
        x = b.op("conv", x, channels=65_536, kernel=3)
    report = verify(b.graph(x))
    assert report.device == "meta"
    assert report.ok
    assert report.macs == 9 * 64 * 65_536 * 512 * 512


def test_a_module_of_ones_own_is_looked_at() -> None:
    graph = graphs.residual()
    module = torch_module.compile(graph).train()
    assert verify(graph, module).ok
    assert module.training
    module.extra = nn.Linear(2, 3)
    (extra,) = verify(graph, module).mismatches
    assert (extra.path, extra.what, extra.found) == ("extra", "state", 9)
    other = torch_module.compile(graphs.unet())
    assert not verify(graph, other).ok


def test_counter_counts_products_wherever_they_come_from() -> None:
    with Counter() as counter:
        torch.zeros(2, 3, 4) @ torch.zeros(2, 4, 5)
        nn.functional.linear(torch.zeros(7, 4), torch.zeros(5, 4), torch.zeros(5))
        nn.functional.conv2d(torch.zeros(1, 4, 6, 6), torch.zeros(8, 2, 3, 3), groups=2)
        nn.functional.conv_transpose2d(torch.zeros(1, 4, 3, 3), torch.zeros(4, 5, 2, 2), stride=2)
    assert counter.macs == 2 * 3 * 4 * 5 + 7 * 4 * 5 + 8 * 16 * 18 + 4 * 9 * 20
