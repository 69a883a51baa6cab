"""Pooling. Average and max pools keep the reference variance: neighbouring pixels are taken to agree
(the rule of Brock et al. 2021, arXiv:2101.08692)."""

from __future__ import annotations

from typing import Any, ClassVar

from archc.diagnostics.record import record
from archc.ops.base import Cost, Kind, Op, OpError, Sample, Shape, elements
from archc.ops.checks import need_feature_map
from archc.ops.geometry import Padding, per, resolve_padding, times, window_output, window_recover
from archc.ops.params import Pair, param
from archc.ops.torch_code import Input, TorchCode, call


class Pool(Op):
    """What all pools share: the kind and the variance rule."""

    kind: ClassVar[Kind] = "pool"

    def variance(self, *inputs: float) -> float:
        return inputs[0]


@record(slots=False)
class WindowPool(Pool):
    """A pool with a sliding window; flops are one step per element of each window."""

    kernel: Pair = param(ge=1, doc="height and width of the window")
    stride: Pair | None = param(None, ge=1, doc="step of the window; none: the kernel")
    padding: Padding = param((0, 0), ge=0, doc="pixels added around, or a convention")
    ceil_mode: bool = param(False, doc="keep a last, partial window")

    @property
    def step(self) -> Pair:
        """The stride in effect."""
        return self.kernel if self.stride is None else self.stride

    def validate(self) -> None:
        pads, _ = resolve_padding(self.padding, self.kernel, self.step, (1, 1))
        if any(2 * pads[d] > self.kernel[d] for d in (0, 1)):
            raise OpError(
                "E0311",
                f"{self.name}: padding of {times(pads)} is more than half of a {times(self.kernel)} window",
                argument="padding",
                label="some windows would hold nothing but padding",
                help=(f"use at most {self.kernel[0] // 2}×{self.kernel[1] // 2}",),
            )

    def shape(self, *inputs: Shape) -> Shape:
        (x,) = inputs
        need_feature_map(self.name, x)
        size = window_output(self.name, x, self.kernel, self.step, self.padding, (1, 1), self.ceil_mode)
        return (x[0], *size)

    def recover(self, *inputs: Shape) -> Shape:
        return window_recover(inputs[0], inputs[0][0], self.step)

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        return Cost(flops=self.kernel[0] * self.kernel[1] * elements(output))

    def window_keywords(self) -> tuple[dict[str, Any], bool]:
        """Keyword arguments of the torch call, and whether `same` padding must follow the input size."""
        padding, dynamic = resolve_padding(self.padding, self.kernel, self.step, (1, 1))
        kwargs: dict[str, Any] = {"kernel_size": self.kernel, "stride": self.step}
        if padding != (0, 0):
            kwargs["padding"] = padding
        if self.ceil_mode and not dynamic:
            kwargs["ceil_mode"] = True
        return kwargs, dynamic

    def label(self) -> str:
        return f"{self.name} {times(self.kernel)}{per(self.step)}"


@record(slots=False)
class MaxPool(WindowPool):
    """Maximum of each window; padding counts as -inf."""

    name: ClassVar[str] = "max_pool"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({"kernel": 2}, ((3, 9, 8),)),
        ({"kernel": 3, "stride": 2, "padding": 1}, ((3, 9, 8),)),
        ({"kernel": 3, "stride": 2, "ceil_mode": True}, ((3, 9, 8),)),
        ({"kernel": 3, "stride": 2, "padding": "same"}, ((3, 9, 8),)),
        ({"kernel": (1, 3), "stride": 1, "padding": "same"}, ((3, 9, 8),)),
        ({"kernel": 1, "stride": 2}, ((3, 9, 8),)),
    )

    @property
    def picks(self) -> bool:
        """Whether windows are single pixels: the output is a part of the input."""
        return self.kernel == (1, 1)

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        if self.picks:
            return TorchCode(forward=call("every_nth", Input(0), self.step))
        kwargs, dynamic = self.window_keywords()
        target = "max_pool2d_same" if dynamic else "F.max_pool2d"
        return TorchCode(forward=call(target, Input(0), **kwargs))


@record(slots=False)
class AvgPool(WindowPool):
    """Mean of each window. `count_include_pad = false` leaves the padding out of it, as TensorFlow does."""

    name: ClassVar[str] = "avg_pool"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({"kernel": 2}, ((3, 9, 8),)),
        ({"kernel": 2, "ceil_mode": True, "count_include_pad": False}, ((3, 9, 7),)),
        ({"kernel": 3, "stride": 1, "padding": 1}, ((3, 9, 8),)),
        ({"kernel": 3, "stride": 2, "padding": "same", "count_include_pad": False}, ((3, 9, 8),)),
        ({"kernel": 2, "stride": 1, "padding": "same"}, ((3, 9, 8),)),
    )

    count_include_pad: bool = param(True, doc="average over the padding too")

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        kwargs, dynamic = self.window_keywords()
        if not self.count_include_pad:
            kwargs["count_include_pad"] = False
        target = "avg_pool2d_same" if dynamic else "F.avg_pool2d"
        return TorchCode(forward=call(target, Input(0), **kwargs))


@record(slots=False)
class GlobalAvgPool(Pool):
    """Mean over height and width (arXiv:1312.4400): a vector, or with `keepdim` a 1×1 map."""

    name: ClassVar[str] = "global_avg_pool"
    target: ClassVar[str] = "torch.mean"
    samples: ClassVar[tuple[Sample, ...]] = (({}, ((3, 4, 5),)), ({"keepdim": True}, ((3, 4, 5),)))

    keepdim: bool = param(False, doc="keep height and width, as 1")

    def shape(self, *inputs: Shape) -> Shape:
        need_feature_map(self.name, inputs[0])
        return self.recover(*inputs)

    def recover(self, *inputs: Shape) -> Shape:
        return (inputs[0][0], 1, 1) if self.keepdim else (inputs[0][0],)

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        return Cost(flops=elements(inputs[0]))

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        kwargs: dict[str, Any] = {"keepdim": True} if self.keepdim else {}
        return TorchCode(forward=call(self.target, Input(0), (2, 3), **kwargs))


@record(slots=False)
class GlobalMaxPool(GlobalAvgPool):
    """Maximum over height and width: a vector, or with `keepdim` a 1×1 map."""

    name: ClassVar[str] = "global_max_pool"
    target: ClassVar[str] = "torch.amax"


@record(slots=False)
class AdaptiveAvgPool(Pool):
    """Mean over windows that divide the input into `size`, as evenly as torch does it."""

    name: ClassVar[str] = "adaptive_avg_pool"
    target: ClassVar[str] = "F.adaptive_avg_pool2d"
    samples: ClassVar[tuple[Sample, ...]] = (({"size": 3}, ((3, 7, 8),)), ({"size": (6, 2)}, ((3, 4, 5),)))

    size: Pair = param(ge=1, doc="height and width of the output")

    def shape(self, *inputs: Shape) -> Shape:
        need_feature_map(self.name, inputs[0])
        return self.recover(*inputs)

    def recover(self, *inputs: Shape) -> Shape:
        return (inputs[0][0], *self.size)

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        return Cost(flops=max(elements(inputs[0]), elements(output)))

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        return TorchCode(forward=call(self.target, Input(0), self.size))

    def label(self) -> str:
        return f"{self.name} {times(self.size)}"


@record(slots=False)
class AdaptiveMaxPool(AdaptiveAvgPool):
    """Maximum over windows that divide the input into `size`, as evenly as torch does it."""

    name: ClassVar[str] = "adaptive_max_pool"
    target: ClassVar[str] = "F.adaptive_max_pool2d"
