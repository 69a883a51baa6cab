"""From the weights of a supernet's choices to a point of its space."""

from __future__ import annotations

from typing import Any

import torch

from archc.search.oneshot.network import OneShot


@torch.no_grad()
def derive(net: OneShot) -> dict[str, Any]:
    """The strongest answer to every choice, as in DARTS: of several candidates, those whose best answer has the
    largest share. An answer of zeros is none, however large its share: a search early on prefers it."""
    shares = net.shares().cpu()
    found = net.supernet
    point: dict[str, Any] = {}
    for path, (count, k) in found.choices.items():
        if path in found.mixes:
            point[path] = (int(_somethings(net, shares, path).argmax()),)
        elif path in found.edges:
            strengths = [_strength(net, shares, path, i) for i in range(count)]
            best = sorted(range(count), key=lambda i: (-strengths[i], i))[:k]
            point[path] = tuple(sorted(best))
        else:
            point[path] = tuple(range(k))
    return point


def _strength(net: OneShot, shares: torch.Tensor, path: str, index: int) -> float:
    found = net.supernet
    inner = found.inner.get((path, index))
    if path in net.rows or inner is None:
        return float(shares[net.rows[path], index])
    return float(_somethings(net, shares, inner).max())


def _somethings(net: OneShot, shares: torch.Tensor, path: str) -> torch.Tensor:
    """The shares of the answers to a choice, those of zeros below all others."""
    found = shares[net.rows[path], : net.supernet.choices[path][0]].clone()
    found[list(net.supernet.empty.get(path, ()))] = -1.0
    return found
