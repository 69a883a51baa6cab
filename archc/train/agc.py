"""Adaptive gradient clipping (Brock et al. 2021, arXiv:2102.06171), all tensors at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

MIN_GRADIENT_NORM = 1e-6


@torch.no_grad()
def clip(parameters: Sequence[nn.Parameter], clipping: float, eps: float = 1e-3) -> None:
    """Scales gradients in place so that no unit's norm exceeds `clipping` of its weights' (at least `eps`).

    A unit is one output filter (index 0 of a tensor of two or more dimensions); a tensor of one or none is
    one unit. Parameters without a gradient are passed over. Gradients must be unscaled, and the final
    linear's weight left out, by the caller.
    """
    pairs = [(p, p.grad) for p in parameters if p.grad is not None]
    if not pairs:
        return
    gradients = [g for _, g in pairs]
    sizes = [g.shape[0] if g.ndim > 1 else 1 for g in gradients]
    limits = _unit_norms([p for p, _ in pairs]).clamp_(min=eps).mul_(clipping)
    norms = _unit_norms(gradients)
    # what is within its limit is multiplied by 1, exactly; a NaN stays one
    scales = torch.split(torch.where(norms > limits, limits / norms.clamp(min=MIN_GRADIENT_NORM), 1.0), sizes)
    shaped = [
        s.to(g.dtype).reshape(-1, *[1] * (g.ndim - 1)) if g.ndim > 1 else s.to(g.dtype).reshape([1] * g.ndim)
        for s, g in zip(scales, gradients, strict=True)
    ]
    torch._foreach_mul_(gradients, shaped)


def _unit_norms(tensors: Sequence[Tensor]) -> Tensor:
    """The norms of the units of all tensors, one after the other, float32."""
    return torch.cat(
        [
            torch.linalg.vector_norm(t, dim=tuple(range(1, t.ndim)) if t.ndim > 1 else None, dtype=torch.float32)
            .reshape(-1)
            for t in tensors
        ]
    )  # fmt: skip
