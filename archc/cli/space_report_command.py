"""`archc space-report`."""

from __future__ import annotations

from pathlib import Path

import click

from archc.cli.edf_command import load_rows
from archc.cli.files import OutputPath, write_file

EPILOG = """\b
Examples:
  archc space-report out/anynetx out/regnetx -o report
  archc space-report out/regnetx --column val_error -o report

\b
Writes space_report.html, which loads nothing, and PNGs: the EDFs of errors, each parameter against the
error with the band its best value lies in (95 % of 10,000 bootstraps of a quarter of the networks), and
complexity against activations. Populations that are not trained show the last alone.
The PNGs need matplotlib: pip install 'archc[report]'."""


@click.command("space-report", epilog=EPILOG)
@click.argument("pops", nargs=-1, required=True, metavar="POP...", type=click.Path(path_type=Path))
@click.option("--column", default="error", show_default=True, help="The errors, lower is better.")
@click.option(
    "-o",
    "directory",
    type=OutputPath("directory"),
    default=Path("space_report"),
    show_default=True,
    help="Directory for the results.",
)
def command(pops: tuple[Path, ...], column: str, directory: Path) -> None:
    """The figures that compare design spaces, as PNG and HTML."""
    from archc.spaces.plots import study_figures
    from archc.spaces.report import page, study

    studied = []
    for path in pops:
        rows = load_rows(path)
        if not rows:
            raise click.ClickException(f"{path}: the population is empty")
        studied.append(study(path.name if path.is_dir() else path.parent.name or path.stem, rows, column))
    results: dict[str, str | bytes] = {"space_report.html": page(studied, column)}
    results |= {f"{name}.png": content for name, content in study_figures(studied, column).items()}
    for name, content in results.items():
        write_file(directory / name, content)
        click.echo(f"wrote {directory / name}")
