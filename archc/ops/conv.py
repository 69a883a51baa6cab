"""Convolutions."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from archc.diagnostics.record import record
from archc.ops.base import Cost, Kind, NoVarianceRule, Op, OpError, Role, Sample, Shape, elements
from archc.ops.checks import need_feature_map, need_groups
from archc.ops.geometry import Padding, per, resolve_padding, times, window_output, window_recover
from archc.ops.params import Pair, param
from archc.ops.torch_code import Init, TorchCode, call
from archc.ops.weights import Initializer, weight_init


@record(slots=False)
class Window(Op):
    """What `conv` and `ws_conv` share: all but the weights' standardisation."""

    kind: ClassVar[Kind] = "conv"

    channels: int = param(ge=1, doc="output channels")
    kernel: Pair = param((1, 1), ge=1, doc="height and width of the window")
    stride: Pair = param((1, 1), ge=1, doc="step of the window")
    padding: Padding = param("half", ge=0, ambient=True, doc="pixels added around, or a convention")
    dilation: Pair = param((1, 1), ge=1, doc="distance of the window's taps")
    groups: int = param(1, ge=1, doc="independent groups of channels")
    bias: bool = param(False, ambient=True, doc="add a learnable bias per output channel")

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        need_feature_map(self.name, x)
        need_groups(self.name, x[0], self.groups, "input channels", about_input=True)
        size = window_output(self.name, x, self.kernel, self.stride, self.padding, self.dilation)
        return (self.channels, *size)

    def validate(self) -> None:
        need_groups(self.name, self.channels, self.groups, "output channels", about_input=False)

    def recover(self, *inputs: Shape) -> Shape:
        return window_recover(inputs[0], self.channels, self.stride)

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        per_output = self.kernel[0] * self.kernel[1] * (inputs[0][0] // self.groups)
        bias = self.channels if self.bias else 0
        size = elements(output)
        return Cost(
            params=per_output * self.channels + bias,
            macs=per_output * size,
            flops=2 * per_output * size + (size if self.bias else 0),
            activations=size,
        )

    def roles(self) -> dict[str, Role]:
        return {"weight": "conv", "bias": "bias"} if self.bias else {"weight": "conv"}

    def window_arguments(self) -> tuple[dict[str, Any], bool]:
        """Keyword arguments of the torch module, and whether `same` padding must follow the input size."""
        padding, dynamic = resolve_padding(self.padding, self.kernel, self.stride, self.dilation)
        kwargs: dict[str, Any] = {"kernel_size": self.kernel}
        if self.stride != (1, 1):
            kwargs["stride"] = self.stride
        if padding != (0, 0):
            kwargs["padding"] = padding
        if self.dilation != (1, 1):
            kwargs["dilation"] = self.dilation
        if self.groups != 1:
            kwargs["groups"] = self.groups
        if not self.bias:
            kwargs["bias"] = False
        return kwargs, dynamic

    def label(self) -> str:
        groups = f" g{self.groups}" if self.groups != 1 else ""
        dilation = f" d{self.dilation[0]}" if self.dilation != (1, 1) else ""
        return f"{self.name} {times(self.kernel)}, {self.channels}{per(self.stride)}{dilation}{groups}"


@record(slots=False)
class Conv(Window):
    """2-D convolution over (C, H, W). Starts He fan-out normal (He et al. 2015, arXiv:1502.01852), bias 0."""

    name: ClassVar[str] = "conv"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({"channels": 8, "kernel": 3}, ((4, 9, 7),)),
        ({"channels": 8, "kernel": (1, 7), "stride": 2, "groups": 4, "bias": True}, ((4, 9, 9),)),
        ({"channels": 6, "kernel": 3, "stride": 2, "padding": "same", "dilation": 2}, ((3, 12, 11),)),
        (
            {"channels": 6, "kernel": 5, "stride": 3, "padding": "symmetric", "init": ("normal", 0.01)},
            ((3, 12, 11),),
        ),
        ({"channels": 4, "kernel": 3, "padding": "valid", "init": "torch", "bias": True}, ((3, 6, 5),)),
    )

    init: Initializer = param("he_fan_out", ambient=True, doc="how the weights start")

    def variance(self, *inputs: float) -> float:
        # what a plain convolution does depends on its trained weights
        raise NoVarianceRule(self.name)

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        kwargs, dynamic = self.window_arguments()
        target = "SamePadConv2d" if dynamic else "nn.Conv2d"
        return TorchCode(
            module=call(target, inputs[0][0], self.channels, **kwargs),
            init=weight_init(self.init, bias=self.bias),
        )


@record(slots=False)
class WSConv(Window):
    """Convolution with scaled weight standardisation (Brock et al. 2021, arXiv:2101.08692).

    The kernel of each output channel is centred, divided by its standard deviation and √fan_in, and
    multiplied by a learnable gain and by `gamma` (that of the activation before it, when the activation
    does not apply its own). Standardising costs once per batch and folds away for inference, so it is
    not in `flops`.
    """

    name: ClassVar[str] = "ws_conv"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({"channels": 8, "kernel": 3}, ((4, 9, 7),)),
        ({"channels": 8, "kernel": 3, "stride": 2, "groups": 2, "style": "timm", "gamma": 1.7}, ((4, 9, 9),)),
        ({"channels": 6, "kernel": 3, "stride": 2, "padding": "same", "bias": False}, ((3, 12, 11),)),
        ({"channels": 6, "zero_init": True}, ((3, 5, 4),)),
    )

    bias: bool = param(True, ambient=True, doc="add a learnable bias per output channel")
    init: Initializer = param("lecun", ambient=True, doc="how the weights start")
    gamma: float = param(1.0, doc="constant folded into the kernel")
    eps: float | None = param(None, ge=0, ambient=True, doc="none: 1e-4 (deepmind), 1e-5 (timm)")
    style: Literal["deepmind", "timm"] = param(
        "deepmind",
        ambient=True,
        doc="deepmind: rsqrt(max(variance·fan_in, eps)); timm: rsqrt(variance + eps)",
    )
    zero_init: bool = param(False, doc="start the gains at 0")

    @property
    def effective_eps(self) -> float:
        """`eps`, or the style's own."""
        return {"deepmind": 1e-4, "timm": 1e-5}[self.style] if self.eps is None else self.eps

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        return super().cost(inputs, output) + Cost(params=self.channels)

    def variance(self, *inputs: float) -> float:
        # `gamma` undoes what the activation before it did, so the pair preserves
        return inputs[0]

    def roles(self) -> dict[str, Role]:
        return {**super().roles(), "gain": "gain"}

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        kwargs, dynamic = self.window_arguments()
        if dynamic:
            kwargs["padding"] = "same"
        if self.gamma != 1.0:
            kwargs["gamma"] = self.gamma
        kwargs["eps"] = self.effective_eps
        kwargs["style"] = self.style
        return TorchCode(
            module=call("WSConv2d", inputs[0][0], self.channels, **kwargs),
            init=(
                *weight_init(self.init, bias=self.bias),
                Init("gain", "zeros" if self.zero_init else "ones"),
            ),
        )


@record(slots=False)
class ConvTranspose(Op):
    """Transposed convolution, which upsamples (Long et al. 2015, arXiv:1411.4038).

    Each input element is multiplied by a kernel per output channel of its group and added to the output.
    """

    name: ClassVar[str] = "conv_transpose"
    kind: ClassVar[Kind] = "conv"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({"channels": 8, "kernel": 2, "stride": 2}, ((4, 5, 7),)),
        (
            {
                "channels": 4,
                "kernel": 3,
                "stride": 2,
                "padding": 1,
                "output_padding": 1,
                "groups": 2,
                "bias": False,
            },
            ((6, 5, 4),),
        ),
    )

    channels: int = param(ge=1, doc="output channels")
    kernel: Pair = param(ge=1, doc="height and width of the kernel")
    stride: Pair = param((1, 1), ge=1, doc="upsampling factor")
    padding: Pair = param((0, 0), ge=0, doc="pixels cut from each side of the output")
    output_padding: Pair = param((0, 0), ge=0, doc="pixels added at the bottom and right of the output")
    groups: int = param(1, ge=1, doc="independent groups of channels")
    bias: bool = param(True, doc="add a learnable bias per output channel")
    init: Initializer = param("he_fan_out", ambient=True, doc="how the weights start")

    def validate(self) -> None:
        need_groups(self.name, self.channels, self.groups, "output channels", about_input=False)
        for d in (0, 1):
            if self.output_padding[d] >= self.stride[d]:
                raise OpError(
                    "E0313",
                    f"{self.name}: an output padding of {times(self.output_padding)} needs a larger stride"
                    f" than {times(self.stride)}",
                    argument="output_padding",
                    label=f"must be below the stride, {self.stride[d]}",
                )

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        need_feature_map(self.name, x)
        need_groups(self.name, x[0], self.groups, "input channels", about_input=True)
        size = [
            (x[1 + d] - 1) * self.stride[d] - 2 * self.padding[d] + self.kernel[d] + self.output_padding[d]
            for d in (0, 1)
        ]
        if min(size) < 1:
            raise OpError(
                "E0314",
                f"{self.name}: cutting {times(self.padding)} from each side leaves nothing of"
                f" {describe_size(x)} enlarged by a {times(self.kernel)} kernel",
                argument="padding",
                label=f"the output would be {size[0]}×{size[1]}",
                help=("use less padding or a larger kernel",),
                about_input=True,
            )
        return (self.channels, size[0], size[1])

    def recover(self, *inputs: Shape) -> Shape:
        x = inputs[0]
        if len(x) != 3:
            return (self.channels, 1, 1)
        return (self.channels, x[1] * self.stride[0], x[2] * self.stride[1])

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        per_input = self.kernel[0] * self.kernel[1] * (self.channels // self.groups)
        macs = per_input * elements(inputs[0])
        size = elements(output)
        return Cost(
            params=per_input * inputs[0][0] + (self.channels if self.bias else 0),
            macs=macs,
            flops=2 * macs + (size if self.bias else 0),
            activations=size,
        )

    def roles(self) -> dict[str, Role]:
        return {"weight": "conv", "bias": "bias"} if self.bias else {"weight": "conv"}

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        kwargs: dict[str, Any] = {"kernel_size": self.kernel}
        if self.stride != (1, 1):
            kwargs["stride"] = self.stride
        if self.padding != (0, 0):
            kwargs["padding"] = self.padding
        if self.output_padding != (0, 0):
            kwargs["output_padding"] = self.output_padding
        if self.groups != 1:
            kwargs["groups"] = self.groups
        if not self.bias:
            kwargs["bias"] = False
        return TorchCode(
            module=call("nn.ConvTranspose2d", inputs[0][0], self.channels, **kwargs),
            init=weight_init(self.init, bias=self.bias),
        )

    def label(self) -> str:
        up = f" ×{self.stride[0]}" if self.stride != (1, 1) else ""
        return f"{self.name} {times(self.kernel)}, {self.channels}{up}"


def describe_size(x: Shape) -> str:
    return f"{x[1]}×{x[2]}"
