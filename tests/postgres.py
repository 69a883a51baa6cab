"""A PostgreSQL server of our own, in a directory of its own, for as long as a test needs it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def binaries() -> Path:
    """Where initdb and pg_ctl are; `tools/postgres.sh` installs them."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    assert places, "no PostgreSQL: run tools/postgres.sh"
    return places[-1].parent


@contextmanager
def server() -> Iterator[str]:
    """The URL of a fresh server, reached by a socket in its directory; root starts it as another user."""
    directory = Path(tempfile.mkdtemp(prefix="archc-postgres-", dir="/tmp"))
    options: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "cwd": directory}
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(directory, account.pw_uid, account.pw_gid)
        options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    data = directory / "data"
    try:
        subprocess.run(
            [binaries() / "initdb", "-D", data, "-U", "archc", "-A", "trust", "--no-sync"], **options
        )
        settings = f"-c listen_addresses='' -c unix_socket_directories={directory} -c fsync=off"
        start = [binaries() / "pg_ctl", "-D", data, "-w", "-l", directory / "log", "-o", settings, "start"]
        subprocess.run(start, **options)
        try:
            yield f"postgresql://archc@/postgres?host={directory}"
        finally:
            subprocess.run([binaries() / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **options)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
