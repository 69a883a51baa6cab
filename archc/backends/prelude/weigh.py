import torch
import torch.nn as nn


class Weigh(nn.Module):
    """One of `count` candidates for k places, multiplied by k times its share; see Mix.

    plain: the sum has no shares. chosen: those that are in it, of which this may be none.
    """

    def __init__(self, index: int, count: int, k: int) -> None:
        super().__init__()
        self.index = index
        self.k = k
        self.alpha = nn.Parameter(torch.zeros(count))
        self.weights: torch.Tensor | None = None
        self.chosen: tuple[int, ...] | None = None
        self.plain = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.chosen is not None:
            return x if self.index in self.chosen else x.new_zeros(()).expand_as(x)
        if self.plain:
            return x
        weights = torch.softmax(self.alpha, 0) if self.weights is None else self.weights
        return x * (self.k * weights[self.index]).to(x.dtype)
