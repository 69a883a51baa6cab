"""Stochastic depth whose rates grow over a run, as DARTS's and NASNet's final training have it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Ramp:
    """Puts in place of every `DropPath` of a module one whose rate is a share of what the spec says.

    The share is a tensor on the device, so that a compiled step sees it change.
    """

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self.share = torch.zeros((), device=device)
        for parent in list(module.modules()):
            for name, part in list(parent.named_children()):
                if type(part).__name__ == "DropPath":  # every emitted source has a class of its own
                    rate, rescale = float(part.rate), bool(part.rescale)  # type: ignore[arg-type]  # plain attributes
                    setattr(parent, name, RampedDropPath(rate, rescale, self.share))

    def at(self, step: int, steps: int) -> None:
        """Sets the rates of a step: 0 at the first, what the spec says past the last."""
        self.share.fill_(step / steps)


class RampedDropPath(nn.Module):
    """DropPath of the emitted source at the rate `rate * share`."""

    def __init__(self, rate: float, rescale: bool, share: Tensor) -> None:
        super().__init__()
        self.rate, self.rescale, self.share = rate, rescale, share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        keep = 1.0 - self.rate * self.share
        mask = (torch.rand(x.shape[0], *[1] * (x.ndim - 1), device=x.device) < keep).to(x.dtype)
        return x * (mask / keep.to(x.dtype) if self.rescale else mask)
