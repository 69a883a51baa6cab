"""`archc emit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from archc.cli.files import write_file
from archc.cli.options import graph_options, load_graph, spec_argument

EPILOG = """\b
Examples:
  archc emit resnet50 > resnet50.py
  archc emit mynet.arch -p classes=10 -o mynet.py

\b
The file imports torch and nothing else; archc is not needed to run it."""


@click.command(epilog=EPILOG)
@spec_argument
@graph_options
@click.option("-o", "output", type=click.Path(dir_okay=False, path_type=Path), help="File; stdout without.")
def command(
    spec: str,
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    sample: int | None,
    output: Path | None,
) -> None:
    """Write readable, standalone torch source."""
    from archc.backends.torch_source import emit

    source = emit(load_graph(spec, params, input_, sample))
    if output is None or str(output) == "-":
        click.echo(source, nl=False)
    else:
        write_file(output, source)
