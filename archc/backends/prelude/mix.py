import torch
import torch.nn as nn


class Mix(nn.Module):
    """A sum weighted by the softmax of learnable numbers; of those `chosen` alone, where it is set.

    weights: the shares, where they are computed elsewhere; choices that share them set one tensor.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(count))
        self.weights: torch.Tensor | None = None
        self.chosen: tuple[int, ...] | None = None

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        if self.chosen is not None:
            found = [xs[i] for i in self.chosen]
            return found[0] if len(found) == 1 else torch.stack(found).sum(0)
        weights = torch.softmax(self.alpha, 0) if self.weights is None else self.weights
        total = xs[0] * weights[0].to(xs[0].dtype)
        for i in range(1, len(xs)):
            total = torch.addcmul(total, xs[i].to(total.dtype), weights[i].to(total.dtype))
        return total
