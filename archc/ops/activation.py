"""Activations.

`gamma = true` multiplies by the constant that keeps the variance of a standard normal input (Brock et al.
2021, arXiv:2101.08692; constants of deepmind-research/nfnets), and so gives the op a variance rule.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from archc.diagnostics.record import record
from archc.ops.base import Cost, Kind, NoVarianceRule, Op, OpError, Sample, Shape, elements
from archc.ops.params import param
from archc.ops.torch_code import Call, Input, TorchCode, call

ANY_SHAPE: tuple[Sample, ...] = (({}, ((4, 3, 5),)), ({}, ((6,),)))
SCALED: tuple[Sample, ...] = (*ANY_SHAPE, ({"gamma": True}, ((4, 3, 5),)))


class Activation(Op):
    """An elementwise function. `steps`: arithmetic steps per element; exp, erf and the like count one."""

    kind: ClassVar[Kind] = "activation"
    samples: ClassVar[tuple[Sample, ...]] = ANY_SHAPE
    target: ClassVar[str]
    steps: ClassVar[int]

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        return Cost(flops=self.steps * elements(output))

    def keywords(self) -> dict[str, Any]:
        """Arguments of the torch function that differ from its defaults."""
        return {}

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        return TorchCode(forward=self.function())

    def function(self) -> Call:
        """The torch call, without γ."""
        return call(self.target, Input(0), **self.keywords())


class GammaActivation(Activation):
    """An activation whose γ is known. `constant` is that γ; subclasses declare `gamma`, last."""

    samples: ClassVar[tuple[Sample, ...]] = SCALED
    constant: ClassVar[float]

    gamma: bool

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        return Cost(flops=(self.steps + self.gamma) * elements(output))

    def variance(self, *inputs: float) -> float:
        if not self.gamma:
            raise NoVarianceRule(self.name)
        return inputs[0]

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        plain = self.function()
        return TorchCode(forward=call("operator.mul", plain, self.constant) if self.gamma else plain)

    def label(self) -> str:
        return f"γ·{self.name}" if self.gamma else self.name


@record(slots=False)
class ScaledActivation(GammaActivation):
    """One with no parameter but `gamma`."""

    gamma: bool = param(False, doc="multiply by γ, which preserves the variance")


@record(slots=False)
class Relu(ScaledActivation):
    """max(x, 0)."""

    name: ClassVar[str] = "relu"
    target: ClassVar[str] = "F.relu"
    steps: ClassVar[int] = 1
    constant: ClassVar[float] = 1.7139588594436646


@record(slots=False)
class Relu6(Activation):
    """min(max(x, 0), 6) (MobileNet, arXiv:1704.04861)."""

    name: ClassVar[str] = "relu6"
    target: ClassVar[str] = "F.relu6"
    steps: ClassVar[int] = 2


@record(slots=False)
class LeakyRelu(GammaActivation):
    """x where positive, slope·x elsewhere."""

    name: ClassVar[str] = "leaky_relu"
    target: ClassVar[str] = "F.leaky_relu"
    steps: ClassVar[int] = 2
    constant: ClassVar[float] = 1.70590341091156
    samples: ClassVar[tuple[Sample, ...]] = (*SCALED, ({"slope": 0.2}, ((4, 3, 5),)))

    slope: float = param(0.01, doc="factor of negative inputs")
    gamma: bool = param(False, doc="multiply by γ, which preserves the variance")

    def validate(self) -> None:
        need_default(self, "slope", self.slope, 0.01)

    def keywords(self) -> dict[str, Any]:
        return {} if self.slope == 0.01 else {"negative_slope": self.slope}


@record(slots=False)
class Silu(ScaledActivation):
    """x·sigmoid(x), also called swish (arXiv:1710.05941)."""

    name: ClassVar[str] = "silu"
    target: ClassVar[str] = "F.silu"
    steps: ClassVar[int] = 4
    constant: ClassVar[float] = 1.7881293296813965


@record(slots=False)
class Gelu(GammaActivation):
    """x·Φ(x) (arXiv:1606.08415): by erf, torch's default, or by tanh, JAX's (they differ by at most 4.7e-4)."""

    name: ClassVar[str] = "gelu"
    target: ClassVar[str] = "F.gelu"
    steps: ClassVar[int] = 5
    constant: ClassVar[float] = 1.7015043497085571
    samples: ClassVar[tuple[Sample, ...]] = (*SCALED, ({"approximate": "tanh", "gamma": True}, ((4, 3, 5),)))

    approximate: Literal["none", "tanh"] = param("none", doc='"tanh": the approximation by tanh')
    gamma: bool = param(False, doc="multiply by γ, which preserves the variance")

    def keywords(self) -> dict[str, Any]:
        return {} if self.approximate == "none" else {"approximate": self.approximate}


@record(slots=False)
class Sigmoid(ScaledActivation):
    """1/(1 + exp(-x))."""

    name: ClassVar[str] = "sigmoid"
    target: ClassVar[str] = "torch.sigmoid"
    steps: ClassVar[int] = 3
    constant: ClassVar[float] = 4.803835391998291


@record(slots=False)
class Tanh(ScaledActivation):
    """Hyperbolic tangent."""

    name: ClassVar[str] = "tanh"
    target: ClassVar[str] = "torch.tanh"
    steps: ClassVar[int] = 1
    constant: ClassVar[float] = 1.5939117670059204


@record(slots=False)
class Elu(GammaActivation):
    """x where positive, alpha·(exp(x) - 1) elsewhere (arXiv:1511.07289)."""

    name: ClassVar[str] = "elu"
    target: ClassVar[str] = "F.elu"
    steps: ClassVar[int] = 3
    constant: ClassVar[float] = 1.2716004848480225
    samples: ClassVar[tuple[Sample, ...]] = (*SCALED, ({"alpha": 0.5}, ((4, 3, 5),)))

    alpha: float = param(1.0, doc="minus the limit for very negative inputs")
    gamma: bool = param(False, doc="multiply by γ, which preserves the variance")

    def validate(self) -> None:
        need_default(self, "alpha", self.alpha, 1.0)

    def keywords(self) -> dict[str, Any]:
        return {} if self.alpha == 1.0 else {"alpha": self.alpha}


@record(slots=False)
class Celu(Elu):
    """x where positive, alpha·(exp(x/alpha) - 1) elsewhere (arXiv:1704.07483)."""

    name: ClassVar[str] = "celu"
    target: ClassVar[str] = "F.celu"
    steps: ClassVar[int] = 4
    constant: ClassVar[float] = 1.270926833152771

    def validate(self) -> None:
        super().validate()
        if self.alpha == 0:
            raise OpError(
                "E0305", "celu: `alpha` must not be 0", argument="alpha", label="celu divides by it"
            )


@record(slots=False)
class Selu(ScaledActivation):
    """Scaled elu with the self-normalising constants (arXiv:1706.02515)."""

    name: ClassVar[str] = "selu"
    target: ClassVar[str] = "F.selu"
    steps: ClassVar[int] = 4
    constant: ClassVar[float] = 1.0008515119552612


@record(slots=False)
class Softplus(ScaledActivation):
    """log(1 + exp(x))."""

    name: ClassVar[str] = "softplus"
    target: ClassVar[str] = "F.softplus"
    steps: ClassVar[int] = 3
    constant: ClassVar[float] = 1.9203323125839233


@record(slots=False)
class Mish(Activation):
    """x·tanh(softplus(x)) (arXiv:1908.08681)."""

    name: ClassVar[str] = "mish"
    target: ClassVar[str] = "F.mish"
    steps: ClassVar[int] = 5


@record(slots=False)
class HardSigmoid(Activation):
    """min(max(x/6 + 0.5, 0), 1) (MobileNetV3, arXiv:1905.02244)."""

    name: ClassVar[str] = "hard_sigmoid"
    target: ClassVar[str] = "F.hardsigmoid"
    steps: ClassVar[int] = 4


@record(slots=False)
class HardSwish(Activation):
    """x·hard_sigmoid(x) (MobileNetV3, arXiv:1905.02244)."""

    name: ClassVar[str] = "hard_swish"
    target: ClassVar[str] = "F.hardswish"
    steps: ClassVar[int] = 5


@record(slots=False)
class Softmax(Activation):
    """exp(x)/Σexp(x), over the channels of each pixel or the features of a vector."""

    name: ClassVar[str] = "softmax"
    target: ClassVar[str] = "F.softmax"
    steps: ClassVar[int] = 3

    def keywords(self) -> dict[str, Any]:
        return {"dim": 1}


def need_default(op: GammaActivation, name: str, value: float, default: float) -> None:
    """Raises OpError if γ is asked for with a parameter other than the one it was measured with."""
    if op.gamma and value != default:
        raise OpError(
            "E0316",
            f"{op.name}: γ is known only for {name} = {default:g}, not {value:g}",
            argument=name,
            label=f"with gamma = true this must be {default:g}",
            help=(
                f"leave {name} out, or scale by your own constant: {op.name}({name} = {value:g}) -> scale(…)",
            ),
        )
