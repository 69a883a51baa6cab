"""The lines of a log as scalars for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

GROUPS = {
    "eval": "held out",
    "ema": "held out",
    "images": "speed",
    "tflops": "speed",
    "mfu": "speed",
    "memory": "speed",
}
"""By the first word of a key; all others are of training."""


class Board:
    """A context; `write` takes the lines of the log with what the clock adds. Raises ImportError without tensorboard.

    A resumed run hides what an earlier one wrote of the same steps.
    """

    def __init__(self, directory: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._make, self._directory = SummaryWriter, directory
        self._writer: Any = None

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer:
            self._writer.close()

    def write(self, line: dict[str, Any]) -> None:
        """Takes in one line of the log."""
        step = line["step"]
        if not self._writer:
            self._writer = self._make(str(self._directory), purge_step=step)
        for key, value in line.items():
            if key != "step":
                self._writer.add_scalar(f"{GROUPS.get(key.split('_')[0], 'training')}/{key}", value, step)
