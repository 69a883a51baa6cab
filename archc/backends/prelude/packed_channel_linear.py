import torch
import torch.nn as nn
import torch.nn.functional as F

from archc.backends.prelude.fastest import Fastest
from archc.backends.prelude.packed import Packed


class PackedChannelLinear(Packed, nn.Linear):
    """A linear layer over the channels of (N, C, H, W), sum and activation as one call."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True, act: str = "none") -> None:
        super().__init__(in_features, out_features, bias)
        self.act = act

    def forward(self, input: torch.Tensor, other: torch.Tensor | None = None) -> torch.Tensor:
        call = self.call_for(input)
        if call is None:
            result = F.linear(input.permute(0, 2, 3, 1), self.weight, self.bias).permute(0, 3, 1, 2)
            return self.finish(result, other)
        return call(input, other)

    def pack(self) -> Fastest:
        return Fastest(self.weight[:, :, None, None], self.bias, (1, 1), (0, 0), (1, 1), 1, self.act)
