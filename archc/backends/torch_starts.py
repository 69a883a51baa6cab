"""How the layers of a class start: their constructors draw nothing, the method `init_weights` starts each once.

Torch's layers start themselves as torch has it, and most are to start otherwise: they would be drawn twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archc.backends.initial import initialiser
from archc.backends.torch_format import Atom, Bracket, layout
from archc.backends.torch_names import checked, literal
from archc.backends.torch_plan import Item
from archc.backends.torch_signatures import NORMS, STARTS_AS, resets
from archc.ops.torch_code import TorchCode

SKIP = "skip_init"
"""The helper that makes a layer and does not start it."""

RESET = "{}.reset_parameters()"
INSTANCE = "nn.InstanceNorm2d"


def skips(code: TorchCode) -> bool:
    """Whether an op's module is one that would start itself. Instance norms without parameters have nothing to start."""
    module = code.module
    return module is not None and resets(module.target) and (bool(code.init) or module.target != INSTANCE)


def guard(items: Sequence[Item]) -> str:
    """A parameter or buffer that `init_weights` starts; empty where it starts none."""
    for item in items:
        if item.code.module and any(_starts(item.code)):
            batch = "BatchNorm" in item.code.module.target  # may have no weight
            name = "running_mean" if batch else item.code.init[0].parameter if item.code.init else "weight"
            return f"{checked(item.name)}.{checked(name)}"
    return ""


def init_weights(items: Sequence[Item]) -> list[str]:
    """The method that starts the class's own layers, those that start alike in one loop."""
    alike: dict[str, list[str]] = {}
    for item in items:
        for start in _starts(item.code):
            alike.setdefault(start, []).append(f"self.{checked(item.name)}")
    groups: dict[tuple[str, ...], list[str]] = {}
    for start, owners in alike.items():
        groups.setdefault(tuple(owners), []).append(start)
    lines = ["", "    def init_weights(self) -> None:"] if groups else []
    for owned, starts in groups.items():
        if len(owned) == 1:
            lines += [f"        {start.replace('{}', owned[0], 1)}" for start in starts]
        else:
            listed = Bracket("", tuple(("", Atom(o)) for o in owned))
            lines += layout("for module in ", listed, 8, ":")
            lines += [f"            {start.replace('{}', 'module', 1)}" for start in starts]
    return lines


def _starts(code: TorchCode) -> Iterator[str]:
    """The calls that start an op's module, `{}` standing for it."""
    if code.module is None:
        return
    target = code.module.target
    drawn = target not in NORMS and any(init.parameter == "weight" for init in code.init)
    if skips(code) and not drawn:  # as torch has it, at least to begin with
        yield RESET
    for init in code.init:
        if (target, init.parameter, init.method) not in STARTS_AS:
            function, kwargs = initialiser(init)
            rest = "".join(f", {checked(k)}={literal(v)}" for k, v in kwargs.items())
            yield f"{function}({{}}.{checked(init.parameter)}{rest})"
