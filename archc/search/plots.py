"""The front as a picture, by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence

from archc.search.objectives import Objective
from archc.search.outcome import best, eligible
from archc.search.trial import Trial
from archc.spaces.plots import name_axes, new_figure, saved


def front_figure(trials: Sequence[Trial], objectives: Sequence[Objective]) -> bytes:
    """All evaluated trials by the first two objectives, their front as a line, as PNG.

    Raises ArchError (E0812) without matplotlib.
    """
    made = new_figure(1, 5, 4)
    axis = made.subplots()
    first, second = objectives[0], objectives[1]

    def points(of: Sequence[Trial]) -> tuple[list[float], list[float]]:
        return [second.shown(t.scores[1]) for t in of], [first.shown(t.scores[0]) for t in of]

    found = sorted(best(trials, len(trials)), key=lambda t: second.shown(t.scores[1]))
    axis.plot(*points(eligible(trials)), ".", color="#9aa5b1", markersize=4, label="tried")
    axis.plot(*points(found), "o-", color="#d62728", markersize=4, linewidth=1, label="front")
    name_axes(axis, second.metric, first.metric)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    return saved(made, "png")
