"""How fast a run is; kept out of the log, which must not depend on the machine."""

from __future__ import annotations

import resource
import time

import torch

from archc.ir import Graph

BACKWARD = 3
"""A training step is a forward and two passes of the same size backward."""


class Clock:
    """Images and floating-point operations a second since the last reading."""

    def __init__(self, graph: Graph, batch: int) -> None:
        self._macs = graph.cost.macs + graph.train_only_cost.macs
        self._batch = batch
        self._step, self._at = 0, 0.0

    def start(self, step: int) -> None:
        self._step, self._at = step, time.perf_counter()

    def read(self, step: int) -> dict[str, float]:
        """images_per_second, tflops (2·macs, forward and backward) and peak memory_mb."""
        now = time.perf_counter()
        rate = (step - self._step) * self._batch / max(now - self._at, 1e-9)
        self._step, self._at = step, now
        return {
            "images_per_second": rate,
            "tflops": rate * 2 * self._macs * BACKWARD / 1e12,
            "memory_mb": peak_memory() / 2**20,
        }


def peak_memory() -> int:
    """Bytes at the worst moment: of the accelerator where there is one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
