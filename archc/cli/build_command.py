"""`archc build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archc.cli.console import fail, print_table, warn
from archc.cli.count_command import print_summary
from archc.cli.extras import needs_torch
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
  archc build resnet50 --weights theirs.safetensors --keymap resnet50.keys.json

\b
Writes NAME.py (torch source), NAME.json (the graph) and NAME.svg (a drawing); with --weights also
NAME.safetensors. A checkpoint of another package needs a keymap, which `archc parity` makes."""


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
@click.option(
    "--weights", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Load these weights (safetensors), all or none.",
)  # fmt: skip
@click.option(
    "--keymap", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="With --weights: from the file's keys to the network's.",
)  # fmt: skip
@click.pass_context
def command(
    ctx: click.Context,
    spec: str,
    directory: Path | None,
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    sample: int | None,
    verified: bool,
    weights: Path | None,
    keymap: Path | None,
) -> None:
    """Check, count, draw and compile a network."""
    if keymap is not None and weights is None:
        raise click.UsageError("--keymap goes with --weights")
    graph = load_graph(spec, params, input_, sample, expects=True)
    state = None if weights is None else _loaded(graph, weights, keymap)
    print_summary(graph)
    directory = directory or build_directory(graph.name)
    for path in _write(graph, directory, state):
        click.echo(f"wrote {path}")
    if verified and not _verify(graph):
        ctx.exit(1)


def _loaded(graph: Graph, weights: Path, keymap: Path | None) -> bytes:
    """The weights under this network's keys, as a safetensors file; raises ArchError where they do not fit."""
    with needs_torch("--weights"):
        from archc.backends.torch_module import compile
        from archc.measure.weights import load_keymap, load_weights, to_safetensors

    module = compile(graph)
    load_weights(module, weights, None if keymap is None else load_keymap(keymap))
    return to_safetensors(module)


def _write(graph: Graph, directory: Path, state: bytes | None) -> list[Path]:
    """Writes the results and returns their paths; without Graphviz the drawing is left out, and said so."""
    from archc.backends.dot import svg
    from archc.backends.torch_source import emit
    from archc.ir.json_graph import to_json_text

    contents: dict[str, str | bytes] = {".py": emit(graph), ".json": to_json_text(graph)}
    if state is not None:
        contents[".safetensors"] = state
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
    with needs_torch("--verify"):
        from archc.measure.verify import verify

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
