"""The processes of a run: one, or those `torchrun` started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Ranks:
    """rank of world processes, on a device of its own."""

    rank: int
    world: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def total(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def gathered(self, value: Tensor) -> list[Tensor]:
        """The tensors of all processes, equal in shape."""
        if self.world == 1:
            return [value]
        parts = [torch.empty_like(value) for _ in range(self.world)]
        dist.all_gather(parts, value)
        return parts

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def ranks(device: str = "") -> Iterator[Ranks]:
    """The process group `torchrun`'s environment describes, or a group of one.

    device: "cpu", "cuda", …; default: the accelerator where there is one.
    """
    kind = device or (torch.accelerator.current_accelerator() or torch.device("cpu")).type
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    own = torch.device(kind, local) if kind not in ("cpu", "mps") else torch.device(kind)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    if world == 1:
        yield Ranks(0, 1, own)
        return
    dist.init_process_group("nccl" if own.type == "cuda" else "gloo")
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size(), own)
    finally:
        dist.destroy_process_group()
