"""`archc build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archc.cli.console import fail, print_table, warn
from archc.cli.count_command import print_summary
from archc.cli.extras import needs_torch
from archc.cli.files import OutputPath, build_directory, write_file
from archc.cli.options import (
    graph_options,
    load_graph,
    precision,
    precision_options,
    spec_argument,
    weights_of,
    weights_options,
)
from archc.cli.passes_options import print_rewrite, rewrite_with, verify_passes
from archc.diagnostics import ArchError

if TYPE_CHECKING:
    from torch import Tensor

    from archc.backends.torch_fuse import Form
    from archc.ir.graph import Graph
    from archc.passes.draft import Rewrite

MAX_MISMATCHES = 20

EPILOG = """\b
Examples:
  archc build resnet50
  archc build mynet.arch -o out/ -p classes=10 --input 3x32x32
  archc build mynet.arch:small --verify
  archc build resnet50 --weights theirs.safetensors --keymap resnet50.keys.json
  archc build resnet50 --deploy --weights trained.safetensors --verify
  archc build resnet50 --weights trained.safetensors --half
  archc build runs/first --deploy --verify

\b
Writes NAME.py (torch source), NAME.json (the graph) and NAME.svg (a drawing); with --weights also
NAME.safetensors, in the precision of --half or --bf16, in which --verify runs too. A checkpoint of
another package needs a keymap, which `archc parity` makes. Of a run of `archc train`, given as SPEC,
network and weights are taken.

\b
--deploy writes the network for inference, as NAME_deploy: normalisations, standardised kernels and
multipliers are folded into plain weights, and --weights, those of the network as trained, with them.
--verify then also runs both. --runtime mkldnn makes every convolution, the sum and the activation after
it one call of oneDNN; where that cannot be, plain calls do the same."""


@click.command(epilog=EPILOG)
@spec_argument
@click.option(
    "-o",
    "directory",
    type=OutputPath("directory"),
    help="Directory for the results.  [default: build/NAME]",
)
@graph_options
@click.option("--verify", "verified", is_flag=True, help="Run the module; compare shapes, params and macs.")
@click.option("--deploy", is_flag=True, help="Write the folded network for inference.")
@click.option(
    "--runtime", type=click.Choice(["torch", "mkldnn"]), default="torch", show_default=True,
    help="With --deploy: calls of the source; mkldnn: prepacked and fused, for CPUs.",
)  # fmt: skip
@weights_options
@precision_options
@click.pass_context
def command(
    ctx: click.Context,
    spec: str,
    directory: Path | None,
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    sample: int | None,
    verified: bool,
    deploy: bool,
    runtime: str,
    weights: Path | None,
    keymap: Path | None,
    half: bool,
    bf16: bool,
) -> None:
    """Check, count, draw and compile a network."""
    if runtime != "torch" and not deploy:
        raise click.UsageError("--runtime goes with --deploy")
    dtype = precision(half, bf16)
    weights = weights_of(spec, weights)
    if dtype and not (weights or verified):
        raise click.UsageError("--half and --bf16 go with --weights or --verify")
    graph = load_graph(spec, params, input_, sample, expects=True)
    directory = directory or build_directory(graph.name)
    state = loaded_state(graph, weights, keymap)
    print_summary(graph)
    rewrite = rewrite_with(graph, ("deploy",)) if deploy else None
    if rewrite:
        print_rewrite(graph, rewrite)
    form: Form = "fast" if not deploy else "packed" if runtime == "mkldnn" else "inference"
    name = f"{graph.name}{'_deploy' * deploy}"
    for path in write_results(graph, rewrite, state, directory, name, form, dtype):
        click.echo(f"wrote {path}")
    if not verified:
        return
    agree = _verify(graph, dtype)
    if not (rewrite is None or verify_passes(graph, rewrite, state, form)) or not agree:
        ctx.exit(1)


def loaded_state(graph: Graph, weights: Path | None, keymap: Path | None) -> dict[str, Tensor] | None:
    """The weights of a file under this network's keys, None without a file; raises ArchError where they do not fit."""
    if weights is None:
        return None
    with needs_torch("--weights"):
        from archc.measure.weights import loaded

    return loaded(graph, weights, keymap).state_dict()


def write_results(
    graph: Graph,
    rewrite: Rewrite | None,
    state: dict[str, Tensor] | None,
    directory: Path,
    name: str,
    form: Form = "fast",
    dtype: str | None = None,
) -> list[Path]:
    """Writes the network, or what a rewrite made of it, as NAME.*, the source in a form; returns the paths.

    dtype: of the weights, "float16" or "bfloat16", converted last. Without Graphviz the drawing is left out, and said so.
    """
    from archc.backends.dot import svg
    from archc.backends.torch_source import emit
    from archc.ir.json_graph import to_json_text

    made = rewrite.graph if rewrite else graph
    contents: dict[str, str | bytes] = {".py": emit(made, form=form), ".json": to_json_text(made)}
    if state is not None:
        from archc.backends.torch_weights import rewritten
        from archc.measure.weights import to_safetensors

        contents[".safetensors"] = to_safetensors(
            rewritten(graph, rewrite, state) if rewrite else state, dtype
        )
    try:
        contents[".svg"] = svg(made)
    except ArchError as error:
        for diagnostic in error.diagnostics:
            help = "".join(f"\n  = help: {text}" for text in diagnostic.help)
            warn(f"{diagnostic.message}; {name}.svg is left out{help}")
    paths = []
    for suffix, content in contents.items():
        path = directory / f"{name}{suffix}"
        write_file(path, content)
        paths.append(path)
    return paths


def _verify(graph: Graph, dtype: str | None) -> bool:
    """Prints what the running module showed beside what was computed; False where they differ."""
    with needs_torch("--verify"):
        from archc.measure.verify import verify
        from archc.measure.weights import in_precision, loaded

    report = verify(graph, in_precision(loaded(graph), dtype) if dtype else None)
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
