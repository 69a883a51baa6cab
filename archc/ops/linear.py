"""Linear layers."""

from __future__ import annotations

from typing import Any, ClassVar

from archc.diagnostics.record import record
from archc.ops.base import Cost, Kind, NoVarianceRule, Op, Role, Sample, Shape, elements
from archc.ops.checks import need_feature_map, need_vector
from archc.ops.params import param
from archc.ops.torch_code import TorchCode, call
from archc.ops.weights import Initializer, weight_init


@record(slots=False)
class Linear(Op):
    """Fully connected layer over a vector. Starts as torch's does: uniform within ±1/√fan_in."""

    name: ClassVar[str] = "linear"
    kind: ClassVar[Kind] = "linear"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({"features": 10}, ((7,),)),
        ({"features": 3, "bias": False, "init": ("normal", 0.01)}, ((5,),)),
        ({"features": 3, "init": "uniform_fan_out"}, ((5,),)),
    )

    features: int = param(ge=1, doc="output features")
    bias: bool = param(True, doc="add a learnable bias per feature")
    init: Initializer = param("torch", ambient=True, doc="how the weights start")

    def shape(self, *inputs: Shape) -> Shape:
        need_vector(self.name, inputs[0])
        return (self.features,)

    def recover(self, *inputs: Shape) -> Shape:
        return (self.features,)

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        macs = inputs[0][0] * elements(output)
        bias = self.features if self.bias else 0
        return Cost(
            params=inputs[0][0] * self.features + bias,
            macs=macs,
            flops=2 * macs + (elements(output) if self.bias else 0),
        )

    def variance(self, *inputs: float) -> float:
        # what it does depends on its trained weights
        raise NoVarianceRule(self.name)

    def roles(self) -> dict[str, Role]:
        return {"weight": "linear", "bias": "bias"} if self.bias else {"weight": "linear"}

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        kwargs: dict[str, Any] = {} if self.bias else {"bias": False}
        return TorchCode(
            module=call(self.target(), inputs[0][0], self.features, **kwargs),
            init=weight_init(self.init, bias=self.bias),
        )

    def target(self) -> str:
        """The torch module."""
        return "nn.Linear"

    def label(self) -> str:
        return f"{self.name} {self.features}"


@record(slots=False)
class ChannelLinear(Linear):
    """A linear layer over the channels of every pixel, as in ConvNeXt's blocks (torchvision).

    The same function as a 1×1 convolution, but not a convolution to whoever counts `activations`.
    """

    name: ClassVar[str] = "channel_linear"
    samples: ClassVar[tuple[Sample, ...]] = (({"features": 8}, ((4, 3, 5),)),)

    def shape(self, *inputs: Shape) -> Shape:
        need_feature_map(self.name, inputs[0])
        return (self.features, *inputs[0][1:])

    def recover(self, *inputs: Shape) -> Shape:
        return (self.features, *(inputs[0][1:] if len(inputs[0]) == 3 else (1, 1)))

    def target(self) -> str:
        return "ChannelLinear"
