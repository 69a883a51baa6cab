"""Structured torch calls: what an op returns instead of text.

The torch backend prints them as source. Call targets come from `TARGETS`, or name a helper class or
function of `archc.backends.prelude`, whose source is copied into the emitted file. Arguments are plain
literals, `Input`s or further calls, so no user text can become code.
"""

from __future__ import annotations

from dataclasses import field
from typing import Union

from archc.diagnostics.record import record

Literal_ = int | float | bool | str | None | tuple["Literal_", ...]


@record
class Input:
    """The i-th tensor argument of the op."""

    index: int


@record
class AllInputs:
    """All tensor arguments, as a list."""


Argument = Union[Literal_, Input, AllInputs, "Call"]

# Targets the printer knows; "operator.*" print as infix expressions, "Tensor.*" as methods.
TARGETS = frozenset(
    {
        *(f"nn.{n}" for n in (
            "BatchNorm2d", "BatchNorm1d", "Conv2d", "ConvTranspose2d", "Dropout", "GroupNorm", "InstanceNorm2d",
            "LayerNorm", "Linear",
        )),
        *(f"F.{n}" for n in (
            "adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool2d", "celu", "elu", "gelu", "hardsigmoid",
            "hardswish", "interpolate", "leaky_relu", "local_response_norm", "max_pool2d", "mish", "pad",
            "pixel_shuffle", "pixel_unshuffle", "relu", "relu6", "selu", "silu", "softmax", "softplus",
        )),
        *(f"torch.{n}" for n in (
            "add", "addcmul", "amax", "cat", "flatten", "mean", "narrow", "positive", "reshape", "sigmoid", "tanh",
            "unsqueeze", "zeros_like",
        )),
        *(f"operator.{n}" for n in ("add", "mul")),
        *(f"Tensor.{n}" for n in ("add_", "chunk", "split")),
    }
)  # fmt: skip


@record
class Call:
    """`target(*args, **kwargs)`."""

    target: str
    args: tuple[Argument, ...] = ()
    kwargs: tuple[tuple[str, Argument], ...] = ()


@record
class Init:
    """How a parameter starts: `method` is a name the backend knows (`archc.backends.initial`)."""

    parameter: str
    method: str
    arguments: tuple[tuple[str, float | str], ...] = ()


@record
class TorchCode:
    """How an op runs.

    module: constructor of a submodule, for ops with state. forward: the call made in `forward`; None
    calls the submodule on the tensor arguments. init: how its parameters start. train_only: does
    nothing in eval mode.
    """

    module: Call | None = None
    forward: Call | None = None
    init: tuple[Init, ...] = field(default=())
    train_only: bool = False


def call(target: str, *args: Argument, **kwargs: Argument) -> Call:
    """Shorthand for a Call."""
    return Call(target, args, tuple(kwargs.items()))
