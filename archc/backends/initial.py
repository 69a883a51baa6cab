"""How parameters start: `Init` methods of the ops as calls of torch.nn.init."""

from __future__ import annotations

from archc.diagnostics import NOWHERE, ArchError, Diagnostic
from archc.ops.torch_code import Init

INITIALISERS: dict[str, tuple[str, dict[str, float | str]]] = {
    # He et al. 2015, arXiv:1502.01852. Like torchvision's, fan_out does not divide by the groups.
    "he_fan_out": ("nn.init.kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}),
    "he_fan_in": ("nn.init.kaiming_normal_", {"mode": "fan_in", "nonlinearity": "relu"}),
    # variance 1/fan_in (LeCun et al. 1998, Efficient BackProp)
    "lecun": ("nn.init.kaiming_normal_", {"mode": "fan_in", "nonlinearity": "linear"}),
    # Glorot and Bengio 2010
    "xavier": ("nn.init.xavier_uniform_", {}),
    # within ±1/√fan_out, as the classifiers of torchvision's EfficientNets; a is √5
    "uniform_fan_out": ("nn.init.kaiming_uniform_", {"a": 5**0.5, "mode": "fan_out"}),
    "trunc_normal": ("nn.init.trunc_normal_", {"std": 0.02}),
    "normal": ("nn.init.normal_", {"std": 0.01}),
    "constant": ("nn.init.constant_", {}),
    "zeros": ("nn.init.zeros_", {}),
    "ones": ("nn.init.ones_", {}),
}
"""Method: (function, keyword arguments). `torch` is not among them: nothing is printed for it."""


def initialiser(init: Init) -> tuple[str, dict[str, float | str]]:
    """The function of torch.nn.init for one parameter, and its keyword arguments after the tensor.

    Raises ArchError (E0712) for a method that is not listed here.
    """
    if init.method not in INITIALISERS:
        message = f"{init.method!r} is not a way to start parameters"
        raise ArchError([Diagnostic("E0712", message, NOWHERE, help=(f"known: {', '.join(INITIALISERS)}",))])
    target, kwargs = INITIALISERS[init.method]
    return target, {**kwargs, **dict(init.arguments)}
