"""The signal propagation plot of Brock et al. 2021 (arXiv:2101.08692), by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archc.analyses.signal import Point
from archc.diagnostics import NOWHERE, ArchError, Diagnostic


def draw(
    name: str,
    found: Sequence[Point],
    measured: Sequence[tuple[float, float, float | None]] | None,
    path: Path,
) -> None:
    """Write the plot: squared mean, variance and branch variance by depth, predicted lines and measured dots.

    measured: (mean², variance, branch variance) of every point. The ending of the path chooses the format.
    Raises ArchError (E0812) without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ArchError(
            [Diagnostic("E0812", "plots need matplotlib", NOWHERE, help=("pip install 'archc[report]'",))]
        ) from None
    figure = Figure(figsize=(8, 6.5), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True)
    depth = range(len(found))
    predicted: list[list[float | None]] = [
        [None] * len(found),
        [p.variance if isinstance(p.variance, float) else None for p in found],
        [p.branch_variance if isinstance(p.branch_variance, float) else None for p in found],
    ]
    titles = ("average channel squared mean", "average channel variance", "variance at the end of the branch")
    for i, (axis, title) in enumerate(zip(axes, titles, strict=True)):
        _line(axis, depth, predicted[i], "-", "predicted")
        if measured is not None:
            _line(axis, depth, [row[i] for row in measured], "o", "measured")
        axis.set_ylabel(title, fontsize=8)
        axis.grid(alpha=0.3)
        axis.set_ylim(bottom=0)
    axes[1].legend(loc="upper left", fontsize=8)
    axes[0].set_title(name)
    axes[-1].set_xticks(list(depth), [p.path for p in found], rotation=90, fontsize=7)
    figure.savefig(path, dpi=150)


def _line(axis: object, depth: Sequence[int], values: Sequence[float | None], style: str, label: str) -> None:
    kept = [(x, y) for x, y in zip(depth, values, strict=True) if y is not None]
    if kept:
        plot = getattr(axis, "plot")  # noqa: B009  # matplotlib is imported late, so its types are not here
        plot([x for x, _ in kept], [y for _, y in kept], style, label=label, markersize=3)
