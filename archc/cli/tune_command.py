"""`archc tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from archc.cli.console import complain, print_json, print_table, warn
from archc.cli.files import OutputPath
from archc.cli.options import call_options, format_option, spec_argument
from archc.cli.training import data_option, describe_data, recipe_option, training_problems

EPILOG = """\b
Examples:
  archc tune lenet5 --recipe quickstart --grid optim.lr=.01,.1 --grid data.batch=32,64 --epochs 4
  archc tune cifar_nf_resnet_16 --recipe cifar10_nf_resnet --data cifar10/ --epochs 40 --set data.validation=5000 \\
    --grid optim.lr=.001,.01,.1 --grid data.batch=32,64,128,256 --plot table.png

\b
Each cell is a run below -o, whose data is decoded once; the same command goes on where it was stopped. A cell that
diverges is ranked last, and not tried again. --plot draws a heat map, and needs matplotlib: pip install 'archc[report]'."""


@click.command(epilog=EPILOG)
@spec_argument
@recipe_option
@click.option(
    "--grid",
    "grids",
    multiple=True,
    required=True,
    metavar="A.B=V,V",
    help="Values to try of a key; repeatable.",
)
@click.option("--epochs", type=click.FloatRange(min=0, min_open=True), help="Epochs of each run.")
@data_option
@click.option(
    "-o",
    "directory",
    type=OutputPath("directory"),
    help="[default: runs/NAME-RECIPE-tune]",
)
@click.option("--set", "changes", multiple=True, metavar="A.B=V", help="Change a recipe's key; repeatable.")
@click.option("--plot", "picture", type=OutputPath(), help="A heat map of two axes.")
@click.option("--device", default="", metavar="NAME", help="cpu, cuda, …  [default: what there is]")
@call_options
@format_option
@click.pass_context
def command(
    ctx: click.Context,
    spec: str,
    recipe: str,
    grids: tuple[str, ...],
    epochs: float | None,
    data: str | None,
    directory: Path | None,
    changes: tuple[str, ...],
    picture: Path | None,
    device: str,
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    format_: str,
) -> None:
    """Train a grid of recipes and rank them."""
    with training_problems(ctx):
        from archc.cli.progress import Progress
        from archc.train.batches import steps_of
        from archc.train.packed import reader
        from archc.train.prepare import data_changes, prepare
        from archc.train.ranks import ranks
        from archc.train.recipe import load_recipe
        from archc.train.tune import cells, heat_map, parse_axis, train_cell

        axes = [parse_axis(text) for text in grids]
        if picture and len(axes) != 2:
            raise click.UsageError(f"--plot draws two axes, not {len(axes)}")
        base = directory or Path("runs") / f"{Path(spec.replace(':', '-')).stem}-{Path(recipe).stem}-tune"
        common = [*(data_changes(data) if data else []), *changes]
        common += [f"epochs={epochs}"] if epochs else []
        grid = cells(axes)
        recipes = [
            load_recipe(recipe, [*common, *cell.changes]) for cell in grid
        ]  # all are right before any runs
        accuracies: dict[str, float | None] = {}
        with ranks(device) as group:
            for number, (cell, own) in enumerate(zip(grid, recipes, strict=True)):
                with Progress(shown=group.leads) as progress:
                    prepared = prepare(spec, own, dict(params), input_, reader(base / "data"))
                    if group.leads and not number:
                        describe_data(prepared)
                    progress.steps = steps_of(own, len(prepared.data.train))
                    accuracies[cell.name] = train_cell(
                        prepared.graph, own, prepared.data, base / cell.name, group, warn, progress.show,
                        progress.beat,
                    )  # fmt: skip
                if group.leads:
                    complain(f"{number + 1}/{len(grid)} {cell.name}: {_percent(accuracies[cell.name])}")
        if not group.leads:
            return
        ranked = sorted(grid, key=lambda cell: accuracies[cell.name] or -1.0, reverse=True)
        if picture:
            try:
                heat_map(axes, accuracies, picture)
            except ImportError as error:
                raise click.ClickException(
                    f"--plot needs {error.name}: pip install 'archc[report]'"
                ) from None
    if format_ == "json":
        print_json([{"changes": cell.changes, "accuracy": accuracies[cell.name]} for cell in ranked])
        return
    print_table(
        (*(axis.key for axis in axes), "accuracy"),
        [(*(c.partition("=")[2] for c in cell.changes), _percent(accuracies[cell.name])) for cell in ranked],
        left=0,
    )
    if picture:
        click.echo(f"wrote {picture}")


def _percent(accuracy: float | None) -> str:
    return "diverged" if accuracy is None else f"{accuracy:.2%}"
