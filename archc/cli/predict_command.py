"""`archc predict`."""

from __future__ import annotations

from pathlib import Path

import click

from archc.cli.console import fail, print_json
from archc.cli.options import format_option
from archc.cli.training import training_problems

EPILOG = """\b
Examples:
  archc predict runs/first photo.jpg another.png --top 3
  archc predict runs/first photos/ --format json

\b
Of a folder, the images in it and below are taken. Exit code 1 where an image cannot be read; the others are told."""


@click.command(epilog=EPILOG)
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("images", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--top", type=click.IntRange(min=1), default=1, show_default=True, help="Classes to show.")
@click.option("--device", default="", metavar="NAME", help="cpu, cuda, …  [default: what there is]")
@format_option
@click.pass_context
def command(
    ctx: click.Context, run: Path, images: tuple[Path, ...], top: int, device: str, format_: str
) -> None:
    """Class and probability of images, by a trained network."""
    with training_problems(ctx):
        from archc.train.decoding import Unreadable
        from archc.train.finished import open_run, predict
        from archc.train.ranks import ranks
        from archc.train.readers import images_at

        found = {}
        failed = False
        with ranks(device) as group:
            opened = open_run(run, group.device)
            for image in (own for given in images for own in images_at(given)):
                try:
                    best = predict(opened, image.read_bytes())[:top]
                except (OSError, Unreadable):
                    fail(f"{image} cannot be read as an image")
                    failed = True
                    continue
                found[str(image)] = [{"class": c, "probability": p} for c, p in best]
                if format_ == "text":
                    click.echo(f"{image}: " + ", ".join(f"{c} {p:.1%}" for c, p in best))
    if format_ == "json":
        print_json(found)
    if failed:
        ctx.exit(1)
