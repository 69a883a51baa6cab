"""`archc roofline`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from archc.cli.console import print_json, print_table
from archc.cli.options import batch_options, format_option, measuring, takes_graph

if TYPE_CHECKING:
    from archc.analyses.roofline import OpTime
    from archc.ir.graph import Graph
    from archc.measure.latency import Latency

EPILOG = """\b
Examples:
  archc roofline resnet50 --device h200 --batch 64 --dtype bfloat16
  archc roofline resnet50 --device cpu --measure
  archc roofline mynet.arch --device mine.toml --ops 20

\b
A lower bound: the longer of arithmetic at the device's peak and of traffic at its bandwidth, op by op. A device file
is TOML: bandwidth = 4.8e12, overhead = 3e-6, and [peak] with float32 = 67e12 and the like."""


@click.command(epilog=EPILOG)
@takes_graph
@click.option(
    "--device",
    "device_",
    default="cpu",
    show_default=True,
    metavar="NAME|FILE",
    help="h200, h100, a100, cpu or a TOML file.",
)
@batch_options
@click.option("--ops", type=click.IntRange(0), default=10, show_default=True, help="Slowest ops to list.")
@click.option(
    "--measure", is_flag=True, help="Run the network on this machine too, and show how far off the bound is."
)
@format_option
def command(
    graph: Graph,
    device_: str,
    batch: int,
    dtype: str,
    ops: int,
    measure: bool,
    format_: str,
) -> None:
    """Arithmetic intensity and a lower bound on time, per op."""
    from archc.analyses.roofline import device, roofline

    on = device(device_)
    times = roofline(graph, on, batch, dtype)
    latency = _measured(graph, batch, dtype) if measure else None
    if format_ == "json":
        print_json(_to_dict(graph, on.name, batch, dtype, times, latency))
        return
    total, flops = sum(t.seconds for t in times), sum(t.flops for t in times)
    moved = sum(t.bytes for t in times)
    click.echo(f"{graph.name} on {on.name}, batch {batch}, {dtype}: at least {milliseconds(total)} ms")
    click.echo(
        f"{flops / 1e9:,.2f} GFLOP, {moved / 1e6:,.1f} MB, {flops / moved:.1f} FLOP a byte; "
        f"the device turns from memory to compute at {on.peak[dtype] / on.bandwidth:.1f}"
    )
    bound = {by: sum(t.seconds for t in times if t.by == by) for by in ("compute", "memory", "overhead")}
    click.echo(", ".join(f"{by} {value / total:.0%}" for by, value in bound.items()) + " of the time")
    slowest = sorted(times, key=lambda t: -t.seconds)[:ops]
    columns: Sequence[str] = ("op", "", "ms", "share", "FLOP/byte", "bound by")
    rows: list[tuple[str, ...]] = [
        (
            graph.path(t.node), t.node.op.label(), milliseconds(t.seconds), f"{t.seconds / total:.1%}",
            f"{t.intensity:.1f}", t.by,
        )
        for t in slowest
    ]  # fmt: skip
    if latency:
        columns = (*columns, "measured ms")
        rows = [
            (*r, milliseconds(latency.nodes.get(t.node.id, 0.0))) for r, t in zip(rows, slowest, strict=True)
        ]
    if rows:
        print_table(columns, rows, left=2)
    if latency:
        click.echo(
            f"measured on this machine: {milliseconds(latency.seconds)} ms, median of {latency.runs}; "
            f"the bound is {total / latency.seconds - 1:+.0%} off"
        )
        ratio, n = _typical_error(times, latency)
        click.echo(f"per op, the bound is typically {ratio:.2f}× off (geometric mean over {n} ops)")


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.3f}"


def _typical_error(times: tuple[OpTime, ...], latency: Latency) -> tuple[float, int]:
    """The geometric mean of how many times too short or too long the bounds are, and of how many ops."""
    logs = [
        abs(math.log(t.seconds / latency.nodes[t.node.id]))
        for t in times
        if latency.nodes.get(t.node.id, 0.0) > 0
    ]
    return (math.exp(sum(logs) / len(logs)), len(logs)) if logs else (1.0, 0)


def _measured(graph: Graph, batch: int, dtype: str) -> Latency:
    with measuring():
        from archc.measure.latency import measure_latency
    return measure_latency(graph, batch, dtype)


def _to_dict(
    graph: Graph, on: str, batch: int, dtype: str, times: tuple[OpTime, ...], latency: Latency | None
) -> dict[str, Any]:
    return {
        "name": graph.name, "device": on, "batch": batch, "dtype": dtype,
        "seconds": sum(t.seconds for t in times),
        "measured_seconds": latency.seconds if latency else None,
        "ops": [
            {
                "path": graph.path(t.node), "op": t.node.op.name, "flops": t.flops, "bytes": t.bytes,
                "seconds": t.seconds, "by": t.by,
                "measured_seconds": latency.nodes.get(t.node.id) if latency else None,
            }
            for t in times
        ],
    }  # fmt: skip
