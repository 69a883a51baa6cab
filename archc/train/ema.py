"""The exponential moving average of a module's weights and running statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average:
    """Averages of all floating-point state by name; `decay` is warmed up as min(decay, (1 + t) / (10 + t)).

    t is the number of the step, so that a resumed run goes on where it was. Integer buffers are copied.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state: dict[str, Tensor] = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Takes in the weights after step `step`, counted from 0."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        averages: list[Tensor] = []
        values: list[Tensor] = []
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                averages.append(self.state[name])
                values.append(value)
            else:
                self.state[name].copy_(value)
        torch._foreach_lerp_(averages, values, weight)
