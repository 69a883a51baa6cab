"""`archc build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archc.cli.console import fail, print_table, warn
from archc.cli.count_command import print_summary
from archc.cli.files import build_directory, write_file
from archc.cli.options import graph_options, load_graph, spec_argument
from archc.diagnostics import ArchError

if TYPE_CHECKING:
    from archc.ir.graph import Graph

MAX_MISMATCHES = 20

EPILOG = """\b
Examples:
  archc build resnet50
  archc build mynet.arch -o out/ -p classes=10 --input 3x32x32
  archc build mynet.arch:small --verify

\b
Writes NAME.py (torch source), NAME.json (the graph) and NAME.svg (a drawing)."""


@click.command(epilog=EPILOG)
@spec_argument
@click.option(
    "-o",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for the results.  [default: build/NAME]",
)
@graph_options
@click.option("--verify", "verified", is_flag=True, help="Run the module; compare shapes, params and macs.")
@click.pass_context
def command(
    ctx: click.Context,
    spec: str,
    directory: Path | None,
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    sample: int | None,
    verified: bool,
) -> None:
    """Check, count, draw and compile a network."""
    graph = load_graph(spec, params, input_, sample, expects=True)
    print_summary(graph)
    directory = directory or build_directory(graph.name)
    for path in _write(graph, directory):
        click.echo(f"wrote {path}")
    if verified and not _verify(graph):
        ctx.exit(1)


def _write(graph: Graph, directory: Path) -> list[Path]:
    """Writes the results and returns their paths; without Graphviz the drawing is left out, and said so."""
    from archc.backends.dot import svg
    from archc.backends.torch_source import emit
    from archc.ir.json_graph import to_json_text

    contents = {".py": emit(graph), ".json": to_json_text(graph)}
    try:
        contents[".svg"] = svg(graph)
    except ArchError as error:
        for diagnostic in error.diagnostics:
            help = "".join(f"\n  = help: {text}" for text in diagnostic.help)
            warn(f"{diagnostic.message}; {graph.name}.svg is left out{help}")
    paths = []
    for suffix, content in contents.items():
        path = directory / f"{graph.name}{suffix}"
        write_file(path, content)
        paths.append(path)
    return paths


def _verify(graph: Graph) -> bool:
    """Prints what the running module showed beside what was computed; False where they differ."""
    try:
        from archc.measure.verify import verify
    except ImportError as error:
        if error.name != "torch":
            raise
        raise click.ClickException(
            "--verify runs the network and needs torch: pip install 'archc[train]'"
        ) from None

    report = verify(graph)
    params = graph.cost.params + graph.train_only_cost.params
    buffers = graph.cost.buffers + graph.train_only_cost.buffers
    click.echo(f"ran {report.nodes} nodes in {' and '.join(report.modes)} mode on {report.device}")
    print_table(
        ("", "computed", "measured"),
        (
            ("params", f"{params:,}", f"{report.params:,}"),
            ("buffers", f"{buffers:,}", f"{report.buffers:,}"),
            ("macs", f"{graph.cost.macs:,}", f"{report.macs:,}"),
        ),
    )
    for mismatch in report.mismatches[:MAX_MISMATCHES]:
        fail(str(mismatch))
    more = len(report.mismatches) - MAX_MISMATCHES
    if more > 0:
        fail(f"and {more} more")
    if report.ok:
        click.echo("all shapes, params, buffers and macs agree")
    return report.ok
