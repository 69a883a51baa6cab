import threading
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn as nn


class Parts:
    """Runs sections over a few images of a batch at a time where that is faster: CPUs, float32, no gradients.

    Feature maps then stay in the cache from one layer to the next. As many images as have `most` numbers; for a shape
    of input a section runs whole until its layers have chosen their calls, then in parts until they have for those,
    then each way a few times, timed; the faster stays. After many shapes, and with
    `torch.use_deterministic_algorithms(True)`, sections run whole.
    """

    most, rounds, margin, most_runs = 1 << 18, 5, 0.95, 256

    def __init__(self) -> None:
        self.runs: dict[Any, Callable[..., Any]] = {}
        self.choosing: set[Any] = set()  # sections and shapes still being timed

    def __call__(self, section: str, module: nn.Module, *inputs: torch.Tensor) -> Any:
        first = inputs[0]
        if (
            first.numel() <= self.most
            or first.shape[0] == 1
            or torch.is_grad_enabled()
            or not first.is_cpu
            or first.dtype != torch.float32
            or torch.compiler.is_compiling()
            or torch.are_deterministic_algorithms_enabled()
        ):
            return module(*inputs)
        key = (section, *(x.shape for x in inputs))
        run = self.runs.get(key) or (self._start(key) if len(self.runs) < self.most_runs else self._whole)
        return run(module, *inputs)

    def _start(self, key: Any) -> Callable[..., Any]:
        """What runs a section for a shape of input seen for the first time."""
        ways = (self._whole, self._in_parts)
        best = [float("inf")] * 2
        phase = turn = 0  # 0: whole, 1: in parts, until the layers have chosen; 2: each in turn
        free = threading.Lock()
        self.choosing.add(key)

        def trial(module: nn.Module, *inputs: torch.Tensor) -> Any:
            nonlocal phase, turn
            if not free.acquire(blocking=False):  # another thread has its turn, or had the last one
                return module(*inputs)
            index = phase if phase < 2 else turn % 2
            start = time.perf_counter()
            result = ways[index](module, *inputs)
            taken = time.perf_counter() - start
            if phase < 2:
                phase += not any(
                    getattr(getattr(m, "packed", None), "choosing", None) for m in module.modules()
                )
            else:
                best[index] = min(best[index], taken)
                turn += 1
            if turn == 2 * self.rounds:
                self.runs[key] = ways[best[1] < self.margin * best[0]]
                self.choosing.discard(key)
            else:
                free.release()
            return result

        self.runs[key] = trial
        return trial

    def _whole(self, module: nn.Module, *inputs: torch.Tensor) -> Any:
        return module(*inputs)

    def _in_parts(self, module: nn.Module, *inputs: torch.Tensor) -> Any:
        batch = len(inputs[0])
        images = max(1, self.most * batch // inputs[0].numel())
        images = -(-batch // -(-batch // images))  # as many in each part
        found = [module(*part) for part in zip(*(torch.split(x, images) for x in inputs), strict=True)]
        if isinstance(found[0], tuple):
            return tuple(torch.cat(several) for several in zip(*found, strict=True))
        return torch.cat(found)

    def __getstate__(self) -> dict[str, Any]:
        return {"runs": {}, "choosing": set()}
