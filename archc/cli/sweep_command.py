"""`archc sweep`."""

from __future__ import annotations

import csv
import io
import itertools
from typing import Any

import click

from archc.cli.console import fail, print_json, print_table
from archc.cli.count_command import cost_to_dict
from archc.cli.options import literal_value, parse_input, spec_argument
from archc.diagnostics import ArchError

MAX_NETWORKS = 10_000

EPILOG = """\b
Examples:
  archc sweep mobilenet_v2 -p width=0.5,0.75,1.0
  archc sweep resnet50 -p classes=10,100,1000
  archc sweep regnet -p d=12..=28:4 -p w0=24,48 -p wa=36 -p wm=2.5 -p g=8 --format csv

\b
Values are separated by commas; a..b leaves b out, a..=b has it, and :s makes steps of s."""


def parse_values(text: str) -> tuple[str, list[Any]]:
    """`width=0.5,1`, `d=8..=16` or `d=8..=16:4` as a name and its values; raises BadParameter."""
    from archc.syntax import ast
    from archc.syntax.parse import parse_expression

    name, equals, written = (part.strip() for part in text.partition("="))
    if not equals or not name.isidentifier():
        raise click.BadParameter(f"{text!r} is not name=values, such as width=0.5,1.0 or d=8..=16:4")
    span, colon, step = written.rpartition(":")
    try:
        if not colon or ".." not in span:
            span, step = written, "1"
        parsed = parse_expression(f"[{span}]")
        by = literal_value(parse_expression(step))
        assert isinstance(parsed, ast.ListExpr)  # that is what brackets make
        values: list[Any] = []
        for item in parsed.items:
            if isinstance(item, ast.Range):
                values += _steps(literal_value(item.start), literal_value(item.stop), by, item.inclusive)
            elif isinstance(item, ast.Name):
                values.append(item.id)
            else:
                values.append(literal_value(item))
    except (ArchError, ValueError, TypeError):
        raise click.BadParameter(f"{written!r} is not values, such as 0.5,1.0 or 8..=16:4") from None
    if not values:
        raise click.BadParameter(f"{written!r} holds no values")
    return name, values


def _steps(low: float, high: float, by: float, inclusive: bool) -> list[float]:
    """low, low + by, … up to high; decimals stay the decimals they look like."""
    if by <= 0 or (high - low) / by > MAX_NETWORKS:
        raise ValueError("too many steps")
    values: list[float] = []
    for i in itertools.count():
        value = round(low + i * by, 12)
        if value > high or (value == high and not inclusive):
            return values
        values.append(value)
    raise AssertionError("unreachable")


@click.command(epilog=EPILOG)
@spec_argument
@click.option(
    "-p", "axes", type=parse_values, multiple=True, required=True, metavar="NAME=VALUES",
    help="A parameter and its values; several make a grid.",
)  # fmt: skip
@click.option(
    "--input", "input_", type=parse_input, metavar="CxHxW", help="Input size instead of the declared one."
)
@click.option(
    "--format", "format_", type=click.Choice(["text", "csv", "json"]), default="text", show_default=True
)
@click.pass_context
def command(
    ctx: click.Context,
    spec: str,
    axes: tuple[tuple[str, list[Any]], ...],
    input_: tuple[int, ...] | None,
    format_: str,
) -> None:
    """Tabulate the figures over ranges of parameters."""
    from archc.elaborate import load

    names = [name for name, _ in axes]
    if len(set(names)) < len(names):
        raise click.UsageError("a parameter is swept twice")
    grid = list(itertools.islice(itertools.product(*(values for _, values in axes)), MAX_NETWORKS + 1))
    if len(grid) > MAX_NETWORKS:
        raise click.UsageError(f"more than {MAX_NETWORKS:,} networks")
    rows: list[dict[str, Any]] = []
    last: ArchError | None = None
    for values in grid:
        arguments = dict(zip(names, values, strict=True))
        try:
            cost = load(spec, input=input_, **arguments).cost
            rows.append({"arguments": arguments, **cost_to_dict(cost), "error": None})
        except ArchError as error:
            last = error
            rows.append({"arguments": arguments, "error": error.diagnostics[0].message})
    built = [row for row in rows if row["error"] is None]
    if not built and last is not None:
        at = ", ".join(f"{name} = {value}" for name, value in rows[-1]["arguments"].items())
        fail(f"none of {len(rows)} networks can be built; with {at}:")
        raise last
    _print(rows, names, format_)
    if len(built) < len(rows):
        ctx.exit(1)


FIGURES = ("params", "macs", "flops", "activations")


def _print(rows: list[dict[str, Any]], names: list[str], format_: str) -> None:
    if format_ == "json":
        print_json(rows)
        return
    columns = (*names, *FIGURES)
    cells = [
        (*(str(row["arguments"][n]) for n in names), *(_figure(row, f, format_) for f in FIGURES))
        for row in rows
    ]
    if format_ == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows(
            [(*columns, "error"), *((*c, r["error"] or "") for c, r in zip(cells, rows, strict=True))]
        )
        click.echo(out.getvalue(), nl=False)
        return
    print_table(columns, cells, left=len(names))
    for row in rows:
        if row["error"]:
            shown = ", ".join(f"{n} = {v}" for n, v in row["arguments"].items())
            click.echo(f"{shown}: {row['error']}", err=True)


def _figure(row: dict[str, Any], name: str, format_: str) -> str:
    if row["error"] is not None:
        return "" if format_ == "csv" else "—"
    return str(row[name]) if format_ == "csv" else f"{row[name]:,}"
