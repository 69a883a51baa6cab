"""Writing results: whole or not at all, and never through a link.

A spec's name chooses file names, and a spec is untrusted; so a result replaces only plain files.
"""

from __future__ import annotations

import os
from pathlib import Path

import click


class OutputError(click.ClickException):
    """A result could not be written; exit code 1."""


def write_file(path: Path, content: str | bytes) -> None:
    """Writes a temporary file beside `path`, then renames it; makes missing directories.

    Raises OutputError where `path` is a symlink, a hard link or no plain file, or the system refuses.
    """
    import tempfile

    data = content.encode() if isinstance(content, str) else content
    if path.is_symlink():
        raise OutputError(f"{path} is a symbolic link: remove it, or choose another output")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is not a plain file: choose another output")
    if path.exists() and path.stat().st_nlink > 1:
        raise OutputError(f"{path} is a hard link to another file: remove it, or choose another output")
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


def build_directory(name: str) -> Path:
    """`build/NAME` under the current directory; raises OutputError where either is a symlink."""
    directory = Path("build") / name
    for part in (directory.parent, directory):
        if part.is_symlink():
            raise OutputError(f"{part} is a symbolic link: remove it, or give a directory with -o")
    return directory


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
