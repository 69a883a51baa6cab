"""Noise of training; nothing in eval mode. Its steps are not in `flops`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from archc.diagnostics.record import record
from archc.ops.base import Kind, Op, OpError, Sample, Shape
from archc.ops.params import param
from archc.ops.torch_code import TorchCode, call


@record(slots=False)
class Dropout(Op):
    """Zeroes elements with probability `rate`, scales the others by 1/(1 - rate) (Srivastava et al. 2014)."""

    name: ClassVar[str] = "dropout"
    kind: ClassVar[Kind] = "regularize"
    samples: ClassVar[tuple[Sample, ...]] = (({"rate": 0.3}, ((12,),)), ({"rate": 0}, ((3, 4, 5),)))

    rate: float = param(ge=0, lt=1, doc="probability of zeroing an element")

    def variance(self, *inputs: float) -> float:
        return inputs[0]

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        return TorchCode(module=call("nn.Dropout", self.rate), train_only=True)

    def label(self) -> str:
        return f"dropout {self.rate:g}"


@record(slots=False)
class DropPath(Op):
    """Stochastic depth (Huang et al. 2016, arXiv:1603.09382): drops a residual branch per example.

    The rate grows over the stage repetitions of the arch, the i-th of n counted from 0: rate·i/n
    (torchvision's and timm's EfficientNet, DeepMind's NFNet), rate·i/(n-1) (ConvNeXt, timm's NFNet and
    RegNet), or the same everywhere. `rescale` divides what is kept by 1 - rate; DeepMind does not.
    Outside of stages the rate is used as it is.
    """

    name: ClassVar[str] = "drop_path"
    kind: ClassVar[Kind] = "regularize"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({"rate": 0.3}, ((3, 4, 5),)),
        ({"rate": 0.3, "index": 2, "total": 4, "rescale": False}, ((3, 4, 5),)),
        ({"rate": 0.3, "schedule": "i/(n-1)", "index": 0, "total": 1}, ((12,),)),
    )

    rate: float = param(ge=0, lt=1, doc="largest probability of dropping a branch")
    schedule: Literal["i/n", "i/(n-1)", "const"] = param("i/n", doc="how the rate grows with depth")
    rescale: bool = param(True, doc="divide what is kept by 1 - rate")
    index: int = param(0, ge=0, hidden=True, doc="ordinal of the stage repetition, from 0")
    total: int = param(0, ge=0, hidden=True, doc="number of stage repetitions; 0: outside of stages")

    def validate(self) -> None:
        if self.total and self.index >= self.total:
            raise OpError(
                "E0317",
                f"drop_path: repetition {self.index} of {self.total} does not exist",
                argument="index",
                label="repetitions count from 0",
            )

    @property
    def effective_rate(self) -> float:
        """The probability of dropping here."""
        if self.schedule == "const" or self.total == 0:
            return self.rate
        steps = self.total if self.schedule == "i/n" else self.total - 1
        return self.rate * self.index / steps if steps else 0.0

    def variance(self, *inputs: float) -> float:
        return inputs[0]

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        kwargs: dict[str, Any] = {} if self.rescale else {"rescale": False}
        return TorchCode(module=call("DropPath", self.effective_rate, **kwargs), train_only=True)

    def label(self) -> str:
        return f"drop_path {self.effective_rate:.3g}"
