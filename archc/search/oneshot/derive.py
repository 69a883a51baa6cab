"""From the weights of a supernet's choices to a point of its space."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from itertools import combinations, product
from typing import Any

import torch

from archc.search.oneshot.network import OneShot
from archc.search.strategy import SearchError
from archc.spaces.point_text import Point

TRIES = 5000
"""Points that are asked whether they meet a requirement, the likeliest first."""

LEAST = 1e-30
"""The share that is taken for none, as its logarithm is added."""

Alternative = tuple[float, dict[str, Any]]
"""What its shares multiply to, as a logarithm, and some answers."""


@torch.no_grad()
def derive(net: OneShot, meets: Callable[[Point], bool] | None = None) -> dict[str, Any]:
    """The strongest answer to every choice, as in DARTS: of several candidates, those whose best answer has the
    largest share. An answer of zeros is none, however large its share: a search early on prefers it.

    meets: where it refuses a point, the next in the order of the product of the shares is asked. Raises SearchError
    where it refuses all of many.
    """
    tried = 0
    for tried, point in enumerate(_likeliest([_alternatives(net, p) for p in _tops(net)]), 1):  # said below
        if meets is None or meets(point):
            return {path: point[path] for path in net.supernet.choices}
        if tried == TRIES:
            break
    raise SearchError(f"none of the {tried:,} likeliest networks meets the requirements: ask for less")


@torch.no_grad()
def shares_of(net: OneShot) -> dict[str, list[float]]:
    """The shares of the answers to each choice that has them; nothing's own last, where it is one."""
    shares = net.shares().cpu()
    width = torch.isfinite(net.mask.cpu()).sum(1).tolist()
    return {path: shares[row, : int(width[row])].tolist() for path, row in net.rows.items()}


def _tops(net: OneShot) -> list[str]:
    """Choices that are not those of a candidate of another one."""
    inner = set(net.supernet.inner.values())
    return [path for path in net.supernet.choices if path not in inner]


def _alternatives(net: OneShot, path: str) -> list[Alternative]:
    """The answers to a choice, and to those of its candidates, the likeliest first."""
    found = net.supernet
    count, k = found.choices[path]
    if path in found.mixes:
        return _sorted([(score, {path: (i,)}) for score, i in _answers(net, path)])
    if path not in found.edges:
        return [(0.0, {path: tuple(range(k))})]
    own = [_answers(net, found.inner[path, i]) if (path, i) in found.inner else [] for i in range(count)]
    first: dict[str, Any] = {}
    for i in range(count):
        if own[i]:
            first[found.inner[path, i]] = (max(own[i], key=lambda a: (a[0], -a[1]))[1],)
        else:
            score = float(net.shares()[net.rows[path], i]) if path in net.rows else 1.0
            own[i] = [(math.log(max(score, LEAST)), -1)]
    made: list[Alternative] = []
    for chosen in combinations(range(count), k):
        for picked in product(*(own[i] for i in chosen)):
            answers = {found.inner[path, i]: (a,) for i, (_, a) in zip(chosen, picked, strict=True) if a >= 0}
            made.append((sum(score for score, _ in picked), {**first, **answers, path: chosen}))
    return _sorted(made)


def _answers(net: OneShot, path: str) -> list[tuple[float, int]]:
    """The answers to a mixed choice with the logarithms of their shares; those of zeros only where there is no other."""
    shares = net.shares()[net.rows[path], : net.supernet.choices[path][0]].tolist()
    found = [(math.log(max(share, LEAST)), i) for i, share in enumerate(shares)]
    return [a for a in found if a[1] not in net.supernet.empty.get(path, ())] or found


def _sorted(found: list[Alternative]) -> list[Alternative]:
    return sorted(found, key=lambda alternative: -alternative[0])


def _likeliest(groups: list[list[Alternative]]) -> Iterator[dict[str, Any]]:
    """One alternative of each group together, in falling order of their scores' sum; the scores of a group fall."""
    start = (0,) * len(groups)
    open_ = [(-sum(group[0][0] for group in groups), start, 0)]
    while open_:
        cost, places, first = heapq.heappop(open_)
        yield {k: v for group, at in zip(groups, places, strict=True) for k, v in group[at][1].items()}
        for i in range(first, len(groups)):
            at = places[i]
            if at + 1 < len(groups[i]):
                further = (*places[:i], at + 1, *places[i + 1 :])
                heapq.heappush(open_, (cost + groups[i][at][0] - groups[i][at + 1][0], further, i))
