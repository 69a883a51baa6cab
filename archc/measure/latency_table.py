"""A latency table: how long each op of a design space takes on this machine, and networks predicted from it.

An op is timed within networks of the space, where its input is as warm or cold as in real use. A network's latency is
the sum of its ops', times a factor fitted on whole networks, as ops are waited for one by one when they are timed.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from archc.ir import Graph, Node
from archc.measure.latency import measure_latency
from archc.spaces.literal import literal


class LatencyError(Exception):
    """A table cannot be read, or lacks an op; the message says what to do."""


@dataclass(frozen=True)
class LatencyTable:
    """ops: seconds by op, arguments and input shapes. factor: of the sum. error: median deviation of predictions of
    networks whose ops were not used for the table, as a share; networks: how many were used, and how many of those."""

    device: str
    batch: int
    dtype: str
    threads: int
    factor: float
    error: float
    networks: tuple[int, int]
    ops: dict[str, float]

    def predict(self, graph: Graph) -> float:
        """Seconds of one forward pass. Raises LatencyError where an op was not measured."""
        return self.factor * _sum(self.ops, graph)

    def text(self) -> str:
        """The table as JSON."""
        return json.dumps(asdict(self), indent=1)

    @staticmethod
    def read(path: Path) -> LatencyTable:
        """A table from a file. Raises LatencyError."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return LatencyTable(**{**found, "networks": tuple(found["networks"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise LatencyError(f"{path} is no table of `archc latency-table`: {error}") from None


def measure_table(
    graphs: Iterable[Graph],
    checked: Iterable[Graph],
    *,
    device: str = "cpu",
    batch: int = 1,
    dtype: str = "float32",
    runs: int = 10,
    watch: Callable[[Graph], None] = lambda graph: None,
) -> LatencyTable:
    """Times the ops of some networks, and checks the predictions on others; those with an op that the first lack
    are left out of the check. watch: called with each network that was timed."""
    found: dict[str, list[float]] = {}
    pairs: list[tuple[float, float]] = []  # of the whole and of its parts
    used = 0
    for graph in graphs:
        latency = measure_latency(graph, batch, dtype, device=device, runs=runs)
        for node in graph.nodes:
            if node.id in latency.nodes:
                found.setdefault(key(graph, node), []).append(latency.nodes[node.id])
        pairs.append((latency.seconds, sum(latency.nodes.values())))
        used += 1
        watch(graph)
    ops = {name: statistics.median(seconds) for name, seconds in sorted(found.items())}
    factor = statistics.median(whole / parts for whole, parts in pairs)
    errors = []
    for graph in checked:
        try:
            predicted = factor * _sum(ops, graph)
        except LatencyError:
            continue
        seconds = measure_latency(graph, batch, dtype, device=device, runs=runs).seconds
        errors.append(abs(predicted - seconds) / seconds)
        watch(graph)
    name = torch.cuda.get_device_name() if device == "cuda" else device
    error = statistics.median(errors) if errors else 0.0
    return LatencyTable(name, batch, dtype, torch.get_num_threads(), factor, error, (used, len(errors)), ops)


def key(graph: Graph, node: Node) -> str:
    """An op with its arguments and the shapes it is given."""
    arguments = ", ".join(f"{k}={literal(v)}" for k, v in node.op.arguments().items())
    shapes = ", ".join("x".join(map(str, graph.nodes[i].shape)) for i in node.inputs)
    return f"{node.op.name}({arguments}) of {shapes}"


def _sum(ops: dict[str, float], graph: Graph) -> float:
    total = 0.0
    for node in graph.nodes:
        if node.op.kind == "input" or node.train_only:
            continue
        name = key(graph, node)
        if name not in ops:
            raise LatencyError(
                f"the latency table has no {name}: measure more networks, `archc latency-table … --n 200`"
            )
        total += ops[name]
    return total
