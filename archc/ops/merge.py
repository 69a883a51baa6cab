"""Ops that join tensors."""

from __future__ import annotations

from typing import ClassVar

from archc.diagnostics.record import record
from archc.ops.base import Cost, Kind, NoVarianceRule, Op, OpError, Sample, Shape, TensorParam, elements
from archc.ops.checks import describe_shape
from archc.ops.torch_code import AllInputs, Argument, Input, TorchCode, call


class ListMerge(Op):
    """What `add` and `concat` share: one list of tensors."""

    kind: ClassVar[Kind] = "merge"
    tensors: ClassVar[tuple[TensorParam, ...]] = (TensorParam("xs", many=True),)

    def need_some(self, inputs: tuple[Shape, ...]) -> None:
        """Raises OpError for an empty list or tensors of different ranks."""
        if not inputs:
            raise OpError("E0309", f"{self.name}: needs at least one tensor", label="an empty list")
        for x in inputs[1:]:
            if len(x) != len(inputs[0]):
                raise OpError(
                    "E0322",
                    f"{self.name}: cannot join {describe_shape(inputs[0])} and {describe_shape(x)}",
                    label="one has a height and a width, the other has not",
                    help=("use flatten or global_avg_pool on the feature map first",),
                    about_input=True,
                )

    def recover(self, *inputs: Shape) -> Shape:
        return inputs[0] if inputs else (1, 1, 1)


@record(slots=False)
class Add(ListMerge):
    """Sum of tensors of one shape."""

    name: ClassVar[str] = "add"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({}, ((3, 4, 5), (3, 4, 5))),
        ({}, ((7,), (7,), (7,))),
        ({}, ((7,),)),
    )

    def shape(self, *inputs: Shape) -> Shape:
        self.need_some(inputs)
        first = inputs[0]
        for x in inputs[1:]:
            if x == first:
                continue
            if x[0] != first[0]:
                spatial = x[1:] != first[1:]
                stride = f", stride = {max(2, stride_between(first, x))}" if spatial else ""
                raise OpError(
                    "E0320",
                    f"add: {describe_shape(first)} and {describe_shape(x)} differ in channels"
                    + (" and size" if spatial else ""),
                    label=f"{first[0]} channels + {x[0]} channels",
                    help=(f"a shortcut needs a projection: conv({max(first[0], x[0])}, 1{stride})",)
                    if len(x) == 3
                    else ("make them equal with a linear layer",),
                    about_input=True,
                )
            raise OpError(
                "E0321",
                f"add: {describe_shape(first)} and {describe_shape(x)} differ in size",
                label=f"{'×'.join(map(str, first[1:]))} + {'×'.join(map(str, x[1:]))}",
                help=(
                    f"give both branches the same stride (they differ by about {stride_between(first, x)}) and padding",
                ),
                about_input=True,
            )
        return first

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        return Cost(flops=(len(inputs) - 1) * elements(output))

    def variance(self, *inputs: float) -> float:
        return sum(inputs)

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        if len(inputs) == 1:
            return TorchCode(forward=call("torch.positive", Input(0)))  # gives it back without a copy
        total = call("operator.add", Input(0), Input(1))
        for i in range(2, len(inputs)):
            total = call("operator.add", total, Input(i))
        return TorchCode(forward=total)

    def label(self) -> str:
        return "+"


@record(slots=False)
class Mul(Op):
    """Elementwise product. A gate of shape (C,), (C, 1, 1) or (1, H, W) is spread over (C, H, W)."""

    name: ClassVar[str] = "mul"
    kind: ClassVar[Kind] = "merge"
    tensors: ClassVar[tuple[TensorParam, ...]] = (TensorParam("x"), TensorParam("gate"))
    samples: ClassVar[tuple[Sample, ...]] = (
        ({}, ((3, 4, 5), (3, 4, 5))),
        ({}, ((3, 4, 5), (3, 1, 1))),
        ({}, ((3, 4, 5), (3,))),
        ({}, ((3,), (3, 4, 5))),
        ({}, ((1, 4, 5), (3, 4, 5))),
        ({}, ((6,), (6,))),
    )

    def shape(self, *inputs: Shape) -> Shape:
        x, gate = (spread(i, inputs) for i in inputs)
        if len(x) == len(gate) and all(a == b or 1 in (a, b) for a, b in zip(x, gate, strict=True)):
            return tuple(map(max, x, gate))
        channels = len(x) != len(gate) or (x[0] != gate[0] and 1 not in (x[0], gate[0]))
        raise OpError(
            "E0323",
            f"mul: {describe_shape(inputs[0])} and {describe_shape(inputs[1])} cannot be multiplied",
            label=f"{inputs[0][0]} channels · {inputs[1][0]} channels"
            if channels
            else "heights or widths differ",
            help=("a gate has as many channels as what it gates: end it in conv(x.channels, 1)",)
            if channels
            else ("a gate has the same height and width, or is 1×1: global_avg_pool(keepdim = true)",),
            about_input=True,
        )

    def recover(self, *inputs: Shape) -> Shape:
        return max(inputs, key=elements)

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        return Cost(flops=elements(output))

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        sides: list[Argument] = []
        for i, shape in enumerate(inputs):
            side: Argument = Input(i)
            if len(shape) < len(output):
                side = call("torch.unsqueeze", call("torch.unsqueeze", side, -1), -1)
            sides.append(side)
        return TorchCode(forward=call("operator.mul", *sides))

    def label(self) -> str:
        return "×"


@record(slots=False)
class Concat(ListMerge):
    """Concatenation along the channels (or features)."""

    name: ClassVar[str] = "concat"
    samples: ClassVar[tuple[Sample, ...]] = (
        ({}, ((3, 4, 5), (2, 4, 5), (1, 4, 5))),
        ({}, ((7,), (2,))),
        ({}, ((3, 4, 5),)),
    )

    def shape(self, *inputs: Shape) -> Shape:
        self.need_some(inputs)
        first = inputs[0]
        for x in inputs[1:]:
            if x[1:] != first[1:]:
                raise OpError(
                    "E0324",
                    f"concat: {describe_shape(first)} and {describe_shape(x)} differ in size",
                    label=f"{'×'.join(map(str, first[1:]))} beside {'×'.join(map(str, x[1:]))}",
                    help=(
                        "all branches need the same stride and padding",
                        "a larger skip can be cut: center_crop(skip, x.height, x.width)",
                    ),
                    about_input=True,
                )
        return self.recover(*inputs)

    def recover(self, *inputs: Shape) -> Shape:
        if not inputs:
            return (1, 1, 1)
        return (sum(x[0] for x in inputs), *inputs[0][1:])

    def variance(self, *inputs: float) -> float:
        if len(set(inputs)) > 1:
            raise NoVarianceRule(self.name)  # needs the channels of each: `variance_over`
        return inputs[0]

    def variance_over(self, variances: tuple[float, ...], shapes: tuple[Shape, ...]) -> float:
        # The variance of an element drawn from any channel, means being zero. It is also what the next
        # convolution sees: its output variance is the mean over fan_in.
        if len(set(variances)) == 1:
            return variances[0]
        total = sum(x[0] for x in shapes)
        return sum(v * x[0] for v, x in zip(variances, shapes, strict=True)) / total

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        return TorchCode(forward=call("torch.cat", AllInputs(), 1))


def stride_between(a: Shape, b: Shape) -> int:
    """How many times larger one feature map is than the other, rounded."""
    if len(a) != 3 or len(b) != 3:
        return 1
    return max(1, round(max(a[1], b[1]) / min(a[1], b[1])))


def spread(x: Shape, inputs: tuple[Shape, ...]) -> Shape:
    """A vector as (C, 1, 1) beside a feature map."""
    return (x[0], 1, 1) if len(x) == 1 and any(len(i) == 3 for i in inputs) else x
