"""How long a search may take: epochs of its half of the data, or seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

SYNC_EVERY = 10
"""Steps between which the host waits for the device, so that seconds are seconds of work done."""


@dataclass(frozen=True)
class Budget:
    """The first of the two that is reached; 0: no limit. One must be given."""

    epochs: float = 0
    seconds: float = 0

    def steps(
        self, epoch_steps: int, device: torch.device, first: int, seconds: Callable[[], float]
    ) -> Iterator[tuple[int, float]]:
        """Numbers the steps from `first`, and says how much of the budget is used before each, from 0 to 1.

        seconds: taken so far.
        """
        if self.epochs <= 0 and self.seconds <= 0:
            raise ValueError("a budget needs epochs or seconds")
        last = max(1, round(self.epochs * epoch_steps)) if self.epochs > 0 else 0
        step = first
        while True:
            shares = [step / last] if last else []
            if self.seconds > 0:
                if device.type == "cuda" and step % SYNC_EVERY == 0:
                    torch.cuda.synchronize(device)
                shares.append(seconds() / self.seconds if step else 0.0)
            used = max(shares)
            if used >= 1:
                return
            yield step, used
            step += 1
