"""`archc latency-table`."""

from __future__ import annotations

from pathlib import Path

import click

from archc.cli.console import print_json
from archc.cli.extras import needs_torch
from archc.cli.files import OutputPath, write_file
from archc.cli.options import format_option
from archc.cli.sample_command import request_options, space_argument

EPILOG = """\b
Examples:
  archc latency-table nasnet_small -o here.json
  archc latency-table nb201 --n 100 --batch 32 --device cuda --dtype bfloat16 -o gpu.json

\b
Times every op of networks drawn from the space, on this machine, and predicts others from the sums.
`archc search … --latency here.json` then knows each network's `latency`, in seconds, before it is
trained: for --objective and --require. Close other programs while it measures."""


@click.command("latency-table", epilog=EPILOG)
@space_argument
@click.option(
    "--n", "number", type=click.IntRange(min=1), default=50, show_default=True, help="Networks to time."
)
@click.option(
    "--check",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Further networks, to test predictions on.",
)
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32", show_default=True
)
@click.option("--device", default="cpu", show_default=True, metavar="NAME", help="cpu or cuda.")
@click.option("--runs", type=click.IntRange(min=1), default=10, show_default=True, help="Of each network.")
@request_options
@click.option("-o", "output", type=OutputPath(), required=True, help="The table, as JSON.")
@format_option
def command(
    space: str,
    number: int,
    check: int,
    batch: int,
    dtype: str,
    device: str,
    runs: int,
    seed: int,
    requires: tuple[str, ...],
    params: tuple[tuple[str, object], ...],
    input_: tuple[int, ...] | None,
    output: Path,
    format_: str,
) -> None:
    """Measure how long the ops of a design space take here."""
    from dataclasses import asdict

    from archc.spaces.sample import sample
    from archc.spaces.space import Request, Space

    with needs_torch("archc latency-table"):
        from archc.measure.latency_table import measure_table

        request = Request(space, seed, requires, params, input_)
        at = Space(request)
        drawn = [at.graph(d.index) for d in sample(request, number + check).draws]
        with click.progressbar(length=len(drawn), label="timing", hidden=format_ == "json") as bar:
            found = measure_table(
                drawn[:number], drawn[number:], device=device, batch=batch, dtype=dtype, runs=runs,
                watch=lambda graph: bar.update(1),
            )  # fmt: skip
    write_file(output, found.text())
    if format_ == "json":
        print_json({k: v for k, v in asdict(found).items() if k != "ops"} | {"ops": len(found.ops)})
        return
    used, checked = found.networks
    click.echo(f"{len(found.ops)} ops of {used} networks on {found.device}, batch {batch}, {dtype}")
    if checked:
        click.echo(f"predictions of {checked} others are off by {found.error:.1%} (median)")
    click.echo(f"wrote {output}")
