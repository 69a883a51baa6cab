"""`archc mutate`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from archc.cli.files import OutputPath
from archc.cli.freeze_command import deliver, identifier
from archc.cli.options import spec_argument

EPILOG = """\b
Examples:
  archc sample regnet --n 1 -o out && archc mutate out/regnet_000002.arch
  archc mutate best.arch --seed 3 -o next.arch
  archc mutate best.arch --n 5 -o neighbours

\b
A spec is a point of a space if `archc freeze`, `sample` or `search` wrote it, or if it is a variant that
binds parameters with domains. The seed decides which choice changes, and into what."""


@click.command(epilog=EPILOG)
@spec_argument
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--n", "number", type=click.IntRange(min=1), help="Write so many neighbours, into the directory -o."
)
@click.option("-o", "output", type=OutputPath("either"), help="Write there instead of printing.")
@click.option("--name", metavar="NAME", help="Of the neighbour.  [default: the output's, or NAME_next]")
def command(spec: str, seed: int, number: int | None, output: Path | None, name: str | None) -> None:
    """Write a neighbour of a network: the same but for one choice of its design space."""
    from archc.elaborate.choosers import Stream
    from archc.elaborate.values import Rejected
    from archc.spaces.frozen import frozen, point_of
    from archc.spaces.point_text import to_json
    from archc.spaces.points import mutate

    if number is not None and output is None:
        raise click.UsageError("--n writes files: name a directory with -o")
    space, point = point_of(spec)
    base = Path(spec.partition(":")[2] or spec).stem
    for index in range(number or 1):
        rng = Stream(b"mutate:%d:%d:" % (seed, index) + to_json(point).encode())
        try:
            found = mutate(space, point, rng).point
        except Rejected as rejected:
            raise click.ClickException(f"no neighbour was found that meets `{rejected}`") from None
        called = name or (
            f"{base}_{index}" if number else output.stem if output is not None else f"{base}_next"
        )
        changed = [
            f"{path} from {_shown(point[path])} to {_shown(found[path])}"
            for path in point
            if path in found and point[path] != found[path]
        ]
        doc = f"A neighbour of {base}: {', '.join(changed)}."
        text = frozen(space, found, identifier(called), doc, f"archc mutate --seed {seed}")
        deliver(text, output / f"{called}.arch" if number and output is not None else output)


def _shown(answer: object) -> str:
    if isinstance(answer, tuple):
        return "+".join(map(str, answer))
    return json.dumps(answer)
