"""The exponential moving average of a module's weights and running statistics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from archc.train.shards import local


class Average:
    """Averages of all floating-point state by name; `decay` is warmed up as min(decay, (1 + t) / (10 + t)).

    t is the number of the step, so that a resumed run goes on where it was. Integer buffers are copied.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state: dict[str, Tensor] = {k: v.detach().clone() for k, v in module.state_dict().items()}
        first = next(iter(self.state.values()))
        self.weight = torch.zeros((), device=first.device)  # a tensor: a recorded step reads it anew

    def at(self, step: int) -> None:
        """Sets the share that the weights after step `step`, counted from 0, will have."""
        self.weight.fill_(1 - min(self.decay, (1 + step) / (10 + step)))

    def in_layout(self, layout: torch.memory_format) -> None:
        """Lays the averages out as the weights are: unlike strides are slow to walk together."""
        for name, value in self.state.items():
            if value.ndim == 4:
                self.state[name] = value.contiguous(memory_format=layout)

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Takes in the weights as they are now."""
        averages: list[Tensor] = []
        values: list[Tensor] = []
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                averages.append(local(self.state[name]))
                values.append(local(value))
            else:
                self.state[name].copy_(value)
        changes = torch._foreach_sub(values, averages)
        torch._foreach_mul_(changes, self.weight)
        torch._foreach_add_(averages, changes)

    @contextmanager
    def in_place_of(self, module: nn.Module) -> Iterator[None]:
        """Within it, the module computes with the averages; after it, with exactly what it had."""
        own = {name: value.detach().clone() for name, value in module.state_dict().items()}
        _put(module, self.state)
        try:
            yield
        finally:
            _put(module, own)


@torch.no_grad()
def _put(module: nn.Module, state: dict[str, Tensor]) -> None:
    for name, value in module.state_dict().items():
        local(value).copy_(local(state[name]))
