"""What a module with state read and made when it ran, in a form that can be compared across networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor, nn

PROJECTIONS = 4
PERIOD = 262_139  # prime, so that folding a map at it never puts pixel on pixel


@dataclass(frozen=True, slots=True)
class Sketch:
    """A few projections of a tensor onto fixed pseudo-random directions, in one or two memory layouts.

    The distance of two sketches estimates the relative error between the tensors (Johnson-Lindenstrauss),
    in a fraction of their memory. (N, H, W, C) and (N, C, H, W) of the same values count as equal.
    """

    size: int
    norm: float
    layouts: tuple[Tensor, ...]

    def distance(self, other: Sketch) -> float:
        """About ‖a - b‖ / ‖b‖; infinite when the sizes differ or a value is not finite."""
        if self.size != other.size:
            return float("inf")
        apart = min(float((a - b).norm()) for a in self.layouts for b in other.layouts)
        scale = max(self.norm, other.norm, 1e-30)
        return apart / (scale * PROJECTIONS**0.5) if apart == apart else float("inf")


def sketch(value: Tensor) -> Sketch:
    """The sketch of a tensor with a batch dimension first."""
    x = value.detach().to("cpu", torch.float64)
    views = [x, x.permute(0, 3, 1, 2)] if x.ndim == 4 else [x]
    return Sketch(x.numel(), float(x.norm()), tuple(map(_project, views)))


def _project(view: Tensor) -> Tensor:
    """Projections of a tensor, longer ones first folded at `PERIOD` with weights of mean square 1."""
    flat = view.flatten()
    folds = -(-flat.numel() // PERIOD)
    if folds > 1:
        weights = 0.5 + (torch.arange(folds, dtype=torch.float64) * 5**0.5) % 0.957
        flat = weights @ nn.functional.pad(flat, (0, folds * PERIOD - flat.numel())).view(folds, PERIOD)
    return _directions()[:, : flat.numel()] @ flat


@cache
def _directions() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(PROJECTIONS, PERIOD, generator=generator, dtype=torch.float64)


@dataclass(slots=True)
class Call:
    """The first call of a module that owns tensors.

    name: its path. tensors: its own parameters and buffers by name. leaf: no module in it owns tensors, so
    its input is what they are applied to. between: stateless modules that ran since the call before.
    """

    name: str
    module: nn.Module
    tensors: dict[str, Tensor]
    leaf: bool
    read: Sketch | None = None
    made: Sketch | None = None
    between: tuple[str, ...] = ()


def own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers of the module itself, without its children's."""
    named = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    return {name: tensor for name, tensor in named if name not in module._non_persistent_buffers_set}


@dataclass(slots=True)
class Recorder:
    """Hooks on every module of a network; `calls` fills as it runs.

    arrive: told of every leaf that owns tensors just before its first call.
    """

    network: nn.Module
    arrive: Callable[[Call], None] | None = None
    calls: list[Call] = field(default_factory=list)
    stateless: list[str] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[list[Call]]:
        """Within it, every forward of the network is recorded."""
        handles = []
        owners = {name: own for name, m in self.network.named_modules() if (own := own_tensors(m))}
        outer = {name[:at] for name in owners for at, c in enumerate(name) if c == "."} | {""}
        for name, module in self.network.named_modules():
            if name in owners:
                handles += self._watch(Call(name, module, owners[name], leaf=name not in outer))
            elif not any(module.children()):
                handles.append(module.register_forward_hook(self._pass))
        try:
            yield self.calls
        finally:
            for handle in handles:
                handle.remove()

    def _watch(self, call: Call) -> list[torch.utils.hooks.RemovableHandle]:
        done = False

        def before(module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
            value = first_tensor((args, kwargs))
            if call.leaf and call.read is None and value is not None:
                call.read = sketch(value)
                if self.arrive:
                    self.arrive(call)

        def after(module: nn.Module, args: object, result: object) -> None:
            nonlocal done
            if done:
                return
            done = True
            value = first_tensor(result)
            if call.leaf and value is not None:
                call.made = sketch(value)
            call.between, self.stateless[:] = tuple(self.stateless), []
            self.calls.append(call)

        return [
            call.module.register_forward_pre_hook(before, with_kwargs=True),
            call.module.register_forward_hook(after),
        ]

    def _pass(self, module: nn.Module, args: object, result: object) -> None:
        self.stateless.append(f"{type(module).__name__}({module.extra_repr()})")


def first_tensor(value: object) -> Tensor | None:
    """The first tensor in whatever a module takes or gives: nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        return next((found for item in value if (found := first_tensor(item)) is not None), None)
    return None
