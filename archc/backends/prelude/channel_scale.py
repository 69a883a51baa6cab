import torch
import torch.nn as nn


class ChannelScale(nn.Module):
    """Multiplies each channel by a learnable number; `size` is (C, 1, 1) for feature maps, (C,) for vectors."""

    def __init__(self, size: tuple[int, ...]) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale
