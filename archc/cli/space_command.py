"""`archc space`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from archc.cli.console import print_json, print_table
from archc.cli.options import format_option
from archc.cli.sample_command import bar, request_options, space_argument

if TYPE_CHECKING:
    from archc.spaces.classes import Classes
    from archc.spaces.size import Size
    from archc.spaces.space import Space

EPILOG = """\b
Examples:
  archc space anynetx_e
  archc space regnet --require 'macs in 360M..=400M'
  archc space nb201 --format json
  archc space nb201 --classes -p repeats=1

\b
Requirements on parameters alone are counted exactly; others are estimated from uniform draws. An
ordered choice counts once: it is not divided by the orders it could have had. --classes builds every
network of a small space and counts those that differ, equal ones being what `archc sample` drops."""


@click.command(epilog=EPILOG)
@space_argument
@request_options
@click.option(
    "--draws", type=click.IntRange(min=1), default=2_000, show_default=True, help="To estimate from."
)
@click.option("--classes", "counted", is_flag=True, help="Count the networks that differ, one by one.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@format_option
def command(
    space: str,
    seed: int,
    requires: tuple[str, ...],
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    draws: int,
    counted: bool,
    jobs: int,
    format_: str,
) -> None:
    """What a design space leaves open, and how many networks it holds."""
    from archc.spaces.size import size
    from archc.spaces.space import Request, Space

    found = Space(Request(space, seed, requires, params, input_))
    measured = size(found, draws=draws, seed=seed)
    different = _classes(found, jobs) if counted else None
    if format_ == "json":
        print_json(_to_dict(found, measured) | ({"classes": asdict(different)} if different else {}))
        return
    _print(found, measured)
    if different is not None:
        click.echo(f"{different.different:,} different networks by their graphs, of {different.met:,}")
        if different.published is not None:
            click.echo(
                f"{different.published:,} by the benchmark's own rule, of which docs/spaces.md says more"
            )


def _classes(space: Space, jobs: int) -> Classes:
    """Counts with a bar on a terminal."""
    from archc.jobs.processes import local
    from archc.spaces.classes import classes, combinations_of

    with local(jobs) as executor, bar(combinations_of(space)) as show:
        return classes(space, mapper=executor.map, progress=lambda done: show(done, ""))


def _to_dict(space: Space, size: Size) -> dict[str, Any]:
    return {
        "name": space.name,
        "choices": [{"path": c.path, "of": c.described, "answers": c.answers} for c in size.choices],
        "combinations": size.free,
        "networks": size.exact,
        "estimate": size.estimate,
        "interval": list(size.interval),
        "draws": size.draws,
        "published": space.published_size,
    }


def _print(space: Space, size: Size) -> None:
    click.echo(space.name)
    print_table(
        ("choice", "of", "answers"), [(c.path, c.described, f"{c.answers:,}") for c in size.choices], left=2
    )
    click.echo(f"{size.free:.3g} combinations ({size.free:,})")
    if not size.fixed:
        click.echo("what is asked depends on earlier answers: these are the choices of one draw")
    for text in space.requirements:
        click.echo(f"require {text}")
    if size.exact is None:
        low, high = size.interval
        click.echo(
            f"about {size.estimate:.3g} networks, 95 % between {low:.3g} and {high:.3g}, from {size.draws:,} draws"
        )
    elif size.exact != size.free:
        click.echo(f"{size.exact:.3g} networks ({size.exact:,})")
    if space.published_size:
        click.echo(f"published: {space.published_size}")
