import torch
import torch.nn as nn


class Gain(nn.Module):
    """Multiplies by one learnable number."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gain
