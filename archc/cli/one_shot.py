"""`archc search` by a strategy that trains a supernet."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from archc.cli.console import command_line, complain, print_json
from archc.cli.training import describe, training_problems

ASKED = ("objectives", "table", "latency", "cluster", "metrics")
"""Options of `archc search` that a one-shot search has no use for."""


def search_one_shot(ctx: click.Context, given: dict[str, Any], changes: tuple[str, ...]) -> None:
    """Searches, trains what was found from scratch, and tells of both. changes: of the recipe."""
    unused = next((name for name in ASKED if given[name]), None)
    if unused is not None:
        raise click.UsageError(
            f"{given['strategy']} trains one supernet, by accuracy: it takes no --{unused.removesuffix('s')}"
        )
    with training_problems(ctx):
        from archc.search.oneshot.run import OneShotPlan, search
        from archc.spaces.space import Request
        from archc.train.ranks import ranks

        request = Request(given["space"], given["seed"], given["requires"], given["params"], given["input_"])
        plan = OneShotPlan(
            request,
            given["strategy"],
            dict(given["options"]),
            given["recipe"],
            changes,
            given["seconds"] or 0,
        )
        directory: Path | None = given["directory"]
        if directory is None:
            folder = tempfile.TemporaryDirectory(prefix="archc-search-")
            ctx.call_on_close(folder.cleanup)
            directory = Path(folder.name)
        with ranks(given["device"]) as found:
            outcome = search(plan, directory, found, command=command_line(), watch=_tell)
    if given["format_"] == "json":
        print_json(
            {
                "point": _plain(outcome.result.point),
                "search_seconds": outcome.result.seconds,
                **outcome.trained,
            }
        )
        return
    click.echo(f"searched {outcome.result.seconds:,.1f} s: {outcome.result.steps:,} steps of the supernet")
    trained = outcome.trained
    click.echo(
        f"trained from scratch: {describe(trained)} on {trained['held_out']} examples, {trained['params']:,} params, "
        f"{trained['macs']:,} MACs, {trained['seconds']:,.1f} s"
    )
    if given["directory"] is None:
        click.echo((directory / "best_1.arch").read_text(), nl=False)
    else:
        click.echo(f"wrote {directory}: best_1.arch, best_1.json, search.jsonl, report.html, run/")


def _tell(line: dict[str, Any]) -> None:
    shown = ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in line.items()
    )
    complain(shown)


def _plain(point: dict[str, Any]) -> dict[str, Any]:
    return {path: list(a) if isinstance(a, tuple) else a for path, a in point.items()}
