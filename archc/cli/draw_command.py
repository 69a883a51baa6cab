"""`archc draw`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archc.cli.files import write_file
from archc.cli.options import graph_options, load_graph, spec_argument

if TYPE_CHECKING:
    from archc.backends.dot import Level

FORMATS = ("svg", "png", "pdf", "dot")

EPILOG = """\b
Examples:
  archc draw resnet50 -o resnet50.svg
  archc draw mynet.arch -o block.png --level block
  archc draw resnet50 -o - --level op | dot -Tpdf -o ops.pdf

\b
network  its sections, with shapes and cost
stage    the blocks of each section, equal ones folded
block    each distinct block once, as papers draw them
op       every node"""


@click.command(epilog=EPILOG)
@spec_argument
@click.option(
    "-o",
    "output",
    type=click.Path(dir_okay=False, path_type=Path),
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
@graph_options
def command(
    spec: str,
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    sample: int | None,
    output: Path,
    level: Level,
) -> None:
    """Draw a network."""
    from archc.backends.dot import draw
    from archc.backends.graphviz_process import run_dot

    format_ = "dot" if str(output) == "-" else output.suffix.lstrip(".").lower()
    if format_ not in FORMATS:
        raise click.UsageError(f"-o {output}: the name must end in " + ", ".join(f".{f}" for f in FORMATS))
    source = draw(load_graph(spec, params, input_, sample), level).source
    if str(output) == "-":
        click.echo(source, nl=False)
    else:
        write_file(output, source if format_ == "dot" else run_dot(source, format_))
