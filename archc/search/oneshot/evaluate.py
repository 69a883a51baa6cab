"""How well a point does with the weights of the supernet."""

from __future__ import annotations

import torch

from archc.search.oneshot.feed import Feed
from archc.search.oneshot.shared import Shared
from archc.spaces.point_text import Point

CHUNK = 500
"""Examples at a time; whole chunks only, as batch norms go by the batch."""


@torch.no_grad()
def accuracy_of(shared: Shared, feed: Feed, point: Point, examples: int) -> float:
    """The share of right answers among the first examples of the second half, unaugmented.

    Batch norms use the statistics of the chunk: running ones are of no path in particular.
    """
    shared.net.paths.choose(point)
    right = torch.zeros((), dtype=torch.int64, device=shared.device)
    seen = 0
    chunk = min(CHUNK, examples)
    for number in range(max(1, examples // chunk)):
        images, _, labels = feed.plain(number, chunk)
        if len(labels) < min(chunk, 2):
            break
        right += (shared.logits(images).argmax(1) == labels).sum()
        seen += len(labels)
    return int(right) / max(1, seen)
