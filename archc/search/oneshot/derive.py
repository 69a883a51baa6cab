"""From the weights of a supernet's choices to a point of its space."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from itertools import combinations, islice
from typing import Any

import torch

from archc.search.oneshot.network import OneShot
from archc.search.strategy import SearchError
from archc.spaces.point_text import Point
from archc.spaces.supernet import Supernet

TRIES = 5000
"""Points that are asked whether they meet a requirement, the likeliest first."""

LEAST = 1e-30
"""The share that is taken for none, as its logarithm is added."""

Shares = dict[str, list[float]]

Alternative = tuple[float, dict[str, Any]]
"""What its shares multiply to, as a logarithm, and some answers."""


def derive(net: OneShot, meets: Callable[[Point], bool] | None = None) -> dict[str, Any]:
    """The strongest answer to every choice, as in DARTS: of several candidates, those whose best answer has the
    largest share. An answer of zeros is none, however large its share: a search early on prefers it.

    meets: where it refuses a point, the next in the order of the product of the shares is asked. Raises SearchError
    where it refuses all of many.
    """
    shares = shares_of(net)
    groups = [list(islice(_alternatives(net.supernet, shares, p), TRIES)) for p in _tops(net.supernet)]
    tried = 0
    for tried, (_, point) in enumerate(_likeliest(groups), 1):  # said below
        if meets is None or meets(point):
            return {path: point[path] for path in net.supernet.choices}
        if tried == TRIES:
            break
    raise SearchError(f"none of the {tried:,} likeliest networks meets the requirements: ask for less")


@torch.no_grad()
def shares_of(net: OneShot) -> Shares:
    """The shares of the answers to each choice that has them; nothing's own last, where it is one."""
    shares = net.shares().cpu()
    width = torch.isfinite(net.mask.cpu()).sum(1).tolist()
    return {path: shares[row, : int(width[row])].tolist() for path, row in net.rows.items()}


def _tops(found: Supernet) -> list[str]:
    """Choices that are not those of a candidate of another one."""
    inner = set(found.inner.values())
    return [path for path in found.choices if path not in inner]


def _alternatives(found: Supernet, shares: Shares, path: str) -> Iterator[Alternative]:
    """The answers to a choice, and to those of its candidates, the likeliest first."""
    count, k = found.choices[path]
    if path in found.mixes:
        return iter(_answers(found, shares, path))
    if path not in found.edges:
        return iter([(0.0, {path: tuple(range(k))})])
    edges = [_score(share) for share in shares[path]] if path in shares else [0.0] * count
    own: list[list[Alternative]] = [
        [(edge + score, answer) for score, answer in _answers(found, shares, found.inner[path, i])]
        if (path, i) in found.inner
        else [(edge, {})]
        for i, edge in enumerate(edges)
    ]
    first = {name: answer for answers in own for name, answer in answers[0][1].items()}

    def of(chosen: tuple[int, ...]) -> Iterator[Alternative]:
        for score, answers in _likeliest([own[i] for i in chosen]):
            yield score, {**first, **answers, path: chosen}

    return heapq.merge(*map(of, combinations(range(count), k)), key=lambda alternative: -alternative[0])


def _answers(found: Supernet, shares: Shares, path: str) -> list[Alternative]:
    """The answers to a mixed choice, the likeliest first; those of zeros only where there is no other."""
    count, _ = found.choices[path]
    made = [(_score(shares[path][i]), {path: (i,)}) for i in range(count)]
    empty = found.empty.get(path, ())
    kept = [alternative for i, alternative in enumerate(made) if i not in empty] or made
    return sorted(kept, key=lambda alternative: -alternative[0])


def _score(share: float) -> float:
    return math.log(max(share, LEAST))


def _likeliest(groups: list[list[Alternative]]) -> Iterator[Alternative]:
    """One alternative of each group together, in falling order of their scores' sum; the scores of a group fall."""
    start = (0,) * len(groups)
    open_ = [(-sum(group[0][0] for group in groups), start, 0)]
    while open_:
        cost, places, first = heapq.heappop(open_)
        yield -cost, {k: v for group, at in zip(groups, places, strict=True) for k, v in group[at][1].items()}
        for i in range(first, len(groups)):
            at = places[i]
            if at + 1 < len(groups[i]):
                further = (*places[:i], at + 1, *places[i + 1 :])
                heapq.heappush(open_, (cost + groups[i][at][0] - groups[i][at + 1][0], further, i))
