import torch
import torch.nn as nn
import torch.nn.functional as F

from archc.backends.prelude.same_pad import same_pad
from archc.backends.prelude.standardise import Standardise


class WSConv2d(nn.Conv2d):
    """Convolution with scaled weight standardisation (Brock et al. 2021, arXiv:2101.08692).

    Each output channel's kernel has mean 0 and variance 1/fan_in, times `gamma` and a learnable gain.
    style "deepmind" divides by sqrt(max(variance * fan_in, eps)), "timm" by sqrt((variance + eps) * fan_in).
    padding "same" is TensorFlow's.
    """

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] | str = (0, 0),
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
        bias: bool = True,
        gamma: float = 1.0,
        eps: float = 1e-4,
        style: str = "deepmind",
    ) -> None:
        self.same = padding == "same"
        explicit = (0, 0) if isinstance(padding, str) else padding
        super().__init__(in_channels, out_channels, kernel_size, stride, explicit, dilation, groups, bias)
        self.gain = nn.Parameter(torch.ones(out_channels, 1, 1, 1))
        self.gamma, self.eps, self.style = gamma, eps, style

    def standardised(self) -> torch.Tensor:
        """The kernel in effect, (out_channels, in_channels // groups, height, width)."""
        deepmind, fan_in = self.style == "deepmind", self.weight[0].numel()
        floor, extra = (self.eps**0.5, 0.0) if deepmind else (0.0, self.eps * fan_in)
        gain = self.gain * self.gamma
        kernel: torch.Tensor = Standardise.apply(self.weight, gain, floor, extra)  # type: ignore[no-untyped-call]  # torch has no types for it
        return kernel

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if self.same:
            input = same_pad(input, self.kernel_size, self.stride, self.dilation)
        weight = self.standardised()
        return F.conv2d(input, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
