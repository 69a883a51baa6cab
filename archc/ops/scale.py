"""Constants and learnable multipliers."""

from __future__ import annotations

from typing import ClassVar

from archc.diagnostics.record import record
from archc.ops.base import Cost, Kind, Op, Role, Sample, Shape, elements
from archc.ops.checks import need_channels
from archc.ops.params import param
from archc.ops.torch_code import Init, Input, TorchCode, call


@record(slots=False)
class Scale(Op):
    """Multiplies by a constant."""

    name: ClassVar[str] = "scale"
    kind: ClassVar[Kind] = "scale"
    samples: ClassVar[tuple[Sample, ...]] = (({"factor": 0.2}, ((3, 4, 5),)), ({"factor": -2}, ((7,),)))

    factor: float = param(doc="the constant")

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        return Cost(flops=elements(output))

    def variance(self, *inputs: float) -> float:
        return inputs[0] * self.factor * self.factor

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        return TorchCode(forward=call("operator.mul", Input(0), self.factor))

    def label(self) -> str:
        return f"×{self.factor:.4g}"


@record(slots=False)
class Gain(Op):
    """Multiplies by one learnable number, 0 at first (SkipInit, De and Smith 2020, arXiv:2002.10444).

    In the reference state it counts as 1, whatever its start.
    """

    name: ClassVar[str] = "gain"
    kind: ClassVar[Kind] = "scale"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({}, ((3, 4, 5),)),
        ({"init": 0.5}, ((7,),)),
        ({"init": 1, "factor": 0.2}, ((7,),)),
    )

    init: float = param(0.0, doc="first value")
    factor: float = param(1.0, hidden=True, doc="a constant beside it")

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        return Cost(params=1, flops=elements(output))

    def variance(self, *inputs: float) -> float:
        return inputs[0] * self.factor * self.factor

    def roles(self) -> dict[str, Role]:
        return {"gain": "gain"}

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        kwargs = {} if self.factor == 1 else {"factor": self.factor}
        return TorchCode(
            module=call("Gain", **kwargs), init=(Init("gain", "constant", (("val", self.init),)),)
        )


@record(slots=False)
class ChannelScale(Op):
    """Multiplies each channel by a learnable number (layer scale, Touvron et al. 2021, arXiv:2103.17239).

    In the reference state it counts as 1, whatever its start.
    """

    name: ClassVar[str] = "channel_scale"
    kind: ClassVar[Kind] = "scale"
    samples: ClassVar[tuple[Sample, ...]] = (({}, ((3, 4, 5),)), ({"init": 0.5}, ((7,),)))

    init: float = param(1e-6, doc="first value")

    def shape(self, *inputs: Shape) -> Shape:
        need_channels(self.name, inputs[0])
        return inputs[0]

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        return Cost(params=output[0], flops=elements(output))

    def variance(self, *inputs: float) -> float:
        return inputs[0]

    def roles(self) -> dict[str, Role]:
        return {"scale": "gain"}

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        size = (output[0], 1, 1) if len(output) == 3 else output
        return TorchCode(
            module=call("ChannelScale", size), init=(Init("scale", "constant", (("val", self.init),)),)
        )


@record(slots=False)
class Zero(Op):
    """Zeros of the input's shape: the `none` of NAS-Bench-201 (arXiv:2001.00326)."""

    name: ClassVar[str] = "zero"
    kind: ClassVar[Kind] = "scale"
    samples: ClassVar[tuple[Sample, ...]] = (({}, ((3, 4, 5),)),)

    def variance(self, *inputs: float) -> float:
        return 0.0

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        return TorchCode(forward=call("torch.zeros_like", Input(0)))
