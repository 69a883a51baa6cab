"""`archc fit`."""

from __future__ import annotations

from typing import Any

import click

from archc.cli.console import print_json, warn
from archc.cli.count_command import cost_to_dict
from archc.cli.options import format_option, parse_input, parse_parameter, spec_argument
from archc.diagnostics import ArchError

METRICS = ("params", "macs", "flops", "activations")

EPILOG = """\b
Examples:
  archc fit mobilenet_v2 -p width --macs 200M
  archc fit mynet.arch -p depth --params 5M -p classes=10

\b
Finds the value whose figure is nearest, for a figure that grows with the parameter."""


def parse_budget(text: str) -> int:
    """`400M` or `400_000_000` as a number, K, M, G and T being powers of 1000; raises BadParameter."""
    from archc.syntax import ast
    from archc.syntax.parse import parse_expression

    try:
        number = parse_expression(text.strip())
    except ArchError:
        number = None
    if not isinstance(number, ast.Number) or number.value < 1:
        raise click.BadParameter(f"{text!r} is not a budget, such as 400M or 1.6G")
    return round(number.value)


@click.command(epilog=EPILOG)
@spec_argument
@click.option(
    "-p", "given", multiple=True, metavar="NAME", required=True,
    help="The parameter to solve for; with =VALUE, one to set.",
)  # fmt: skip
@click.option("--params", type=parse_budget, metavar="N", help="Learnable parameters to come to.")
@click.option("--macs", type=parse_budget, metavar="N", help="Multiply-adds to come to.")
@click.option("--flops", type=parse_budget, metavar="N", help="Floating-point operations to come to.")
@click.option("--activations", type=parse_budget, metavar="N", help="Convolution outputs to come to.")
@click.option(
    "--input", "input_", type=parse_input, metavar="CxHxW", help="Input size instead of the declared one."
)
@format_option
def command(
    spec: str,
    given: tuple[str, ...],
    input_: tuple[int, ...] | None,
    format_: str,
    **budgets: int | None,
) -> None:
    """Solve a parameter for a budget."""
    from archc.analyses.fit import Unreachable, fit
    from archc.elaborate import load, load_all

    wanted = [(name, value) for name, value in budgets.items() if value is not None]
    if len(wanted) != 1:
        raise click.UsageError(f"give one budget: {', '.join('--' + m for m in METRICS)}")
    metric, budget = wanted[0]
    free = [text for text in given if "=" not in text]
    if len(free) != 1:
        raise click.UsageError("name one parameter to solve for: -p width")
    name = free[0].strip()
    arguments = dict(parse_parameter(text) for text in given if "=" in text)
    whole, start, low, high = _parameter(spec, name, arguments)
    failures: list[ArchError] = []

    def measure(value: float) -> int | None:
        try:
            graph = load(spec, input=input_, **{**arguments, name: round(value) if whole else value})
        except ArchError as error:
            failures.append(error)
            return None
        return int(getattr(graph.cost, metric))

    try:
        found = fit(measure, budget, whole=whole, start=start, low=low, high=high)
    except Unreachable as ends:
        if ends.lowest is None or ends.highest is None:
            raise failures[-1] from None
        reach = " and ".join(
            f"{f:,} at {name} = {v:g}" for v, f in dict.fromkeys((ends.lowest, ends.highest))
        )
        raise click.ClickException(
            f"{metric} = {budget:,} is unreachable by {name}: it comes to {reach}"
        ) from None
    graph = load_all(spec, input=input_, arguments={**arguments, name: found.value}).graph
    if format_ == "json":
        print_json(
            {
                "name": graph.name, "parameter": name, "value": found.value, "metric": metric, "budget": budget,
                **cost_to_dict(graph.cost), "below": found.below, "above": found.above, "tried": found.tried,
                "monotone": found.monotone,
            }
        )  # fmt: skip
        return
    off = (found.figure - budget) / budget
    click.echo(f"{name} = {found.value:.10g}: {metric} {found.figure:,}, {off:+.2%} of {budget:,}")
    for side, point in (("below", found.below), ("above", found.above)):
        if point and point[1] != found.figure:
            click.echo(f"nearest {side}: {name} = {point[0]:.10g}, {metric} {point[1]:,}")
    others = (f"{n} {v:,}" for n, v in cost_to_dict(graph.cost).items() if n != metric and n != "buffers")
    click.echo(f"{' · '.join(others)} · {found.tried} networks tried")
    if not found.monotone:
        warn(f"{metric} does not always grow with {name}: a better value may have been overlooked")


def _parameter(spec: str, name: str, arguments: dict[str, Any]) -> tuple[bool, float, float, float]:
    """Whether a parameter is an int, where to start, and its bounds; raises UsageError where it is no number."""
    from archc.analyses.parameters import parameters
    from archc.diagnostics import did_you_mean

    known = parameters(spec)
    if name not in known:
        raise click.UsageError(
            f"{spec} has no parameter {name!r}: {' '.join(did_you_mean(name, known)) or ', '.join(known)}"
        )
    found = known[name]
    if found.type not in ("int", "float"):
        raise click.UsageError(f"{name} is {found.type}, not a number to solve for")
    numbers = [v for v in (arguments.get(name), found.value) if isinstance(v, int | float)]
    start = float(numbers[0]) if numbers else 1.0
    return found.type == "int", start, found.low, found.high
