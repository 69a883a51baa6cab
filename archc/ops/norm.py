"""Normalisations. All reset the reference variance to 1: their learnable scales count as 1."""

from __future__ import annotations

from typing import Any, ClassVar

from archc.diagnostics.record import record
from archc.ops.base import Cost, Kind, NoVarianceRule, Op, OpError, Role, Sample, Shape, elements
from archc.ops.checks import need_channels, need_feature_map, need_groups
from archc.ops.params import param
from archc.ops.torch_code import Init, Input, TorchCode, call


class Normalisation(Op):
    """What the normalisations share. `steps`: arithmetic steps per element, scale and shift left out."""

    kind: ClassVar[Kind] = "norm"
    steps: ClassVar[int] = 5  # mean 1, variance 2, normalise 2

    def affine_init(self) -> tuple[float, float] | None:
        """Initial scale and shift; None without them."""
        return 1.0, 0.0

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        affine = self.affine_init() is not None
        return Cost(
            params=2 * inputs[0][0] if affine else 0,
            flops=(self.steps + (2 if affine else 0)) * elements(output),
        )

    def variance(self, *inputs: float) -> float:
        return 1.0

    def roles(self) -> dict[str, Role]:
        return {} if self.affine_init() is None else {"weight": "norm", "bias": "norm"}

    def inits(self) -> tuple[Init, ...]:
        """Initialisers of the learnable parameters."""
        start = self.affine_init()
        if start is None:
            return ()
        return Init("weight", "ones" if start[0] else "zeros"), Init("bias", "zeros")


@record(slots=False)
class BatchNorm(Normalisation):
    """Batch normalisation (Ioffe and Szegedy 2015, arXiv:1502.03167).

    `momentum` is torch's: the weight of the newest batch. `zero_init` starts the scale at 0, for the last
    norm of a residual branch (Goyal et al. 2017, arXiv:1706.02677). flops are those of inference.
    """

    name: ClassVar[str] = "batch_norm"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({}, ((4, 5, 6),)),
        ({"eps": 1e-3, "momentum": 0.01, "zero_init": True}, ((4, 5, 6),)),
        ({"affine": False}, ((4, 5, 6),)),
        ({}, ((8,),)),
    )

    eps: float = param(1e-5, ge=0, ambient=True, doc="added to the variance")
    momentum: float = param(
        0.1, ge=0, ambient=True, doc="weight of the newest batch in the running statistics"
    )
    affine: bool = param(True, doc="learn a scale and a shift per channel")
    zero_init: bool = param(False, doc="start the scale at 0")

    def shape(self, *inputs: Shape) -> Shape:
        need_channels(self.name, inputs[0])
        return inputs[0]

    def affine_init(self) -> tuple[float, float] | None:
        return (0.0 if self.zero_init else 1.0, 0.0) if self.affine else None

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        channels = inputs[0][0]
        return Cost(
            params=2 * channels if self.affine else 0,
            buffers=2 * channels + 1,  # running mean and variance, batch counter
            flops=2 * elements(output),  # statistics, scale and shift are one multiply-add
        )

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        kwargs: dict[str, Any] = {}
        if self.eps != 1e-5:
            kwargs["eps"] = self.eps
        if self.momentum != 0.1:
            kwargs["momentum"] = self.momentum
        if not self.affine:
            kwargs["affine"] = False
        target = "nn.BatchNorm2d" if len(inputs[0]) == 3 else "nn.BatchNorm1d"
        return TorchCode(module=call(target, inputs[0][0], **kwargs), init=self.inits())


@record(slots=False)
class LayerNorm(Normalisation):
    """Layer normalisation over the channels of each pixel, as in ConvNeXt (arXiv:2201.03545), or of a vector."""

    name: ClassVar[str] = "layer_norm"
    samples: ClassVar[tuple[Sample, ...]] = (({}, ((4, 5, 6),)), ({"eps": 1e-5}, ((9,),)))

    eps: float = param(1e-6, ge=0, doc="added to the variance")

    def shape(self, *inputs: Shape) -> Shape:
        need_channels(self.name, inputs[0])
        return inputs[0]

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        target = "LayerNorm2d" if len(inputs[0]) == 3 else "nn.LayerNorm"
        return TorchCode(module=call(target, inputs[0][0], eps=self.eps), init=self.inits())


@record(slots=False)
class GroupNorm(Normalisation):
    """Group normalisation (Wu and He 2018, arXiv:1803.08494)."""

    name: ClassVar[str] = "group_norm"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({"groups": 2}, ((6, 5, 3),)),
        ({"groups": 2, "eps": 1e-3}, ((64,),)),
    )

    groups: int = param(32, ge=1, doc="groups of channels normalised together")
    eps: float = param(1e-5, ge=0, doc="added to the variance")

    def shape(self, *inputs: Shape) -> Shape:
        need_channels(self.name, inputs[0])
        need_groups(self.name, inputs[0][0], self.groups, "channels", about_input=True)
        return inputs[0]

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        kwargs = {} if self.eps == 1e-5 else {"eps": self.eps}
        return TorchCode(module=call("nn.GroupNorm", self.groups, inputs[0][0], **kwargs), init=self.inits())

    def label(self) -> str:
        return f"group_norm g{self.groups}"


@record(slots=False)
class InstanceNorm(Normalisation):
    """Instance normalisation (Ulyanov et al. 2016, arXiv:1607.08022)."""

    name: ClassVar[str] = "instance_norm"
    samples: ClassVar[tuple[Sample, ...]] = (({}, ((6, 5, 3),)), ({"affine": True}, ((6, 5, 3),)))

    eps: float = param(1e-5, ge=0, doc="added to the variance")
    affine: bool = param(False, doc="learn a scale and a shift per channel")

    def shape(self, *inputs: Shape) -> Shape:
        x = inputs[0]
        need_feature_map(self.name, x)
        if x[1] * x[2] == 1:
            raise OpError(
                "E0315",
                f"{self.name}: a 1×1 feature map has no statistics of its own",
                label="one pixel per channel",
                help=("normalise before pooling, or use layer_norm, which looks across channels",),
                about_input=True,
            )
        return x

    def affine_init(self) -> tuple[float, float] | None:
        return (1.0, 0.0) if self.affine else None

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        kwargs: dict[str, Any] = {} if self.eps == 1e-5 else {"eps": self.eps}
        if self.affine:
            kwargs["affine"] = True
        return TorchCode(module=call("nn.InstanceNorm2d", inputs[0][0], **kwargs), init=self.inits())


@record(slots=False)
class GlobalResponseNorm(Normalisation):
    """Global response normalisation (ConvNeXt V2, arXiv:2301.00808): x + scale·x·‖x_c‖/mean‖x‖ + shift.

    Scale and shift start at 0. It adds to its input, so unlike the others it has no variance rule.
    """

    name: ClassVar[str] = "grn"
    samples: ClassVar[tuple[Sample, ...]] = (({}, ((6, 5, 3),)),)
    steps: ClassVar[int] = 4  # square and sum 2, times ratio 1, plus input 1

    eps: float = param(1e-6, ge=0, doc="added to the mean norm")

    def shape(self, *inputs: Shape) -> Shape:
        need_feature_map(self.name, inputs[0])
        return inputs[0]

    def affine_init(self) -> tuple[float, float] | None:
        return 0.0, 0.0

    def variance(self, *inputs: float) -> float:
        raise NoVarianceRule(self.name)

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        return TorchCode(module=call("GlobalResponseNorm", inputs[0][0], eps=self.eps), init=self.inits())


@record(slots=False)
class LocalResponseNorm(Op):
    """Local response normalisation across channels (AlexNet), with torch's defaults."""

    name: ClassVar[str] = "local_response_norm"
    kind: ClassVar[Kind] = "norm"
    samples: ClassVar[tuple[Sample, ...]] = (({}, ((8, 5, 3),)), ({"size": 3, "k": 2}, ((8, 5, 3),)))

    size: int = param(5, ge=1, doc="channels summed")
    alpha: float = param(1e-4, doc="weight of the mean square")
    beta: float = param(0.75, doc="exponent")
    k: float = param(1.0, doc="added to the weighted mean square")

    def shape(self, *inputs: Shape) -> Shape:
        need_feature_map(self.name, inputs[0])
        return inputs[0]

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        # square, `size` additions, weight, add k, power, divide
        return Cost(flops=(self.size + 5) * elements(output))

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        kwargs = {"alpha": self.alpha, "beta": self.beta, "k": self.k}
        return TorchCode(forward=call("F.local_response_norm", Input(0), self.size, **kwargs))
