"""The graph's inputs."""

from __future__ import annotations

from typing import ClassVar

from archc.diagnostics.record import record
from archc.ops.base import Kind, Op, Sample, Shape, TensorParam
from archc.ops.checks import need_dimensions
from archc.ops.params import param
from archc.ops.torch_code import TorchCode


@record(slots=False)
class Input(Op):
    """A tensor given from outside; `input 3 x 224 x 224` makes one. Specs cannot call it."""

    name: ClassVar[str] = "input"
    kind: ClassVar[Kind] = "input"
    tensors: ClassVar[tuple[TensorParam, ...]] = ()
    written: ClassVar[bool] = False
    samples: ClassVar[tuple[Sample, ...]] = (({"size": (3, 8, 8)}, ()),)

    size: tuple[int, ...] = param(ge=1)

    def validate(self) -> None:
        need_dimensions(self.name, self.size)

    def shape(self, *inputs: Shape) -> Shape:
        return self.size

    def recover(self, *inputs: Shape) -> Shape:
        return self.size

    def variance(self, *inputs: float) -> float:
        return 1.0

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        return TorchCode()
