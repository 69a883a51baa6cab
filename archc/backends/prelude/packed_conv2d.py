import torch
import torch.nn as nn

from archc.backends.prelude.fastest import Fastest
from archc.backends.prelude.packed import Packed
from archc.backends.prelude.same_pad import same_pad


class PackedConv2d(Packed, nn.Conv2d):
    """Convolution, sum and activation as one call. padding "same" is TensorFlow's."""

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
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
        act: str = "none",
    ) -> None:
        self.same = padding == "same"
        explicit = (0, 0) if isinstance(padding, str) else padding
        super().__init__(in_channels, out_channels, kernel_size, stride, explicit, dilation, groups, bias)
        self.act = act

    def forward(self, input: torch.Tensor, other: torch.Tensor | None = None) -> torch.Tensor:
        if self.same:
            input = same_pad(input, self.kernel_size, self.stride, self.dilation)
        call = self.call_for(input)
        if call is None:
            return self.finish(self._conv_forward(input, self.weight, self.bias), other)
        return call(input, other)

    def pack(self) -> Fastest:
        return Fastest(
            self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups, self.act
        )
