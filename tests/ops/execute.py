"""Runs TorchCode directly: the least a backend must do, so that ops are tested without one."""

from __future__ import annotations

import importlib
import operator
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from torch import nn

from archc.backends.initial import initialiser
from archc.backends.prelude import helpers
from archc.ops.base import Op, Shape
from archc.ops.torch_code import TARGETS, AllInputs, Call, Input, TorchCode

SPACES: dict[str, Any] = {"nn": nn, "F": nn.functional, "torch": torch, "operator": operator}


@cache
def function(target: str) -> Any:
    """What a call target names."""
    space, _, name = target.rpartition(".")
    if space:
        assert target in TARGETS, f"{target} is not in the allow-list"
        return getattr(SPACES[space], name)
    return getattr(importlib.import_module(helpers()[target].module), target)


def calls(value: Any) -> Iterator[Call]:
    """A call and those in its arguments."""
    if isinstance(value, Call):
        yield value
        for argument in (*value.args, *(a for _, a in value.kwargs)):
            yield from calls(argument)


class Runner(nn.Module):
    """One op as a module; `inner` is its submodule, if it has one."""

    def __init__(self, code: TorchCode) -> None:
        super().__init__()
        self.code = code
        self.functions = {c.target: function(c.target) for c in calls(code.forward)}
        self.inner = None if code.module is None else self.evaluate(code.module, [])
        for init in code.init:
            target, kwargs = initialiser(init)
            getattr(nn.init, target.removeprefix("nn.init."))(getattr(self.inner, init.parameter), **kwargs)

    def evaluate(self, call: Call, inputs: list[torch.Tensor]) -> Any:
        kwargs = {name: self.argument(a, inputs) for name, a in call.kwargs}
        found = self.functions.get(call.target) or function(call.target)
        return found(*(self.argument(a, inputs) for a in call.args), **kwargs)

    def argument(self, argument: Any, inputs: list[torch.Tensor]) -> Any:
        if isinstance(argument, Input):
            return inputs[argument.index]
        if isinstance(argument, AllInputs):
            return inputs
        return self.evaluate(argument, inputs) if isinstance(argument, Call) else argument

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        if self.code.forward is None:
            return self.inner(*inputs) if self.inner is not None else inputs[0]
        return self.evaluate(self.code.forward, list(inputs))


def runner(op: Op, shapes: tuple[Shape, ...]) -> Runner:
    """The op as a module for inputs of these shapes."""
    return Runner(op.torch(shapes, op.shape(*shapes)))
