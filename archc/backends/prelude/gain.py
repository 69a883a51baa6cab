import torch
import torch.nn as nn


class Gain(nn.Module):
    """Multiplies by one learnable number, and by a constant."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(()))
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (self.gain if self.factor == 1.0 else self.gain * self.factor)
