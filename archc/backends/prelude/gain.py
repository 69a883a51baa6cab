import torch
import torch.nn as nn


class Gain(nn.Module):
    """Multiplies by one learnable number, and by a constant; adds the result to `total` where that is given."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(()))
        self.factor = factor

    def forward(self, x: torch.Tensor, total: torch.Tensor | None = None) -> torch.Tensor:
        gain = self.gain if self.factor == 1.0 else self.gain * self.factor
        return x * gain if total is None else torch.addcmul(total, x, gain)
