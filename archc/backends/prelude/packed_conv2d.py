from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F

from archc.backends.prelude.same_pad import same_pad


class PackedConv2d(nn.Conv2d):
    """Convolution, sum and activation as one oneDNN call with a prepacked kernel: inference on CPUs in float32.

    oneDNN's calls are private to torch. Where they are missing, and on other devices, in other types, with gradients
    or under torch.compile, the same is computed by plain calls. A kernel is packed at the first call, for the shape
    of that input, and again after the weights were loaded or moved.
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
        act: str = "none",
    ) -> None:
        self.same = padding == "same"
        explicit = (0, 0) if isinstance(padding, str) else padding
        super().__init__(in_channels, out_channels, kernel_size, stride, explicit, dilation, groups, bias)
        self.act = act
        calls: dict[str, tuple[str, list[float], str]] = {
            "none": ("none", [], ""),
            "relu": ("relu", [], ""),
            "relu6": ("hardtanh", [0.0, 6.0], ""),
            "silu": ("swish", [], ""),
            "gelu": ("gelu", [], "none"),
            "sigmoid": ("sigmoid", [], ""),
            "hardswish": ("hardswish", [], ""),
            "hardsigmoid": ("hardsigmoid", [], ""),
        }
        self.call = calls[act]
        self.packed: tuple[Any, ...] | None = None

    def pack(self, shape: torch.Size) -> tuple[Any, ...]:
        """The arguments of oneDNN's call after the input, the kernel laid out for inputs of that shape."""
        geometry = (list(self.padding), list(self.stride), list(self.dilation), self.groups)
        weight = self.weight.detach().contiguous(memory_format=torch.channels_last)
        kernel = torch.ops.mkldnn._reorder_convolution_weight(weight, *geometry, list(shape))
        return (kernel, None if self.bias is None else self.bias.detach(), *geometry)

    def forward(self, input: torch.Tensor, other: torch.Tensor | None = None) -> torch.Tensor:
        if self.same:
            input = same_pad(input, self.kernel_size, self.stride, self.dilation)
        plain = (
            torch.compiler.is_compiling()
            or torch.is_grad_enabled()
            or input.device.type != "cpu"
            or input.dtype != torch.float32
            or not hasattr(torch.ops.mkldnn, "_reorder_convolution_weight")
        )
        if plain:
            result = super().forward(input)
            result = result if other is None else result + other
            return result if self.act == "none" else getattr(F, self.act)(result)
        if self.packed is None:
            self.packed = self.pack(input.shape)
        fused: torch.Tensor
        if other is None:
            fused = torch.ops.mkldnn._convolution_pointwise(input, *self.packed, *self.call)
        else:
            name, scalars, algorithm = self.call
            act = (None if name == "none" else name, scalars, algorithm)
            fused = torch.ops.mkldnn._convolution_pointwise.binary(
                input, other, *self.packed, "add", 1.0, *act
            )
        return fused

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self.packed = None
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch's is untyped

    def _load_from_state_dict(self, *args: Any) -> None:
        self.packed = None
        super()._load_from_state_dict(*args)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "packed": None}
