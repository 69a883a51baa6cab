"""`archc optimize`."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import Any

import click

from archc.cli.build_command import loaded_state, write_results
from archc.cli.files import OutputPath, build_directory
from archc.cli.options import graph_options, load_graph, spec_argument, weights_of, weights_options
from archc.cli.passes_options import passes_option, print_rewrite, rewrite_with, verify_passes

EPILOG = """\b
Examples:
  archc optimize resnet50
  archc optimize resnet50 -O fold_norm --verify
  archc optimize nfnet_f0 -O fold_weight_standardisation,fold_scales -o out/
  archc optimize resnet50 -O deploy --weights trained.safetensors

\b
Without -O it lists the passes. With it, it writes what `archc build` writes, as NAME_optimized; --weights are
those of the network as it was, and are rewritten with it."""


@click.command(epilog=EPILOG)
@spec_argument
@passes_option
@click.option(
    "-o", "directory", type=OutputPath("directory"),
    help="Directory for the results.  [default: build/NAME]",
)  # fmt: skip
@graph_options
@click.option("--verify", "verified", is_flag=True, help="Run both networks; compare their outputs.")
@weights_options
@click.pass_context
def command(
    ctx: click.Context,
    spec: str,
    names: tuple[str, ...],
    directory: Path | None,
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    sample: int | None,
    verified: bool,
    weights: Path | None,
    keymap: Path | None,
) -> None:
    """Rewrite a network with passes, its weights too."""
    graph = load_graph(spec, params, input_, sample)
    if not names:
        _list_passes()
        return
    directory = directory or build_directory(graph.name)
    rewrite = rewrite_with(graph, names)
    state = loaded_state(graph, weights_of(spec, weights), keymap)
    print_rewrite(graph, rewrite)
    for path in write_results(graph, rewrite, state, directory, f"{graph.name}_optimized", "fast"):
        click.echo(f"wrote {path}")
    if verified and not verify_passes(graph, rewrite, state):
        ctx.exit(1)


def _list_passes() -> None:
    from archc.passes.pipeline import DEPLOY, PASSES, TRAINING

    for name, made in PASSES.items():
        forms = [n for n, line in (("deploy", DEPLOY), ("training", TRAINING)) if made in line]
        click.echo(f"{name} ({', '.join(forms)})" if forms else name)
        for line in wrap(" ".join((made.__doc__ or "").split()), 100):
            click.echo(f"    {line}")
