"""`archc profile`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from archc.cli.console import print_json, print_table
from archc.cli.extras import needs_torch
from archc.cli.options import format_option, takes_graph
from archc.cli.roofline_command import milliseconds

if TYPE_CHECKING:
    from archc.ir.graph import Graph
    from archc.measure.profile import Profile, Spent

EPILOG = """\b
Examples:
  archc profile resnet50 --batch 8
  archc profile nfnet_f0 --device cuda --batch 64 --dtype bfloat16 --ops 20
  archc profile mynet.arch --roofline mine.toml

\b
Bounds are the roofline's: an op takes the longer of its arithmetic at the device's peak and of its traffic at the
device's bandwidth; backward a convolution or linear layer counts twice. The device is the GPU where archc has
figures for it, else this machine as it is calibrated first. achieved: bound / measured."""


@click.command(epilog=EPILOG)
@takes_graph
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, help="Examples of a step.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    default="float32",
    show_default=True,
    help="What to compute in, by autocast.",
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Of the CPU.")
@click.option("--steps", type=click.IntRange(1), default=5, show_default=True, help="Steps to measure.")
@click.option("--ops", type=click.IntRange(0), default=0, show_default=True, help="Slowest ops to list too.")
@click.option(
    "--roofline", "device_file", metavar="NAME|FILE", help="Other bounds: a device, as for `archc roofline`."
)
@format_option
def command(
    graph: Graph,
    batch: int,
    dtype: str,
    device: str,
    threads: int,
    steps: int,
    ops: int,
    device_file: str | None,
    format_: str,
) -> None:
    """Time of a training step per section, forward and backward, beside its bound."""
    from archc.analyses.roofline import device as device_named

    on = device_named(device_file) if device_file else None
    with needs_torch("profile"):
        from archc.measure.bench import has_device
        from archc.measure.profile import profile

    if not has_device(device):
        raise click.ClickException("torch sees no CUDA device here: use --device cpu")
    found = profile(graph, batch, dtype, device=device, on=on, threads=threads, steps=steps)
    slowest = sorted(found.ops, key=lambda op: -op.seconds)[:ops]
    if format_ == "json":
        print_json(_to_dict(graph.name, batch, dtype, found))
        return
    flops = sum(s.flops for s in found.sections)
    click.echo(
        f"{graph.name}, batch {batch}, {dtype}, on {found.device.name}: a training step takes "
        f"{milliseconds(found.step)} ms, {batch / found.step:,.1f} images/s, "
        f"{flops / found.step / 1e9:,.1f} GFLOP/s; median of {found.steps}, without the optimizer"
    )
    whole = sum(s.seconds for s in found.sections)
    _print("section", "block", found.sections, whole, total=True)
    if slowest:
        click.echo()
        _print("op", "", slowest, whole, total=False)


def _print(first: str, second: str, parts: Sequence[Spent], whole: float, *, total: bool) -> None:
    rows: list[tuple[str, ...]] = [
        (
            p.name, p.what, milliseconds(p.forward), milliseconds(p.backward), f"{p.seconds / whole:.0%}",
            f"{p.flops / p.seconds / 1e9:,.1f}" if p.seconds else "", milliseconds(p.bound), f"{p.achieved:.0%}",
        )
        for p in parts
    ]  # fmt: skip
    if total:
        bound, flops = sum(p.bound for p in parts), sum(p.flops for p in parts)
        rows += [
            (),
            (
                "total", "", milliseconds(sum(p.forward for p in parts)), milliseconds(sum(p.backward for p in parts)),
                "100%", f"{flops / whole / 1e9:,.1f}", milliseconds(bound), f"{bound / whole:.0%}",
            ),
        ]  # fmt: skip
    print_table(
        (first, second, "forward ms", "backward ms", "share", "GFLOP/s", "bound ms", "achieved"), rows, left=2
    )


def _to_dict(name: str, batch: int, dtype: str, found: Profile) -> dict[str, Any]:
    return {
        "name": name, "device": found.device.name, "batch": batch, "dtype": dtype,
        "step_seconds": found.step, "steps": found.steps,
        **{key: [asdict(part) | {"achieved": part.achieved} for part in parts]
           for key, parts in (("sections", found.sections), ("ops", found.ops))},
    }  # fmt: skip
