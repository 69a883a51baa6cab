"""`archc signal`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archc.cli.console import print_diagnostics, print_json, print_table
from archc.cli.files import OutputPath
from archc.cli.options import format_option, graph_options, load_graph, measuring, spec_argument

if TYPE_CHECKING:
    from archc.analyses.signal import Point
    from archc.ir.graph import Graph
    from archc.measure.signal import Statistics

EPILOG = """\b
Examples:
  archc signal nfnet_f0
  archc signal nf_resnet50 --measure --input 3x128x128
  archc signal nfnet_f0 --measure --plot spp.svg

\b
Predicted is the reference state of the language: input of variance 1, gains 1. Measured is a freshly made network
in that state, on standard normal input."""


@click.command(epilog=EPILOG)
@spec_argument
@graph_options
@click.option("--measure", is_flag=True, help="Run the network too (needs torch).")
@click.option(
    "--batch", type=click.IntRange(2), default=8, show_default=True, help="Examples to measure with."
)
@click.option(
    "--pixels", type=click.Choice(["noise", "constant"]), default="noise", show_default=True,
    help="Measure on independent pixels, or on channels of one value, which pooling leaves alone.",
)  # fmt: skip
@click.option(
    "--plot", type=OutputPath(), metavar="FILE",
    help="Draw the signal propagation plot (.svg, .png, .pdf).",
)  # fmt: skip
@format_option
def command(
    spec: str,
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    sample: int | None,
    measure: bool,
    batch: int,
    pixels: str,
    plot: Path | None,
    format_: str,
) -> None:
    """Variance of the signal at the end of every block."""
    from archc.analyses.parameters import arch_definition
    from archc.analyses.reference_state import reference_variances
    from archc.analyses.signal import points, warnings

    graph = load_graph(spec, params, input_, sample)
    try:
        variances = reference_variances(arch_definition(spec), graph, dict(params))
    except ValueError as problem:
        raise click.ClickException(f"{problem}: open choices that were sampled cannot be followed") from None
    found = points(graph, variances)
    measured = _measured(graph, found, batch, pixels == "constant") if measure else None
    problems = warnings(graph, variances)
    if format_ == "json":
        print_json(_to_dict(graph, found, measured, [d.message for d in problems]))
    else:
        print_points(graph, found, measured)
    if plot is not None:
        from archc.analyses.signal_plot import draw

        draw(graph.name, found, _series(found, measured), plot)
        click.echo(f"wrote {plot}", err=format_ == "json")
    print_diagnostics(problems)


def print_points(graph: Graph, found: tuple[Point, ...], measured: dict[int, Statistics] | None) -> None:
    """A row per block."""
    columns: tuple[str, ...] = ("block", "variance", "of the branch")
    if measured is not None:
        columns = (*columns, "measured", "of the branch", "mean²")
    rows = []
    for point in found:
        row: tuple[str, ...] = (point.path, _number(point.variance), _number(point.branch_variance))
        if measured is not None:
            here = measured[point.node]
            branch = f"{measured[point.branch].variance:.4f}" if point.branch is not None else ""
            row = (*row, f"{here.variance:.4f}", branch, f"{here.mean_squared:.4f}")
        rows.append(row)
    click.echo(graph.name)
    print_table(columns, rows)


def _number(value: float | str | None) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else f"? ({value})"


def _measured(graph: Graph, found: tuple[Point, ...], batch: int, constant: bool) -> dict[int, Statistics]:
    with measuring():
        from archc.measure.signal import measure_signal
    wanted = {p.node for p in found} | {p.branch for p in found if p.branch is not None}
    return measure_signal(graph, wanted, batch=batch, constant=constant)


def _series(
    found: tuple[Point, ...], measured: dict[int, Statistics] | None
) -> list[tuple[float, float, float | None]] | None:
    """(mean², variance, variance of the branch) of every point."""
    if measured is None:
        return None
    return [
        (
            measured[p.node].mean_squared,
            measured[p.node].variance,
            measured[p.branch].variance if p.branch is not None else None,
        )
        for p in found
    ]


def _to_dict(
    graph: Graph, found: tuple[Point, ...], measured: dict[int, Statistics] | None, problems: list[str]
) -> dict[str, Any]:
    series = _series(found, measured)
    return {
        "name": graph.name,
        "points": [
            {
                "path": p.path,
                "variance": p.variance if isinstance(p.variance, float) else None,
                "branch_variance": p.branch_variance if isinstance(p.branch_variance, float) else None,
                "measured": dict(zip(("mean_squared", "variance", "branch_variance"), series[i], strict=True))
                if series
                else None,
            }
            for i, p in enumerate(found)
        ],
        "warnings": problems,
    }
