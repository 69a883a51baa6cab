"""`archc fmt`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from archc.cli.console import fail, print_diagnostics
from archc.cli.files import OutputError, write_file
from archc.diagnostics import ArchError, Source

MAX_BYTES = 256 * 1024  # the largest source the compiler takes

EPILOG = """\b
Examples:
  archc fmt mynet.arch            rewrite in canonical form
  archc fmt --check specs/        say which files would change; exit 1 if any
  archc fmt --diff mynet.arch     show how, change nothing
  archc fmt - < mynet.arch        from stdin to stdout"""


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--check", is_flag=True, help="Change nothing; exit 1 if a file is not in canonical form.")
@click.option("--diff", is_flag=True, help="Change nothing; print the differences, exit 1 if there are any.")
@click.pass_context
def command(ctx: click.Context, files: tuple[Path, ...], check: bool, diff: bool) -> None:
    """Rewrite specs in canonical form."""
    from archc.syntax.format import format_source

    if Path("-") in files and len(files) > 1:
        raise click.UsageError("- (stdin) cannot be mixed with files")
    changed, failed = 0, False
    paths = list(spec_files(files))
    for path in paths:
        try:
            text = _read(path)
            formatted = format_source(Source("<stdin>" if _stdin(path) else str(path), text))
        except ArchError as error:
            print_diagnostics(error.diagnostics)
            failed = True
            continue
        except OutputError as error:
            fail(error.format_message())
            failed = True
            continue
        if _stdin(path) and not (check or diff):
            click.echo(formatted, nl=False)
        elif formatted != text:
            changed += 1
            if diff:
                _print_diff(path, text, formatted)
            elif not check:
                write_file(path, formatted)
            if check:
                click.echo(f"would reformat {path}", err=True)
    if not (check or diff) and not _stdin(files[0]):
        click.echo(f"{changed} of {len(paths)} file{'s' * (len(paths) != 1)} reformatted")
    if failed or ((check or diff) and changed):
        ctx.exit(1)


def spec_files(paths: tuple[Path, ...]) -> list[Path]:
    """The files named, directories replaced by the `.arch` files under them; raises UsageError if none are."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(p for p in path.rglob("*.arch") if p.is_file())
        if not inside:
            raise click.UsageError(f"no .arch files under {path}")
        found += inside
    return found


def _stdin(path: Path) -> bool:
    return str(path) == "-"


def _read(path: Path) -> str:
    try:
        if _stdin(path):
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise OutputError(f"{path}: larger than {MAX_BYTES // 1024} KiB")
        return data.decode()
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise OutputError(f"{path}: not UTF-8 text (byte {error.start})") from error


def _print_diff(path: Path, before: str, after: str) -> None:
    from difflib import unified_diff

    lines = unified_diff(
        before.splitlines(), after.splitlines(), str(path), f"{path} (formatted)", lineterm=""
    )
    for line in lines:
        click.echo(line)
