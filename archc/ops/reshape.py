"""Ops that move elements without computing (upsampling aside). They keep the reference variance."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from archc.diagnostics.record import record
from archc.ops.base import Cost, Kind, Op, OpError, Sample, Shape, elements
from archc.ops.checks import describe_shape, need_channels, need_dimensions, need_feature_map, need_groups
from archc.ops.geometry import times
from archc.ops.params import Pair, param
from archc.ops.torch_code import Argument, Input, TorchCode, call


class Reshape(Op):
    """What they share: the kind and the variance rule."""

    kind: ClassVar[Kind] = "reshape"

    def variance(self, *inputs: float) -> float:
        return inputs[0]


@record(slots=False)
class Flatten(Reshape):
    """All elements of an example as one vector, channel by channel."""

    name: ClassVar[str] = "flatten"
    samples: ClassVar[tuple[Sample, ...]] = (({}, ((3, 4, 5),)), ({}, ((6,),)))

    def shape(self, *inputs: Shape) -> Shape:
        return (elements(inputs[0]),)

    def recover(self, *inputs: Shape) -> Shape:
        return self.shape(*inputs)

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        return TorchCode(forward=call("torch.flatten", Input(0), 1))


@record(slots=False)
class View(Reshape):
    """The elements of an example in another shape."""

    name: ClassVar[str] = "reshape"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({"size": (3, 2, 2)}, ((12,),)),
        ({"size": (6, 4)}, ((3, 4, 2),)),
    )

    size: tuple[int, ...] = param(ge=1, doc="the shape, without the batch")

    def validate(self) -> None:
        need_dimensions(self.name, self.size)

    def shape(self, *inputs: Shape) -> Shape:
        if elements(inputs[0]) != elements(self.size):
            raise OpError(
                "E0318",
                f"reshape: {describe_shape(inputs[0])} has {elements(inputs[0])} elements,"
                f" {describe_shape(self.size)} has {elements(self.size)}",
                argument="size",
                label=f"{elements(self.size)} elements",
                about_input=True,
            )
        return self.size

    def recover(self, *inputs: Shape) -> Shape:
        return self.size

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        return TorchCode(forward=call("torch.reshape", Input(0), (-1, *self.size)))

    def label(self) -> str:
        return f"reshape {'×'.join(map(str, self.size))}"


@record(slots=False)
class SliceChannels(Reshape):
    """Channels `start` to `stop` - 1."""

    name: ClassVar[str] = "slice_channels"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({"start": 1, "stop": 3}, ((4, 3, 5),)),
        ({"start": 0, "stop": 2}, ((7,),)),
    )

    start: int = param(ge=0, doc="first channel")
    stop: int = param(ge=1, doc="one past the last channel")

    def shape(self, *inputs: Shape) -> Shape:
        x = inputs[0]
        need_channels(self.name, x)
        if not self.start < self.stop <= x[0]:
            if self.start >= self.stop:
                message = f"slice_channels: `stop` = {self.stop} must be above `start` = {self.start}"
            else:
                message = (
                    f"slice_channels: no channels {self.start} to {self.stop - 1} in {describe_shape(x)}"
                )
            raise OpError(
                "E0325",
                message,
                argument="stop",
                label=f"channels are 0 to {x[0] - 1}",
                help=("`start` is the first channel, `stop` is one past the last",),
                about_input=True,
            )
        return (self.stop - self.start, *x[1:])

    def recover(self, *inputs: Shape) -> Shape:
        return (max(1, self.stop - self.start), *inputs[0][1:])

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        return TorchCode(forward=call("torch.narrow", Input(0), 1, self.start, self.stop - self.start))

    def label(self) -> str:
        return f"channels {self.start}:{self.stop}"


@record(slots=False)
class ChannelShuffle(Reshape):
    """Interleaves the channels of `groups` groups (ShuffleNet, arXiv:1707.01083)."""

    name: ClassVar[str] = "channel_shuffle"
    samples: ClassVar[tuple[Sample, ...]] = (({"groups": 2}, ((6, 3, 5),)),)

    groups: int = param(ge=1, doc="groups to interleave")

    def shape(self, *inputs: Shape) -> Shape:
        need_feature_map(self.name, inputs[0])
        need_groups(self.name, inputs[0][0], self.groups, "channels", about_input=True)
        return inputs[0]

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        return TorchCode(forward=call("channel_shuffle", Input(0), self.groups))

    def label(self) -> str:
        return f"shuffle g{self.groups}"


@record(slots=False)
class PixelShuffle(Reshape):
    """(C·f², H, W) to (C, H·f, W·f) (Shi et al. 2016, arXiv:1609.05158)."""

    name: ClassVar[str] = "pixel_shuffle"
    samples: ClassVar[tuple[Sample, ...]] = (({"factor": 2}, ((8, 3, 5),)),)

    factor: int = param(ge=1, doc="how many times taller and wider")

    def shape(self, *inputs: Shape) -> Shape:
        x, square = inputs[0], self.factor * self.factor
        need_feature_map(self.name, x)
        if x[0] % square:
            below = x[0] // square * square
            fitting = sorted({max(square, below), below + square})
            raise OpError(
                "E0319",
                f"pixel_shuffle: the channels of {describe_shape(x)} do not fill {self.factor}×{self.factor} squares",
                argument="factor",
                label=f"{x[0]} is not divisible by {square}",
                help=(f"nearest that work: {' or '.join(map(str, fitting))}",),
                about_input=True,
            )
        return self.recover(x)

    def recover(self, *inputs: Shape) -> Shape:
        x = inputs[0] if len(inputs[0]) == 3 else (inputs[0][0], 1, 1)
        return (max(1, x[0] // self.factor**2), x[1] * self.factor, x[2] * self.factor)

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        return TorchCode(forward=call("F.pixel_shuffle", Input(0), self.factor))

    def label(self) -> str:
        return f"pixel_shuffle ×{self.factor}"


@record(slots=False)
class PixelUnshuffle(Reshape):
    """(C, H·f, W·f) to (C·f², H, W): the inverse of `pixel_shuffle`."""

    name: ClassVar[str] = "pixel_unshuffle"
    samples: ClassVar[tuple[Sample, ...]] = (({"factor": 2}, ((2, 6, 4),)),)

    factor: int = param(ge=1, doc="how many times smaller")

    def shape(self, *inputs: Shape) -> Shape:
        x = inputs[0]
        need_feature_map(self.name, x)
        if x[1] % self.factor or x[2] % self.factor:
            raise OpError(
                "E0326",
                f"pixel_unshuffle: {describe_shape(x)} does not divide into {self.factor}×{self.factor} squares",
                argument="factor",
                label=f"{x[1]}×{x[2]} is not divisible by {self.factor}",
                help=("pad the feature map first, or choose an input size that divides",),
                about_input=True,
            )
        return self.recover(x)

    def recover(self, *inputs: Shape) -> Shape:
        x, f = inputs[0] if len(inputs[0]) == 3 else (inputs[0][0], 1, 1), self.factor
        return (x[0] * f * f, max(1, x[1] // f), max(1, x[2] // f))

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        return TorchCode(forward=call("F.pixel_unshuffle", Input(0), self.factor))

    def label(self) -> str:
        return f"pixel_unshuffle /{self.factor}"


@record(slots=False)
class Upsample(Reshape):
    """Resizes a feature map, by a factor or to a size. flops: bilinear 7 per output element, nearest none."""

    name: ClassVar[str] = "upsample"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({"factor": 2}, ((3, 4, 5),)),
        ({"size": (7, 9), "mode": "bilinear"}, ((3, 4, 5),)),
        ({"factor": 3, "mode": "bilinear", "align_corners": True}, ((3, 4, 5),)),
    )

    factor: int | None = param(None, ge=1, doc="how many times taller and wider")
    size: Pair | None = param(None, ge=1, doc="height and width of the output, instead of a factor")
    mode: Literal["nearest", "bilinear"] = param("nearest", doc="how pixels between are found")
    align_corners: bool = param(False, doc="bilinear: corner pixels keep their places")

    def validate(self) -> None:
        if (self.factor is None) == (self.size is None):
            raise OpError(
                "E0327",
                "upsample: give a factor or a size" + ("" if self.factor is None else ", not both"),
                label="needs one of `factor`, `size`",
                help=("upsample(2), or upsample(size = (14, 14))",),
            )
        if self.align_corners and self.mode == "nearest":
            raise OpError(
                "E0328",
                'upsample: align_corners has no meaning with mode = "nearest"',
                argument="align_corners",
                label='only for "bilinear"',
            )

    def shape(self, *inputs: Shape) -> Shape:
        need_feature_map(self.name, inputs[0])
        return self.recover(*inputs)

    def recover(self, *inputs: Shape) -> Shape:
        x = inputs[0] if len(inputs[0]) == 3 else (inputs[0][0], 1, 1)
        if self.size is not None:
            return (x[0], *self.size)
        factor = self.factor or 1
        return (x[0], x[1] * factor, x[2] * factor)

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        return Cost(flops=7 * elements(output) if self.mode == "bilinear" else 0)

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        kwargs: dict[str, Any] = {"mode": self.mode}
        if self.size is not None:
            kwargs["size"] = self.size
        else:
            kwargs["scale_factor"] = float(self.factor or 1)
        if self.mode == "bilinear":
            kwargs["align_corners"] = self.align_corners
        return TorchCode(forward=call("F.interpolate", Input(0), **kwargs))

    def label(self) -> str:
        return f"upsample {times(self.size)}" if self.size else f"upsample ×{self.factor}"


@record(slots=False)
class Pad(Reshape):
    """Adds pixels around a feature map: a constant, or the map mirrored or repeated at its edge."""

    name: ClassVar[str] = "pad"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({"top": 1, "left": 2, "value": 0.5}, ((3, 4, 5),)),
        ({"bottom": 2, "right": 1, "mode": "reflect"}, ((3, 4, 5),)),
        ({"top": 1, "right": 3, "mode": "replicate"}, ((3, 4, 5),)),
    )

    top: int = param(0, ge=0, doc="rows added above")
    bottom: int = param(0, ge=0, doc="rows added below")
    left: int = param(0, ge=0, doc="columns added at the left")
    right: int = param(0, ge=0, doc="columns added at the right")
    mode: Literal["constant", "reflect", "replicate"] = param("constant", doc="what is added")
    value: float = param(0.0, doc="the constant")

    def shape(self, *inputs: Shape) -> Shape:
        x = inputs[0]
        need_feature_map(self.name, x)
        if self.mode == "reflect" and (
            max(self.top, self.bottom) >= x[1] or max(self.left, self.right) >= x[2]
        ):
            raise OpError(
                "E0329",
                f"pad: {describe_shape(x)} is too small to be mirrored that far",
                argument="mode",
                label=f"at most {x[1] - 1} rows and {x[2] - 1} columns",
                help=('mode = "replicate" and "constant" have no such limit',),
                about_input=True,
            )
        return self.recover(x)

    def recover(self, *inputs: Shape) -> Shape:
        x = inputs[0] if len(inputs[0]) == 3 else (inputs[0][0], 1, 1)
        return (x[0], x[1] + self.top + self.bottom, x[2] + self.left + self.right)

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        kwargs: dict[str, Any] = {} if self.mode == "constant" else {"mode": self.mode}
        if self.mode == "constant" and self.value:
            kwargs["value"] = self.value
        sides = (self.left, self.right, self.top, self.bottom)
        return TorchCode(forward=call("F.pad", Input(0), sides, **kwargs))


@record(slots=False)
class Cut(Reshape):
    """What the crops share: all but where they start."""

    height: int = param(ge=1, doc="rows kept")
    width: int = param(ge=1, doc="columns kept")

    def corner(self, x: Shape) -> Pair:
        """First row and column kept."""
        raise NotImplementedError

    def shape(self, *inputs: Shape) -> Shape:
        x = inputs[0]
        need_feature_map(self.name, x)
        top, left = self.corner(x)
        needed = max(top, 0) + self.height, max(left, 0) + self.width
        if needed[0] > x[1] or needed[1] > x[2]:
            raise OpError(
                "E0330",
                f"{self.name}: {times(needed)} pixels do not fit in {describe_shape(x)}",
                argument="height" if needed[0] > x[1] else "width",
                label=f"only {x[1]}×{x[2]} to cut from",
                help=("crop the larger of the two maps to the size of the smaller",),
                about_input=True,
            )
        return self.recover(x)

    def recover(self, *inputs: Shape) -> Shape:
        return (inputs[0][0], self.height, self.width)

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        top, left = self.corner(inputs[0])
        kept: Argument = Input(0)
        if output[1] != inputs[0][1]:
            kept = call("torch.narrow", kept, 2, top, self.height)
        return TorchCode(forward=call("torch.narrow", kept, 3, left, self.width))

    def label(self) -> str:
        return f"{self.name} {self.height}×{self.width}"


@record(slots=False)
class Crop(Cut):
    """The `height`×`width` pixels of a feature map that start at row `top` and column `left`."""

    name: ClassVar[str] = "crop"
    samples: ClassVar[tuple[Sample, ...]] = (({"height": 3, "width": 2, "top": 1}, ((3, 4, 5),)),)

    top: int = param(0, ge=0, doc="first row kept")
    left: int = param(0, ge=0, doc="first column kept")

    def corner(self, x: Shape) -> Pair:
        return self.top, self.left


@record(slots=False)
class CenterCrop(Cut):
    """The middle `height`×`width` pixels, as U-Net's skips need (arXiv:1505.04597); odd margins leave the
    larger part at the bottom and right."""

    name: ClassVar[str] = "center_crop"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({"height": 3, "width": 2}, ((3, 4, 5),)),
        ({"height": 4, "width": 5}, ((3, 4, 5),)),
    )

    def corner(self, x: Shape) -> Pair:
        return (x[1] - self.height) // 2, (x[2] - self.width) // 2
