import torch
import torch.nn as nn

from archc.backends.prelude.same_pad import same_pad


class SamePadConv2d(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding, computed from the input size."""

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(same_pad(input, self.kernel_size, self.stride, self.dilation))
