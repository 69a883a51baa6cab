"""`archc emit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from archc.cli.files import OutputPath, announce, write_file
from archc.cli.options import takes_graph

if TYPE_CHECKING:
    from archc.ir.graph import Graph

EPILOG = """\b
Examples:
  archc emit resnet50 > resnet50.py
  archc emit mynet.arch -p classes=10 -o mynet.py

\b
The file imports torch and nothing else; archc is not needed to run it."""


@click.command(epilog=EPILOG)
@takes_graph
@click.option("-o", "output", type=OutputPath(), help="File; stdout without.")
def command(
    graph: Graph,
    output: Path | None,
) -> None:
    """Write readable, standalone torch source."""
    from archc.backends.torch_source import emit

    source = emit(graph)
    if output is None or str(output) == "-":
        click.echo(source, nl=False)
    else:
        write_file(output, source)
        announce(output)
