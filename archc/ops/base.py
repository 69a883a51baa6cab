"""What a primitive is: one frozen dataclass holding everything archc knows about it.

An op is a value: its fields are its parameters, validated by `Op.make` from the annotations.
Tensor arguments are not fields; `tensors` names them. Shapes leave out the batch dimension:
feature maps are (channels, height, width), vectors are (features,).
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal, Self, cast

from archc.diagnostics.record import record
from archc.ops.params import coerce, parameter_table
from archc.ops.torch_code import TorchCode

Shape = tuple[int, ...]

Kind = Literal[
    "input", "conv", "linear", "norm", "activation", "pool", "merge", "scale", "reshape", "regularize"
]


Role = Literal["conv", "linear", "norm", "gain", "bias", "architecture"]
"""conv, linear: weights. norm: scale and shift of a normalisation. gain: learnable multipliers. bias: the
biases of convolutions and linear layers. architecture: how much each answer to a choice counts, in a supernet."""

Sample = tuple[dict[str, Any], tuple[Shape, ...]]
"""Arguments of an op and the shapes of its inputs."""


class OpError(Exception):
    """An op refused its arguments or inputs. It knows arguments, not spans: the builder finds those.

    argument: the parameter to point at (None: the call). label: the text under the caret.
    about_input: the fault lies in the shape of an input, so it may only echo an earlier error.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        argument: str | None = None,
        label: str = "",
        help: tuple[str, ...] = (),
        about_input: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.argument = argument
        self.label = label
        self.help = help
        self.about_input = about_input


class NoVarianceRule(Exception):
    """The op cannot say what it does to the variance of the reference state; carries its name."""


@record
class Cost:
    """Cost of one example, of a node or of any sum of nodes.

    params: learnable elements. buffers: elements kept but not learned (running statistics and their
    counter). macs: multiply-adds of convolutions and linear layers. flops: 2·macs plus one per output
    element and arithmetic step of everything else (each op states its own). activations: output
    elements of convolutions (Radosavovic et al. 2020).
    """

    params: int = 0
    buffers: int = 0
    macs: int = 0
    flops: int = 0
    activations: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.params + other.params,
            self.buffers + other.buffers,
            self.macs + other.macs,
            self.flops + other.flops,
            self.activations + other.activations,
        )

    def __mul__(self, times: int) -> Cost:
        return Cost(
            self.params * times,
            self.buffers * times,
            self.macs * times,
            self.flops * times,
            self.activations * times,
        )


FREE = Cost()


def elements(shape: Shape) -> int:
    """Number of elements of one example."""
    count = 1
    for size in shape:
        count *= size
    return count


@record
class TensorParam:
    """A tensor argument; `many` takes a list of one or more tensors."""

    name: str
    many: bool = False


_SCALARS = frozenset({int, float, bool, str, type(None)})
_MADE: dict[Any, Op] = {}
"""Ops made so far, by class and arguments: a network repeats few distinct ones many times."""


@record(slots=False)
class Op:
    """Base of all primitives. A subclass is found by being defined in a module under `archc.ops`.

    Class variables: `name` is what specs write; `kind` groups ops for drawing and recipes;
    `tensors` are the tensor arguments, in order; `variadic` ops take one list; `samples` are argument
    dicts with input shapes from which the tests make cases; `written` tells whether specs can call it.
    """

    name: ClassVar[str] = ""
    kind: ClassVar[Kind]
    tensors: ClassVar[tuple[TensorParam, ...]] = (TensorParam("x"),)
    samples: ClassVar[tuple[Sample, ...]] = ()
    written: ClassVar[bool] = True

    @classmethod
    def make(cls, /, **arguments: Any) -> Self:
        """An op from named arguments, each coerced to its annotation.

        Ops are values, so equal arguments may give one object. Raises OpError naming the argument.
        """
        types = tuple(map(type, arguments.values()))  # True and 1.0 are equal to 1, but not as good
        if not _SCALARS.issuperset(types):
            return cls._make(arguments)
        key = (cls, types, *arguments.items())
        made: Any = _MADE.get(key)
        if made is None:
            if len(_MADE) >= 65_536:
                _MADE.clear()
            made = _MADE[key] = cls._make(arguments)
        return cast("Self", made)

    @classmethod
    def _make(cls, arguments: dict[str, Any]) -> Self:
        known = parameter_table(cls)
        values = {}
        for name, value in arguments.items():
            if name not in known:
                raise OpError(
                    "E0307",
                    f"{cls.name}: has no parameter `{name}`",
                    argument=name,
                    label="unknown parameter",
                    help=(f"parameters of {cls.name}: {', '.join(known) or 'none'}",),
                )
            values[name] = coerce(cls.name, known[name], value)
        for name, parameter in known.items():
            if parameter.required and name not in values:
                raise OpError(
                    "E0308",
                    f"{cls.name}: `{name}` is missing",
                    argument=name,
                    label=f"needs `{name}`: {parameter.type_name}",
                )
        op = cls(**values)
        op.validate()
        return op

    def validate(self) -> None:
        """Checks that need more than one argument; raises OpError."""

    def shape(self, *inputs: Shape) -> Shape:
        """Output shape; raises OpError when the inputs do not fit. Default: that of the first input."""
        return inputs[0]

    def recover(self, *inputs: Shape) -> Shape:
        """The likeliest output shape after `shape` raised, so that later checks still mean something."""
        return inputs[0]

    def cost(self, inputs: tuple[Shape, ...], output: Shape) -> Cost:
        """Cost of one example. Default: free."""
        return FREE

    def variance(self, *inputs: float) -> float:
        """Variance of the output in the reference state; raises NoVarianceRule where there is no rule."""
        raise NoVarianceRule(self.name)

    def variance_over(self, variances: tuple[float, ...], shapes: tuple[Shape, ...]) -> float:
        """`variance`, for ops whose rule also weighs the shapes of their inputs (concat)."""
        return self.variance(*variances)

    def roles(self) -> dict[str, Role]:
        """Role of every learnable parameter, by its name in the torch module; recipes group by role."""
        return {}

    def torch(self, inputs: tuple[Shape, ...], output: Shape) -> TorchCode:
        """The calls that do the same in torch."""
        raise NotImplementedError(f"op {self.name} has no torch code")

    def label(self) -> str:
        """Short text for diagrams, e.g. `conv 3×3 /2`."""
        return self.name

    def arguments(self) -> dict[str, Any]:
        """The parameters by name, in declaration order: what JSON stores and `make` reads back."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
