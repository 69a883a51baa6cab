"""Sharpness-aware minimisation (Foret et al. 2021, arXiv:2010.01412): gradients at the worst point nearby."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archc.train.shards import local, total_norm

TINY = 1e-12


class Sharpness:
    """Climbs ρ along the gradient, and returns to exactly where it was."""

    def __init__(self, radius: float) -> None:
        self.radius = radius
        self._kept: list[tuple[nn.Parameter, Tensor]] = []

    @torch.no_grad()
    def climb(self, module: nn.Module) -> None:
        """Moves the weights by ρ·g/‖g‖, g being all gradients."""
        found = [(p, p.grad) for p in module.parameters() if p.grad is not None]
        norm = total_norm([g for _, g in found])
        self._kept = [(p, p.detach().clone()) for p, _ in found]
        for parameter, gradient in found:
            local(parameter).add_(local(gradient) * (self.radius / (norm + TINY)))

    @torch.no_grad()
    def return_(self) -> None:
        """Puts the weights back; the gradients stay those of the higher point."""
        for parameter, value in self._kept:
            parameter.copy_(value)
        self._kept = []
