import torch
import torch.nn as nn


class ChannelLinear(nn.Linear):
    """A linear layer over the channels of (N, C, H, W)."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
