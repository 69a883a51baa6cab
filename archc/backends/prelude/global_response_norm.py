import torch
import torch.nn as nn


class GlobalResponseNorm(nn.Module):
    """Global response normalisation of (N, C, H, W) (ConvNeXt V2, arXiv:2301.00808)."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True)
        ratio = size / (size.mean(1, keepdim=True) + self.eps)
        return x + torch.addcmul(self.bias, self.weight, x * ratio)
