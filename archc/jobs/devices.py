"""What each worker of this machine gets: one accelerator of those there are, and its share of the cores."""

from __future__ import annotations

import os

from archc.train.machine import cores


def environments(workers: int, device: str = "", each: int = 1) -> list[dict[str, str]]:
    """Environment variables for workers, to be taken in turn: with fewer accelerators than workers, several share one.

    each: accelerators of one worker. device: as `archc train` takes it; default: accelerators where there are any.
    """
    shared = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(max(1, cores() // workers))}
    if device not in ("", "cuda"):
        return [shared]
    from archc.train.accelerators import visible

    names = visible()
    groups = [names[i : i + each] for i in range(0, len(names) - each + 1, each)]
    return [{**shared, "CUDA_VISIBLE_DEVICES": ",".join(group)} for group in groups] or [shared]
