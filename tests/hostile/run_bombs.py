"""Check every bomb in this process, under limits of memory and CPU time; print one line each.

    python -m tests.hostile.run_bombs [NAME…]

Run by the tests in a process of its own; by hand it shows the CPU seconds.
"""

from __future__ import annotations

import resource
import signal
import sys
import time
from pathlib import Path

from archc.diagnostics import render
from archc.elaborate import check_text
from tests.hostile.bombs import BOMBS

MEMORY = 512 * 2**20  # promised
HANG = 20.0  # CPU seconds after which one is taken to hang; what it takes is measured, not asserted


def peak_memory() -> int:
    """Bytes this process held at most; `ru_maxrss` would count the process it was forked from."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def main(names: list[str]) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (2 * MEMORY, 2 * MEMORY))  # address space, mappings included

    def hang(number: int, frame: object) -> None:
        raise TimeoutError("hangs")

    signal.signal(signal.SIGPROF, hang)
    failed = 0
    for name in names or BOMBS:
        start = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, HANG)
        try:
            found = check_text(BOMBS[name])
            shown = sum(len(render(d)) for d in found)
            said = ",".join(dict.fromkeys(d.code for d in found)) or "clean"
        except BaseException as error:
            failed += 1
            shown, said = 0, f"ESCAPED {type(error).__name__}: {error}"
        signal.setitimer(signal.ITIMER_PROF, 0)
        spent = time.process_time() - start
        memory = peak_memory() // 2**20
        failed += shown > 2**20
        print(f"{name:20} {spent:6.2f} s {memory:5} MB {shown:7} characters  {said[:80]}", flush=True)
    peak = peak_memory()
    print(f"{len(names or BOMBS)} bombs, {failed} failed, peak {peak / 2**20:.0f} MB")
    return 1 if failed or peak > MEMORY else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
