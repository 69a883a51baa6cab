"""How the weights of convolutions and linear layers start."""

from __future__ import annotations

from typing import Literal

from archc.ops.torch_code import Init

Initializer = (
    Literal[
        "he_fan_out",
        "he_fan_in",
        "lecun",
        "xavier",
        "uniform_fan_out",
        "trunc_normal",
        "normal",
        "zeros",
        "torch",
    ]
    | tuple[Literal["normal", "trunc_normal"], float]
)
"""A rule by name, or with its standard deviation: `init = ("normal", 0.01)`. `torch` keeps torch's default."""


def weight_init(init: Initializer, *, bias: bool) -> tuple[Init, ...]:
    """The initialisers of `weight` and, if there is one, `bias` (zero, except that `torch` keeps torch's)."""
    if init == "torch":
        return ()
    method, std = (init[0], (("std", init[1]),)) if isinstance(init, tuple) else (init, ())
    weight = Init("weight", method, std)
    return (weight, Init("bias", "zeros")) if bias else (weight,)
