"""`archc draw`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archc.cli.files import OutputPath, announce, write_file
from archc.cli.options import graph_options, load_graph, spec_argument

if TYPE_CHECKING:
    from archc.backends.dot import Level
    from archc.backends.dot_cells import Style
    from archc.backends.dot_heat import Colour

FORMATS = ("svg", "png", "pdf", "dot")

EPILOG = """\b
Examples:
  archc draw resnet50 -o resnet50.svg
  archc draw mynet.arch -o block.png --level block
  archc draw resnet50 -o - --level op | dot -Tpdf -o ops.pdf
  archc draw resnet50 -o cost.svg --level stage --color cost
  archc draw nasnetalarge -o cells.svg --cells

\b
network  its sections, with shapes and cost
stage    the blocks of each section, equal ones folded
block    each distinct block once, as papers draw them, in rows of a page
op       every node, in columns where it is long
--cells  each distinct two-input cell once: operators in pairs as in NASNet's paper, or on edges as in DARTS'"""


@click.command(epilog=EPILOG)
@spec_argument
@click.option(
    "-o",
    "output",
    type=OutputPath(),
    required=True,
    help="FILE.svg, .png, .pdf or .dot; - prints DOT.",
)
@click.option(
    "--level",
    type=click.Choice(["network", "stage", "block", "op"]),
    default="network",
    show_default=True,
    help="How much to show.",
)
@click.option("--cells", is_flag=True, help="Draw the two-input cells instead.")
@click.option(
    "--cell-style",
    type=click.Choice(["pairs", "edges"]),
    help="How to draw cells; implies --cells.  [default: pairs]",
)
@click.option(
    "--color",
    "colour",
    type=click.Choice(["kind", "cost", "params"]),
    default="kind",
    show_default=True,
    help="Colour by kind of op, or heat by multiply-adds or parameters.",
)
@graph_options
def command(
    spec: str,
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    sample: int | None,
    output: Path,
    level: Level,
    cells: bool,
    cell_style: Style | None,
    colour: Colour,
) -> None:
    """Draw a network."""
    from archc.backends.dot import draw
    from archc.backends.dot_cells import draw_cells
    from archc.backends.graphviz_process import run_dot

    format_ = "dot" if str(output) == "-" else output.suffix.lstrip(".").lower()
    if format_ not in FORMATS:
        raise click.UsageError(f"-o {output}: the name must end in " + ", ".join(f".{f}" for f in FORMATS))
    if (cells or cell_style) and colour != "kind":
        raise click.UsageError("--color is for drawings of the network: cells have colours by kind")
    graph = load_graph(spec, params, input_, sample)
    drawing = draw_cells(graph, cell_style or "pairs") if cells or cell_style else draw(graph, level, colour)
    source = drawing.source
    if str(output) == "-":
        click.echo(source, nl=False)
    else:
        write_file(output, source if format_ == "dot" else run_dot(source, format_))
        announce(output)
