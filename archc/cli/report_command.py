"""`archc report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from archc.cli.files import OutputPath, announce, write_file
from archc.cli.options import complete_spec, graph_options, load_graph

EPILOG = """\b
Examples:
  archc report resnet152 -o report.html
  archc report resnet50 mynet.arch -o compared.html --input 3x224x224

\b
One page with the diagram (boxes unfold, hovering tells shape, cost and spec line), the cost tables, cost by
depth and the spec; several networks are compared. It needs no network and works from a file."""


@click.command(epilog=EPILOG)
@click.argument("specs", metavar="SPEC…", nargs=-1, required=True, shell_complete=complete_spec)
@click.option(
    "-o",
    "output",
    type=OutputPath(),
    required=True,
    help="FILE.html to write.",
)
@graph_options
def command(
    specs: tuple[str, ...],
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    sample: int | None,
    output: Path,
) -> None:
    """Write an interactive page about one network or several."""
    from archc.backends.report import report

    if output.suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"-o {output}: the name must end in .html")
    page = report([load_graph(spec, params, input_, sample) for spec in specs])
    write_file(output, page)
    announce(output)
