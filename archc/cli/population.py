"""Training populations from the command line: progress, and tables that are whole at any time."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archc.cli.console import coloured, complain, warn
from archc.cli.files import write_file
from archc.cli.training import INTERRUPTED, training_problems

if TYPE_CHECKING:
    from archc.jobs.population import Ending, Network, Trained

DIGITS_OF_HASH = 12


def train_population(
    ctx: click.Context,
    directory: Path,
    rows: list[dict[str, Any]],
    recipe: str,
    data: str | None,
    changes: Sequence[str],
    *,
    device: str,
    jobs: int,
    until: float,
) -> list[dict[str, Any]]:
    """Trains the networks of a table, `DIRECTORY/NAME.arch`, and returns it with what became of them.

    The tables on disk are rewritten after every network. Exits with 75 where it is interrupted.
    """
    with training_problems(ctx):
        from archc.jobs.population import OtherRecipe
        from archc.train.prepare import data_changes
        from archc.train.recipe import load_recipe

        resolved = load_recipe(recipe, [*(data_changes(data) if data else []), *changes])
        networks = population_networks(directory, rows, resolved, device)
        try:
            with stops_by_signal():
                ending = train_networks({directory: (rows, networks)}, device=device, jobs=jobs, until=until)
        except OtherRecipe as error:
            raise click.ClickException(f"{error}: choose another directory with -o") from None
        table = trained_rows(rows, networks)
        tell(directory.name, table)
        if ending != "finished":
            warn(f"{ending}: networks in training are saved; the same command goes on from there")
        if ending == "interrupted":
            ctx.exit(INTERRUPTED)
    return table


def population_networks(
    directory: Path, rows: Sequence[dict[str, Any]], recipe: Any, device: str, cache: Path | None = None
) -> list[Network]:
    """What to train of a population's table. A run's directory is named after its network and its hash, so that
    it is never taken for another's."""
    from archc.jobs.population import Network

    return [
        Network(
            row["name"],
            str(directory / f"{row['name']}.arch"),
            str(directory / "runs" / f"{row['name']}-{row['hash'][:DIGITS_OF_HASH]}"),
            recipe,
            str(cache or directory / "runs" / "data"),
            device,
        )
        for row in rows
    ]


def train_networks(
    populations: dict[Path, tuple[list[dict[str, Any]], list[Network]]],
    *,
    device: str,
    jobs: int,
    until: float,
) -> Ending:
    """Trains populations side by side, their tables rewritten after every network, and says why it ended.

    Raises ArchError or DataError where the first network cannot be prepared.
    """
    from archc.jobs.devices import environments
    from archc.jobs.population import interleaved, train
    from archc.jobs.processes import local
    from archc.train.packed import reader
    from archc.train.prepare import prepare

    order = interleaved(networks for _, networks in populations.values())
    if not order:
        return "finished"
    # a mistake in the recipe or the data is told here, once; and the data is decoded here, once
    prepare(order[0].spec, order[0].recipe, {}, read=reader(Path(order[0].cache)))
    owner = {network.directory: place for place, (_, networks) in populations.items() for network in networks}
    with _progress(order) as show:

        def watch(network: Network, trained: Trained) -> None:
            place = owner[network.directory]
            save(place, trained_rows(*populations[place]))
            show(network, trained)

        try:
            with local(jobs, environments(jobs, device)) as executor:
                return train(order, executor, until=until, watch=watch)
        except KeyboardInterrupt:
            return "interrupted"
        finally:
            for place, (rows, networks) in populations.items():
                save(place, trained_rows(rows, networks))


def trained_rows(rows: Sequence[dict[str, Any]], networks: Sequence[Network]) -> list[dict[str, Any]]:
    """The table with the columns of training."""
    from archc.jobs.population import outcome

    return [{**row, **outcome(network).columns} for row, network in zip(rows, networks, strict=True)]


def save(directory: Path, rows: list[dict[str, Any]]) -> None:
    """Writes the tables of a population."""
    from archc.spaces.files import tables

    for name, content in tables(rows):
        write_file(directory / name, content)


def tell(name: str, rows: Sequence[dict[str, Any]]) -> None:
    """How many were trained, the best, and what became of the others."""
    by = {
        status: [r for r in rows if r["status"] == status]
        for status in ("trained", "diverged", "failed", "waiting")
    }
    counts = ", ".join(f"{len(found)} {status}" for status, found in by.items() if found)
    best = min(by["trained"], key=lambda r: r["error"], default=None)
    click.echo(
        f"{name}: {counts}" + (f"; best {best['name']}, error {best['error']:.2f} %" if best else ""),
        err=True,
    )


@contextmanager
def stops_by_signal() -> Iterator[None]:
    """SIGTERM interrupts as Ctrl-C does."""
    import signal

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _progress(order: Sequence[Network]) -> Iterator[Any]:
    """Shows each network that is done: a bar on a terminal, lines elsewhere."""
    from archc.jobs.population import outcome

    done = [found for found in map(outcome, order) if found.status in ("trained", "diverged")]
    bar, task = _bar(len(order), len(done))

    def show(network: Network, trained: Trained) -> None:
        if trained.status != "waiting":
            done.append(trained)
        line = f"{network.name}: {_describe(trained)}"
        if bar is None:
            complain(f"[{len(done)}/{len(order)}] {line}")
            return
        errors = [d.error for d in done if d.status == "trained" and d.error is not None]
        best = f"best error {min(errors):.2f} %" if errors else ""
        bar.console.print(line, highlight=False)
        bar.update(task, completed=len(done), description=best)

    if bar is not None:
        bar.start()
    try:
        yield show
    finally:
        if bar is not None:
            bar.stop()


def _bar(total: int, completed: int) -> tuple[Any, Any]:
    if not coloured(sys.stderr):
        return None, None
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(stderr=True))
    return bar, bar.add_task("", total=total, completed=completed)


def _describe(trained: Trained) -> str:
    if trained.status == "trained":
        return f"error {trained.error:.2f} %, {trained.seconds:.1f} s"
    if trained.status == "waiting":
        return "stopped, to go on later"
    return f"{trained.status}: {trained.message}"
