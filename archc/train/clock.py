"""How fast a run is; kept out of the log, which must not depend on the machine."""

from __future__ import annotations

import resource
import time

import torch

from archc.analyses.roofline import device_reported_as
from archc.ir import Graph
from archc.train.ranks import Ranks
from archc.train.recipe import Recipe

BACKWARD = 3
"""A training step is a forward and two passes of the same size backward."""


DTYPES = {"bf16": "bfloat16", "fp16": "float16"}


class Clock:
    """Images and floating-point operations a second since the last reading."""

    def __init__(self, graph: Graph, recipe: Recipe, ranks: Ranks) -> None:
        self._macs = graph.cost.macs + graph.train_only_cost.macs
        self._batch, self._device = recipe.data.batch, ranks.device
        peak = peak_of(ranks.device, recipe)
        self._peak = peak * ranks.world if peak else None
        self._step, self._at = 0, 0.0

    def start(self, step: int) -> None:
        self._step, self._at = step, time.perf_counter()

    def read(self, step: int) -> dict[str, float]:
        """images_per_second, tflops (2·macs, forward and backward), peak memory_mb, and where the device's peak is
        known mfu, the share of it that tflops are."""
        now = time.perf_counter()
        rate = (step - self._step) * self._batch / max(now - self._at, 1e-9)
        self._step, self._at = step, now
        flops = rate * 2 * self._macs * BACKWARD
        found = {
            "images_per_second": rate,
            "tflops": flops / 1e12,
            "memory_mb": peak_memory(self._device) / 2**20,
        }
        return found | ({"mfu": flops / self._peak} if self._peak else {})


def peak_of(device: torch.device, recipe: Recipe) -> float | None:
    """Operations a second of a device at the recipe's precision; None for one archc has no figures for."""
    found = device_reported_as(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
    plain = "tfloat32" if recipe.run.tf32 else "float32"
    return found.peak.get(DTYPES.get(recipe.run.precision, plain)) if found else None


def peak_memory(device: torch.device) -> int:
    """Bytes at the worst moment: of a GPU, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
