"""The accelerators of this machine, as those who share them out and clean up after a run see them."""

from __future__ import annotations

import gc
import os

import torch


def visible() -> list[str]:
    """Names of the CUDA devices this process may use, as CUDA_VISIBLE_DEVICES takes them; none is touched."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return [name for name in allowed.split(",") if name.strip()]
    return [str(i) for i in range(torch.cuda.device_count())]


def is_fault(error: BaseException) -> bool:
    """Whether an error leaves the device unusable to this process; running out of memory does not."""
    faults = getattr(torch, "AcceleratorError", ())
    return isinstance(error, faults) or "CUDA error" in str(error)


def release() -> None:
    """Gives the memory of runs that are over back, for other processes."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
