"""`archc freeze`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from archc.cli.files import OutputPath, write_file
from archc.cli.options import call_options
from archc.cli.sample_command import space_argument

EPILOG = """\b
Examples:
  archc space darts                              the choice points of a space
  archc freeze nb201 point.json -o best.arch
  archc freeze darts point.json -p width=36 -p repeats=6 -p auxiliary=true --name mine

\b
POINT is a JSON object: parameters by their value, picks by the index or indices picked, as in
  {"code[0]": 3, "code[1]": 0, …}        - reads it from the standard input.
The spec says which point it is, so that `archc mutate` can take it on from there."""


@click.command(epilog=EPILOG)
@space_argument
@click.argument("point", type=click.File("rb"))
@click.option(
    "-o",
    "output",
    type=OutputPath(),
    help="Write the spec there instead of printing it.",
)
@click.option("--name", metavar="NAME", help="Of the network.  [default: the output's, or the space's]")
@call_options
def command(
    space: str,
    point: Any,
    output: Path | None,
    name: str | None,
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
) -> None:
    """Write the network that a point of a design space is, as a spec."""
    from archc.elaborate.values import Rejected
    from archc.spaces.frozen import frozen
    from archc.spaces.point_text import from_json
    from archc.spaces.space import Request, Space
    from archc.syntax.parse import source_from_bytes

    found = Space(Request(space, arguments=params, input=input_))
    name_of_file = str(getattr(point, "name", "point.json"))
    source = source_from_bytes(name_of_file, point.read())
    answers = from_json(source.text, found.parameters, name_of_file)
    called = name or (output.stem if output is not None else f"{found.name}_point")
    try:
        text = frozen(found, answers, identifier(called))
    except Rejected as rejected:
        raise click.ClickException(
            f"this point does not meet `{rejected}`, which {found.name} requires"
        ) from None
    deliver(text, output)


def identifier(name: str) -> str:
    """A name that a spec can declare; raises BadParameter."""
    if not (name.isascii() and name.isidentifier() and len(name) <= 64):
        raise click.BadParameter(f"{name!r} is no name for a network: give one by --name, such as best_cell")
    return name


def deliver(text: str, output: Path | None) -> None:
    """Prints a spec, or writes it."""
    if output is None:
        click.echo(text, nl=False)
        return
    write_file(output, text)
    click.echo(f"wrote {output}")
