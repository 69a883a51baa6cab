"""`archc train`."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from archc.cli.console import print_table, warn
from archc.cli.files import OutputPath
from archc.cli.options import call_options, saved_network, spec_argument, weights_of, weights_options
from archc.cli.training import (
    data_option,
    describe,
    describe_data,
    recipe_option,
    training_problems,
)

EPILOG = """\b
Examples:
  archc train lenet5 --recipe quickstart
  archc train cifar_nf_resnet_16 --recipe cifar10_nf_resnet --data cifar10/ -o runs/first
  archc train mynet.arch --recipe quickstart --set optim.lr=.01 --epochs 5 --seeds 0-4
  archc train resnet18 --recipe quickstart --data photos/ --weights theirs.safetensors --keymap resnet18.keys.json
  archc train mynet.arch --recipe quickstart --data photos/ --weights runs/first
  torchrun --nproc-per-node 8 -m archc train regnety_040 --recipe imagenet_regnet --data imagenet/

\b
--weights starts from a file or a run; of the layers the outputs come from, what has another shape starts afresh.
A checkpoint of another package needs a keymap, which `archc parity` makes.

\b
Writes recipe.toml, log.jsonl, checkpoints/, model.safetensors and result.json.
Exit codes: 3 the loss is no longer a number; 75 stopped by a signal, to be resumed."""


def parse_seeds(text: str) -> tuple[int, ...]:
    """`0-4` or `0,3,7` as numbers; raises BadParameter."""
    found: list[int] = []
    for part in text.split(","):
        span = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9}))?\s*", part, re.ASCII)
        if not span:
            raise click.BadParameter(f"{text!r} is not seeds, such as 0-4 or 0,3,7")
        first, last = int(span[1]), int(span[2] or span[1])
        if last - first > 1000:
            raise click.BadParameter(f"{part.strip()} are more than 1,000 seeds")
        found += range(first, last + 1)
    return tuple(found)


@click.command(epilog=EPILOG)
@spec_argument
@recipe_option
@data_option
@click.option(
    "-o",
    "directory",
    type=OutputPath("directory"),
    help="Directory of the run.  [default: runs/NAME-RECIPE]",
)
@click.option("--set", "changes", multiple=True, metavar="A.B=V", help="Change a recipe's key; repeatable.")
@click.option("--epochs", type=click.FloatRange(min=0, min_open=True), help="As --set epochs=.")
@weights_options
@click.option("--seeds", type=parse_seeds, metavar="0-4", help="One run for each seed, in seed-N below -o.")
@click.option("--resume", type=click.Choice(["auto", "never", "must"]), default="auto", show_default=True)
@click.option("--device", default="", metavar="NAME", help="cpu, cuda, …  [default: what there is]")
@click.option(
    "--tensorboard", is_flag=True, help="Also write scalars for TensorBoard, to tensorboard/ of the run."
)
@click.option("--dry-run", is_flag=True, help="Show the resolved recipe and the network; train nothing.")
@call_options
@click.pass_context
def command(
    ctx: click.Context,
    spec: str,
    recipe: str,
    data: str | None,
    directory: Path | None,
    changes: tuple[str, ...],
    epochs: float | None,
    weights: Path | None,
    keymap: Path | None,
    seeds: tuple[int, ...] | None,
    resume: Any,
    device: str,
    tensorboard: bool,
    dry_run: bool,
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
) -> None:
    """Train a network by a recipe."""
    if saved_network(spec):
        raise click.UsageError(f"{spec} is a network that was made: give its spec, and --weights {spec}")
    with training_problems(ctx):
        from archc.train.prepare import data_changes, prepare
        from archc.train.ranks import ranks
        from archc.train.recipe import load_recipe, to_toml
        from archc.train.start import Start

        all_changes = [*(data_changes(data) if data else []), *changes]
        all_changes += [f"epochs={epochs}"] if epochs else []
        file = weights_of(spec, weights)
        start = Start(file, keymap) if file else None
        first = load_recipe(recipe, all_changes)
        if dry_run:
            prepared = prepare(spec, first, dict(params), input_)
            click.echo(to_toml(first), nl=False)
            describe_data(prepared)
            return
        base = directory or Path("runs") / f"{Path(spec.replace(':', '-')).stem}-{Path(recipe).stem}"
        results = []
        with ranks(device) as group:
            for seed in seeds or (first.seed,):
                own = load_recipe(recipe, [*all_changes, f"seed={seed}"])
                place = base / f"seed-{seed}" if seeds else base
                results.append(
                    _one(spec, own, dict(params), input_, place, group, start, resume, tensorboard)
                )
        if seeds and len(seeds) > 1 and group.leads:
            _print_seeds(seeds, results)


def _one(
    spec: str,
    recipe: Any,
    params: dict[str, Any],
    input_: Any,
    place: Path,
    group: Any,
    start: Any,
    resume: Any,
    tensorboard: bool,
) -> dict[str, Any]:
    from archc.cli.progress import Progress
    from archc.train.batches import steps_of
    from archc.train.prepare import prepare
    from archc.train.session import run

    logged = 0
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(shown=group.leads))
        prepared = prepare(spec, recipe, params, input_)
        if group.leads:
            describe_data(prepared)
        progress.steps = steps_of(recipe, len(prepared.data.train))
        watchers = [progress.show]
        if tensorboard and group.leads:
            watchers.append(stack.enter_context(_board(place / "tensorboard")).write)

        def watch(line: dict[str, Any]) -> None:
            nonlocal logged
            logged += 1
            for watcher in watchers:
                watcher(line)

        found = run(
            prepared.graph, recipe, prepared.data, place, group, start=start, resume=resume, watch=watch,
            beat=progress.beat, warn=warn,
        )  # fmt: skip
    if group.leads:
        before = "finished before: " * (not logged)
        click.echo(
            f"{before}{found['network']}: {describe(found)} on {found['held_out']} ({found['held_out_examples']:,} "
            f"examples), {found['steps']:,} steps, {found['seconds']:.1f} s; see {place}"
        )
    return found


def _board(directory: Path) -> Any:
    from archc.train.board import Board

    try:
        return Board(directory)
    except ImportError:
        raise click.ClickException(
            "--tensorboard needs tensorboard: pip install 'archc[tensorboard]'"
        ) from None


def _print_seeds(seeds: tuple[int, ...], results: list[dict[str, Any]]) -> None:
    from statistics import mean, stdev

    name = "ema_accuracy" if "ema_accuracy" in results[0] else "eval_accuracy"
    figures = [r[name] for r in results]
    print_table(("seed", name), [(str(s), f"{f:.2%}") for s, f in zip(seeds, figures, strict=True)])
    click.echo(f"mean {mean(figures):.2%}, standard deviation {stdev(figures):.2%}, n = {len(figures)}")
