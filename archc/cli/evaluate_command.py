"""`archc evaluate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from archc.cli.console import print_json, print_table, warn
from archc.cli.options import format_option
from archc.cli.progress import Reporter
from archc.cli.training import training_problems

EPILOG = """\b
Examples:
  archc evaluate runs/lenet5-quickstart
  archc evaluate runs/first --data cifar10/ --weights model
  archc evaluate runs/regnet --data imagenet/ --set data.test_size=256 --set data.workers=8"""


@click.command(epilog=EPILOG)
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--data", metavar="DATA", help="Other data than the run's, as for `archc train`.")
@click.option(
    "--set", "changes", multiple=True, metavar="A.B=V", help="Change a key of its recipe; repeatable."
)
@click.option("--weights", type=click.Choice(["model", "ema"]), help="[default: ema where there is one]")
@click.option("--device", default="", metavar="NAME", help="cpu, cuda, …  [default: what there is]")
@format_option
@click.pass_context
def command(
    ctx: click.Context,
    run: Path,
    data: str | None,
    changes: tuple[str, ...],
    weights: str | None,
    device: str,
    format_: str,
) -> None:
    """Test a trained network on held-out examples."""
    with training_problems(ctx):
        from archc.train.finished import evaluate, open_run
        from archc.train.prepare import data_changes
        from archc.train.ranks import ranks
        from archc.train.recipe import load_recipe

        with ranks(device) as group:
            opened = open_run(run, group.device, weights or "")
            recipe = load_recipe(run / "recipe.toml", [*(data_changes(data) if data else []), *changes])
            said = "no example is done yet"

            def watch(done: int, of: int) -> None:
                nonlocal said
                said = f"{done:,} of {of:,} examples"

            with Reporter(lambda: said):
                found = evaluate(opened, recipe, watch)
        if found.unreadable:
            warn(
                f"{len(found.unreadable)} images cannot be read and are left out: {', '.join(found.unreadable[:5])}"
            )
    if format_ == "json":
        print_json(asdict(found))
        return
    click.echo(
        f"{opened.graph.name}: accuracy {found.accuracy:.2%}, top-5 {found.top5:.2%}, {found.examples:,} examples"
    )
    print_table(("class", "accuracy"), [(name, f"{value:.2%}") for name, value in found.classes.items()])
