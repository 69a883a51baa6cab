"""`archc sample`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archc.analyses.figures import short
from archc.cli.console import coloured, print_json, print_table, warn
from archc.cli.files import OutputPath, write_file
from archc.cli.options import call_options, complete_spec, format_option

if TYPE_CHECKING:
    from archc.spaces.sample import Population

SHOWN = 20

EPILOG = """\b
Examples:
  archc sample regnet --n 5 --require 'macs in 360M..=400M'
  archc sample anynetx_a --n 100 --seed 1 -o out/anynetx
  archc sample myspace.arch --n 1000 --jobs 8 -o out/mine
  archc sample regnetx_cifar --n 50 --require 'macs < 20M' -o out/regnetx \\
    --train population_cifar10 --data cifar10:cifar10/ --jobs 8

\b
Draw i depends on the space, the seed and i alone, whatever the number of jobs. Networks equal to an
earlier one are dropped. -o writes a spec for each, population.csv (and .parquet, given pyarrow), and
population.json with what became of every draw.

\b
--train gives every network a run in DIR/runs and adds columns to the table: error (percent; 100 where
it diverged), status, seconds, failure. The same command goes on where it stopped; trained networks are
not trained again. On a GPU, several jobs share it: small networks leave most of it idle."""


def space_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """The SPACE argument."""
    return click.argument("space", metavar="SPACE", shell_complete=complete_spec)(command)


def request_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--seed, --require, -p and --input: what a Request is made of."""
    for option in (
        call_options,
        click.option(
            "--require",
            "requires",
            multiple=True,
            metavar="CONDITION",
            help="A constraint beside the space's own, of parameters and figures; repeatable.",
        ),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
    ):
        command = option(command)
    return command


@click.command(epilog=EPILOG)
@space_argument
@click.option(
    "--n", "number", type=click.IntRange(min=1), default=1, show_default=True, help="Networks wanted."
)
@request_options
@click.option("-o", "directory", type=OutputPath("directory"), help="Write the population.")
@click.option("--expand", is_flag=True, help="Write specs flat: no blocks, no imports.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=10_000_000,
    show_default=True,
    help="Draws after which to give up.",
)
@click.option("--train", "recipe", metavar="RECIPE", help="Train every network; needs -o.")
@click.option("--data", metavar="DATA", help="For --train, as `archc train` takes it.")
@click.option("--set", "changes", multiple=True, metavar="A.B=V", help="Change a recipe's key; repeatable.")
@click.option("--device", default="", metavar="NAME", help="cpu, cuda, …  [default: what there is]")
@click.option(
    "--budget", type=click.FloatRange(min=1), metavar="SECONDS", help="Save and stop training after so long."
)
@format_option
@click.pass_context
def command(
    ctx: click.Context,
    space: str,
    number: int,
    seed: int,
    requires: tuple[str, ...],
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    directory: Path | None,
    expand: bool,
    jobs: int,
    most: int,
    recipe: str | None,
    data: str | None,
    changes: tuple[str, ...],
    device: str,
    budget: float | None,
    format_: str,
) -> None:
    """Draw networks from a design space, and train them."""
    from archc.jobs.processes import local
    from archc.spaces.files import files, rows, statistics
    from archc.spaces.sample import sample
    from archc.spaces.space import Request, Space

    until = float("inf") if budget is None else time.time() + budget
    if recipe is None and (data or changes or device or budget):
        raise click.UsageError("--data, --set, --device and --budget go with --train")
    if recipe is not None and directory is None:
        raise click.UsageError("--train keeps its runs in the directory of the population: give one with -o")
    request = Request(space, seed, requires, params, input_)
    Space(request)  # mistakes in it are told here, not by each worker
    with local(jobs) as executor, bar(number) as show:
        population = sample(
            request, number, mapper=executor.map if jobs > 1 else None, most=most,
            progress=lambda p: show(len(p.draws), f"{p.drawn:,} draws"),
        )  # fmt: skip
    if directory is not None:
        written = 0
        for name, content in files(population, expand=expand):
            write_file(directory / name, content)
            written += 1
    if format_ == "text":
        _print(population)
        if directory is not None:
            click.echo(f"wrote {written} files to {directory}")
    table = rows(population)
    if recipe is not None and directory is not None:
        from archc.cli.population import train_population

        table = train_population(
            ctx, directory, table, recipe, data, changes, device=device, jobs=jobs, until=until
        )
    if format_ == "json":
        print_json({**statistics(population), "samples": table})
    if len(population.draws) < number:
        warn(f"only {len(population.draws)} of {number} networks in {population.drawn:,} draws")
        ctx.exit(1)


def _print(population: Population) -> None:
    print_table(
        ("draw", "arguments", "params", "macs", "activations"),
        [
            (
                str(d.index),
                _cut(", ".join(f"{name} = {text}" for name, text in d.arguments)),
                short(d.params),
                short(d.macs),
                short(d.activations),
            )
            for d in population.draws[:SHOWN]
        ],
        left=2,
    )
    if len(population.draws) > SHOWN:
        click.echo(f"… {len(population.draws) - SHOWN} more")
    click.echo(
        f"{population.drawn:,} draws: {len(population.draws):,} accepted"
        f" ({100 * population.acceptance:.3g} %), {population.duplicates:,} duplicates"
    )
    for text, times in population.rejected.most_common():
        click.echo(f"{times:,} did not meet `{text}`")


def _cut(text: str) -> str:
    return text if len(text) <= 72 else text[:71] + "…"


@contextmanager
def bar(total: int) -> Iterator[Callable[[int, str], None]]:
    """A bar on a terminal, refreshed now and then by (done, words); nothing in a pipe."""
    if not coloured(sys.stderr):
        yield lambda done, words: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=total)
        last = 0.0

        def show(done: int, words: str) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last > 0.1:
                last = now
                shown.update(task, completed=done, description=words)

        yield show
