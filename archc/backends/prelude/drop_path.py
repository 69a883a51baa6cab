import torch
import torch.nn as nn


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016, arXiv:1603.09382): in training zeroes whole examples.

    `rescale` divides the others by 1 - rate.
    """

    def __init__(self, rate: float, rescale: bool = True) -> None:
        super().__init__()
        self.rate, self.rescale = rate, rescale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.rate == 0.0:
            return x
        keep = 1.0 - self.rate
        mask = x.new_empty(x.shape[0], *[1] * (x.ndim - 1)).bernoulli_(keep)
        return x * (mask.div_(keep) if self.rescale else mask)

    def extra_repr(self) -> str:
        return f"{self.rate:.4g}" + ("" if self.rescale else ", rescale=False")
