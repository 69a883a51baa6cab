"""Writing results: whole or not at all, and never through a link.

A spec's name chooses file names, and a spec is untrusted; so a result replaces only plain files.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click


class OutputError(click.ClickException):
    """A result could not be written; exit code 1."""


def write_file(path: Path, content: str | bytes) -> None:
    """Writes a temporary file beside `path`, then renames it; makes missing directories.

    Raises OutputError where `path` is a symlink, a hard link or no plain file, or the system refuses.
    """
    import tempfile

    data = content.encode() if isinstance(content, str) else content
    _check_plain(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).chmod(0o666 & ~_umask())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def _check_plain(path: Path) -> None:
    if path.is_symlink():
        raise OutputError(f"{path} is a symbolic link: remove it, or choose another output")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is not a plain file: choose another output")
    if path.exists() and path.stat().st_nlink > 1:
        raise OutputError(f"{path} is a hard link to another file: remove it, or choose another output")


def check_writable(path: Path, *, directory: bool = False) -> None:
    """Raises OutputError where a file, or files in a directory, could not be written: asked before the work is done.

    Nothing stays behind; missing directories are not made yet.
    """
    import tempfile

    try:
        if not directory:
            _check_plain(path)
        there = path if directory else path.parent
        while not there.exists():
            there = there.parent
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


class OutputPath(click.Path):
    """An argument that is written to, refused at once where it cannot be. kind: `file`, `directory` or `either`."""

    def __init__(self, kind: str = "file") -> None:
        super().__init__(file_okay=kind != "directory", dir_okay=kind != "file", path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path: Any = super().convert(value, param, ctx)
        if str(path) != "-" and not (ctx and ctx.resilient_parsing):
            check_writable(path, directory=not self.file_okay or (self.dir_okay and path.is_dir()))
        return path


def announce(path: Path) -> None:
    """Says on stderr what was written: stdout is for content."""
    size = path.stat().st_size
    shown = (
        f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB" if size >= 1e3 else f"{size} bytes"
    )
    click.echo(f"wrote {path} ({shown})", err=True)


def build_directory(name: str) -> Path:
    """`build/NAME` under the current directory; raises OutputError where either is a symlink or cannot be written."""
    directory = Path("build") / name
    for part in (directory.parent, directory):
        if part.is_symlink():
            raise OutputError(f"{part} is a symbolic link: remove it, or give a directory with -o")
    check_writable(directory, directory=True)
    return directory


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
