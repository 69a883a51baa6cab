"""Files that are whole or absent: written beside their place, synced, renamed, and the directory synced."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

CHUNK = 1 << 20
SUFFIX = ".writing"

Milestone = Callable[[str], None]
"""Called between any two operations a crash may fall between; tests crash there."""


def passed(name: str) -> None:
    """The milestone of real runs: nothing happens."""


def write(path: Path, data: bytes, milestone: Milestone = passed) -> str:
    """Writes `data` to `path` and returns its SHA-256 in hexadecimal. Raises OSError, `path` as it was."""
    temporary = path.with_name(path.name + SUFFIX)
    try:
        with temporary.open("wb") as file:
            for start in range(0, len(data), CHUNK):
                file.write(data[start : start + CHUNK])
                file.flush()
                milestone(f"written {path.name}")
            os.fsync(file.fileno())
        milestone(f"synced {path.name}")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        error.filename = error.filename or str(path)  # writes and syncs do not name it
        raise
    milestone(f"renamed {path.name}")
    sync_directory(path.parent)
    milestone(f"directory synced after {path.name}")
    return digest(data)


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sync_directory(directory: Path) -> None:
    """Makes renames in a directory last."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
