"""Adaptive gradient clipping (Brock et al. 2021, arXiv:2102.06171), all tensors at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from archc.train.shards import is_sharded, local

MIN_GRADIENT_NORM = 1e-6
STACKED = 2**18
"""Elements up to which tensors of one shape are stacked: for them a launch costs more than a copy."""


@torch.no_grad()
def clip(parameters: Sequence[nn.Parameter], clipping: float, eps: float = 1e-3) -> None:
    """Scales gradients in place so that no unit's norm exceeds `clipping` of its weights' (at least `eps`).

    A unit is one output filter (index 0 of a tensor of two or more dimensions); a tensor of one or none is
    one unit. Parameters without a gradient are passed over. Gradients must be unscaled, and the final
    linear's weight left out, by the caller.
    """
    owners = [p for p in parameters if p.grad is not None]
    if not owners:
        return
    gradients = [local(p.grad) for p in owners if p.grad is not None]
    sizes = [g.shape[0] if g.ndim > 1 else 1 for g in gradients]
    weights, norms = _unit_norms([local(p) for p in owners]), _unit_norms(gradients)
    _complete(owners, sizes, (weights, norms))
    limits = weights.clamp_(min=eps).mul_(clipping)
    # what is within its limit is multiplied by 1, exactly; a NaN stays one
    scales = torch.split(torch.where(norms > limits, limits / norms.clamp(min=MIN_GRADIENT_NORM), 1.0), sizes)
    shaped = [
        s.to(g.dtype).reshape(-1, *[1] * (g.ndim - 1)) if g.ndim > 1 else s.to(g.dtype).reshape([1] * g.ndim)
        for s, g in zip(scales, gradients, strict=True)
    ]
    torch._foreach_mul_(gradients, shaped)


def _unit_norms(tensors: Sequence[Tensor]) -> Tensor:
    """The norms of the units of all tensors, one after the other, float32."""
    rows = [_rows(t) for t in tensors]
    alike: dict[tuple[int, ...], list[int]] = {}
    for place, of in enumerate(rows):
        alike.setdefault(tuple(of.shape) if of.numel() <= STACKED else (place,), []).append(place)
    found: dict[int, Tensor] = {}
    for places in alike.values():
        stacked = rows[places[0]][None] if len(places) == 1 else torch.stack([rows[i] for i in places])
        norms = torch.linalg.vector_norm(stacked, dim=2, dtype=torch.float32)
        found.update(zip(places, norms.unbind(), strict=True))
    return torch.cat([found[place] for place in range(len(rows))])


def _rows(tensor: Tensor) -> Tensor:
    """(units, elements of one), without a copy in either memory format; the order of elements is of no matter."""
    if tensor.ndim < 2:
        return tensor.reshape(1, tensor.numel())  # a shard may be empty
    if tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        tensor = tensor.permute(0, 2, 3, 1)
    return tensor.flatten(1)


def _complete(owners: Sequence[nn.Parameter], sizes: Sequence[int], norms: Sequence[Tensor]) -> None:
    """Where a tensor of one dimension is cut among processes, puts the norm of all of it in place."""
    places = [0]
    for size in sizes:
        places.append(places[-1] + size)
    cut = [at for p, at in zip(owners, places, strict=False) if p.ndim == 1 and is_sharded(p)]
    if cut:
        squares = torch.stack([n[cut] for n in norms]).square()
        dist.all_reduce(squares)
        for n, square in zip(norms, squares.sqrt(), strict=True):
            n[cut] = square
