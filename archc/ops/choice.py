"""Choices kept open: what `pick` becomes in a supernet, where every answer is there and counts for a share."""

from __future__ import annotations

from typing import ClassVar

from archc.diagnostics.record import record
from archc.ops.base import Cost, Kind, Op, OpError, Role, Sample, Shape, elements
from archc.ops.checks import describe_shape
from archc.ops.merge import ListMerge
from archc.ops.params import param
from archc.ops.torch_code import Init, TorchCode, call

OPTION = "option"
"""The block name of the scopes that hold one answer each: they stay modules, so that they can be left out."""


@record(slots=False)
class Mix(ListMerge):
    """The answers to a choice, each multiplied by its share: the softmax of learnable numbers, and added."""

    name: ClassVar[str] = "mix"
    written: ClassVar[bool] = False
    samples: ClassVar[tuple[Sample, ...]] = (
        ({"choice": "edge[0]"}, ((3, 4, 5), (3, 4, 5), (3, 4, 5))),
        ({"choice": "head"}, ((7,), (7,))),
    )

    choice: str = param(doc="path of the choice point")

    def shape(self, *inputs: Shape) -> Shape:
        self.need_some(inputs)
        for x in inputs[1:]:
            if x != inputs[0]:
                raise OpError(
                    "E0529",
                    f"mix: the answers to `{self.choice}` make {describe_shape(inputs[0])} and {describe_shape(x)}",
                    label="kept open, its answers are added",
                    help=("all answers must have one shape: settle this choice, or the widths that differ",),
                    about_input=True,
                )
        return inputs[0]

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        return Cost(params=len(inputs), flops=2 * len(inputs) * elements(output))

    def variance(self, *inputs: float) -> float:
        return sum(inputs) / len(inputs) ** 2

    def roles(self) -> dict[str, Role]:
        return {"alpha": "architecture"}

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        return TorchCode(module=call("Mix", len(inputs)), init=(Init("alpha", "zeros"),))

    def label(self) -> str:
        return f"? {self.choice}"


@record(slots=False)
class Weigh(Op):
    """One of `count` candidates of which `k` are to be picked: multiplied by its share of k."""

    name: ClassVar[str] = "weigh"
    kind: ClassVar[Kind] = "scale"
    written: ClassVar[bool] = False
    samples: ClassVar[tuple[Sample, ...]] = (
        ({"choice": "edges", "index": 1, "count": 3, "k": 2}, ((3, 4, 5),)),
        ({"choice": "edges", "index": 0, "count": 2, "k": 1}, ((7,),)),
    )

    choice: str = param(doc="path of the choice point")
    index: int = param(ge=0, doc="which of the candidates this is")
    count: int = param(ge=1, doc="how many there are")
    k: int = param(ge=1, doc="how many are picked")

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        return Cost(params=self.count, flops=elements(output))

    def variance(self, *inputs: float) -> float:
        return inputs[0] * (self.k / self.count) ** 2

    def roles(self) -> dict[str, Role]:
        return {"alpha": "architecture"}

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        return TorchCode(module=call("Weigh", self.index, self.count, self.k), init=(Init("alpha", "zeros"),))

    def label(self) -> str:
        return f"? {self.choice}[{self.index}]"
