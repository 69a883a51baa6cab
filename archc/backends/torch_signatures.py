"""What the printer knows about the arguments of the things it may call."""

from __future__ import annotations

import ast
from functools import cache

from archc.backends.prelude import helpers
from archc.diagnostics import NOWHERE, ArchError, Diagnostic
from archc.ops.torch_code import TARGETS, Literal_

_CONV: dict[str, Literal_] = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True}
_NORM: dict[str, Literal_] = {"eps": 1e-5, "momentum": 0.1, "affine": True}

# Defaults of torch's constructors and functions, so that an argument which one scope gives and another leaves
# out is the same argument. A test compares them with the installed torch.
DEFAULTS: dict[str, dict[str, Literal_]] = {
    "nn.Conv2d": _CONV,
    "nn.ConvTranspose2d": {**_CONV, "output_padding": 0},
    "nn.BatchNorm2d": _NORM,
    "nn.BatchNorm1d": _NORM,
    "nn.GroupNorm": {"eps": 1e-5, "affine": True},
    "nn.LayerNorm": {"eps": 1e-5, "bias": True},
    "nn.Linear": {"bias": True},
    "F.max_pool2d": {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False},
    "F.avg_pool2d": {"stride": None, "padding": 0, "ceil_mode": False, "count_include_pad": True},
}

POSITIONAL: dict[str, tuple[str, ...]] = {
    "nn.Conv2d": ("in_channels", "channels", "kernel"),
    "nn.ConvTranspose2d": ("in_channels", "channels", "kernel"),
    "nn.Linear": ("in_features", "features"),
    "nn.BatchNorm2d": ("channels",),
    "nn.BatchNorm1d": ("channels",),
    "nn.GroupNorm": ("groups", "channels"),
    "nn.LayerNorm": ("channels",),
    "nn.Dropout": ("rate",),
    "Tensor.split": ("x", "sizes"),
}

# Arguments of torch's own calls for which (n, n) and n mean the same.
SQUARE = frozenset({"kernel_size", "stride", "padding", "dilation", "output_padding"})

# What torch's norms start as anyway.
NORMS = (
    "nn.BatchNorm1d",
    "nn.BatchNorm2d",
    "nn.GroupNorm",
    "nn.InstanceNorm2d",
    "nn.LayerNorm",
    "LayerNorm2d",
)
STARTS_AS = frozenset(
    (norm, name, how) for norm in NORMS for name, how in (("weight", "ones"), ("bias", "zeros"))
)

# Layers whose constructors start them by `reset_parameters`; helpers derived from them do too.
RESETS = frozenset({*NORMS, "nn.Conv2d", "nn.ConvTranspose2d", "nn.Linear"})


def allowed(target: str) -> str:
    """The target itself; raises ArchError (E0712) unless it is one the emitted code may call."""
    if target not in TARGETS and target not in helpers():
        help = ("calls are listed in archc.ops.torch_code, helpers are modules of archc.backends.prelude",)
        message = f"{target!r} is not a call that emitted code may make"
        raise ArchError([Diagnostic("E0712", message, NOWHERE, help=help)])
    return target


def defaults(target: str) -> dict[str, Literal_]:
    """The known defaults of a target's keyword arguments."""
    return _helper(target)[1] if target in helpers() else DEFAULTS.get(target, {})


def positional(target: str) -> tuple[str, ...]:
    """Names for the positional arguments of a target, as far as known."""
    return _helper(target)[0] if target in helpers() else POSITIONAL.get(target, ())


@cache
def resets(target: str) -> bool:
    """Whether a layer's constructor starts it by `reset_parameters`."""
    if target not in helpers():
        return target in RESETS
    (statement,) = ast.parse(helpers()[target].source).body
    return isinstance(statement, ast.ClassDef) and any(ast.unparse(b) in RESETS for b in statement.bases)


@cache
def _helper(name: str) -> tuple[tuple[str, ...], dict[str, Literal_]]:
    """Argument names and defaults of a helper; those of its base class where it has no constructor."""
    (statement,) = ast.parse(helpers()[name].source).body
    if isinstance(statement, ast.FunctionDef):
        return _arguments(statement, skip=0)
    assert isinstance(statement, ast.ClassDef)
    for inner in statement.body:
        if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
            return _arguments(inner, skip=1)
    base = ast.unparse(statement.bases[0])
    return positional(base), defaults(base)


def _arguments(function: ast.FunctionDef, skip: int) -> tuple[tuple[str, ...], dict[str, Literal_]]:
    names = tuple(a.arg for a in function.args.args)
    values = [ast.literal_eval(d) for d in function.args.defaults]
    return names[skip:], dict(zip(names[len(names) - len(values) :], values, strict=True))
