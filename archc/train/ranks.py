"""The processes of a run: one, or those `torchrun` started."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

PATIENCE = timedelta(minutes=10)
"""How long a process waits for one that is there but does not answer."""


class LostRank(Exception):
    """Another process of the run has ended or does not answer."""


class DeviceError(Exception):
    """The device asked for is not there; the message says what is."""


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

    def average_(self, tensors: Sequence[Tensor]) -> None:
        """Puts the mean over all processes into each tensor, all in one message; equal dtypes."""
        if self.world == 1 or not tensors:
            return
        flat = torch.cat([t.reshape(-1) for t in tensors])
        dist.all_reduce(flat)
        flat /= self.world
        for tensor, part in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            dist.barrier()


@contextmanager
def ranks(device: str = "") -> Iterator[Ranks]:
    """The process group `torchrun`'s environment describes, or a group of one.

    device: "cpu", "cuda", …; default: the accelerator where there is one. Raises LostRank where another process
    is gone: at once where its connections break, else after PATIENCE. Raises DeviceError.
    """
    kind = device or (_accelerator() or "cpu")
    _check_there(kind)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    alone = kind in ("cpu", "mps") or ":" in kind
    own = torch.device(kind) if alone else torch.device(kind, local)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    if world == 1:
        yield Ranks(0, 1, own)
        return
    dist.init_process_group("nccl" if own.type == "cuda" else "gloo", timeout=PATIENCE)
    rank = dist.get_rank()
    try:
        yield Ranks(rank, dist.get_world_size(), own)
    except RuntimeError as error:
        if not _of_network(error):
            raise
        text = str(error).strip().split("\n")[0]
        raise LostRank(f"process {rank} has lost another one of the {world}: {text}") from error
    dist.destroy_process_group()  # not after an error: it would wait for the others


def _accelerator() -> str | None:
    """The kind of accelerator that is there, not only in the build of torch: that of most wheels has CUDA in it."""
    found = torch.accelerator.current_accelerator()
    return found.type if found and torch.accelerator.is_available() else None


def _check_there(device: str) -> None:
    """Raises DeviceError for what torch does not know, or this machine lacks."""
    there = ["cpu", *filter(None, [_accelerator()])]
    try:
        made = torch.device(device)
    except RuntimeError:
        made = None
    if made and made.type in there and (made.index or 0) < max(1, torch.accelerator.device_count()):
        return
    without = ""
    if made and made.type == "cuda" and torch.version.cuda is None:
        without = f"; this torch, {torch.__version__}, is built without CUDA"
    raise DeviceError(f"there is no device {device!r} here, only {' and '.join(there)}{without}")


def _of_network(error: RuntimeError) -> bool:
    """gloo raises plain errors from the backward pass, known only by their text."""
    words = ("gloo", "nccl", "connection", "socket", "timed out")
    return isinstance(error, dist.DistError) or any(word in str(error).lower() for word in words)
