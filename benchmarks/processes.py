"""CPU time of whole processes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Mapping


def cold(code: str) -> float:
    """CPU seconds of a fresh Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # modules are compiled when installed, not at each start
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_turn(codes: Mapping[str, str], repeat: int) -> dict[str, list[float]]:
    """CPU seconds of each, a fresh process a run, run in turn."""
    times: dict[str, list[float]] = {name: [] for name in codes}
    for code in codes.values():  # their modules are compiled
        cold(code)
    for _ in range(repeat):
        for name, code in codes.items():
            times[name].append(cold(code))
    return times
