"""`archc edf`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archc.cli.console import print_json, print_table
from archc.cli.files import OutputPath, write_file
from archc.cli.options import format_option

if TYPE_CHECKING:
    from archc.spaces.edf import Edf

EPILOG = """\b
Examples:
  archc edf out/anynetx out/regnetx
  archc edf out/regnetx --column val_error -o edf.png
  archc edf out/anynetx out/regnetx -o edf.csv

\b
POP is a directory of `archc sample`, or its population.csv or .parquet, with a column of errors.
F(e) is the share of networks with an error below e; bands are the 95 % bootstrap, point by point.
-o FILE.png or .svg needs matplotlib: pip install 'archc[report]'."""


@click.command(epilog=EPILOG)
@click.argument("pops", nargs=-1, required=True, metavar="POP...", type=click.Path(path_type=Path))
@click.option("--column", default="error", show_default=True, help="The errors, lower is better.")
@click.option("-o", "output", type=OutputPath(), help="FILE.csv, .png or .svg.")
@format_option
def command(pops: tuple[Path, ...], column: str, output: Path | None, format_: str) -> None:
    """Compare the errors of trained populations."""
    found = [load_edf(path, column) for path in pops]
    if format_ == "json":
        print_json([_to_dict(e) for e in found])
    else:
        print_table(
            ("population", "networks", "best", "median", "mean", "worst"),
            [
                (
                    e.name,
                    str(len(e.errors)),
                    *(f"{v:.2f}" for v in (e.errors[0], e.median, e.mean, e.errors[-1])),
                )
                for e in found
            ],
        )
    if output is not None:
        write_file(output, _rendered(found, output.suffix.lower(), column))
        click.echo(f"wrote {output}", err=format_ == "json")


def load_edf(path: Path, column: str) -> Edf:
    """The EDF of a population on disk; raises ClickException."""
    from archc.spaces.edf import edf, errors_of

    rows = load_rows(path)
    name = path.name if path.is_dir() else path.parent.name or path.stem
    try:
        return edf(name, [error for _, error in errors_of(rows, column)])
    except ValueError:
        have = ", ".join(rows[0]) if rows else "no rows"
        raise click.ClickException(f"{path}: no numbers in a column `{column}`; it has {have}") from None


def load_rows(path: Path) -> list[dict[str, Any]]:
    """The table of a population; raises ClickException."""
    from archc.spaces.files import read_rows

    try:
        return read_rows(path)
    except (OSError, ValueError) as error:
        raise click.ClickException(f"cannot read {path}: {error}") from None
    except ImportError:
        raise click.ClickException(f"{path} needs pyarrow: pip install 'archc[report]'") from None


def _rendered(found: list[Edf], suffix: str, column: str) -> str | bytes:
    if suffix == ".csv":
        lines = ["population,error,share,low,high"]
        lines += [
            f"{e.name},{error!r},{share!r},{low!r},{high!r}"
            for e in found
            for error, share, low, high in zip(e.errors, e.shares, e.low, e.high, strict=True)
        ]
        return "\n".join(lines) + "\n"
    if suffix not in (".png", ".svg"):
        raise click.UsageError("-o: the name must end in .csv, .png or .svg")
    from archc.spaces.plots import edf_figure

    return edf_figure(found, column, suffix[1:])


def _to_dict(e: Edf) -> dict[str, Any]:
    return {
        "population": e.name,
        "networks": len(e.errors),
        "best": e.errors[0],
        "median": e.median,
        "mean": e.mean,
        "errors": list(e.errors),
        "shares": list(e.shares),
        "low": list(e.low),
        "high": list(e.high),
    }
