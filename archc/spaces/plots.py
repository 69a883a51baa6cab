"""The figures of design-space papers, by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import cycle
from typing import Any

from archc.diagnostics import NOWHERE, ArchError, Diagnostic
from archc.spaces.edf import Edf
from archc.spaces.report import Studied

COUNTS = ("macs", "params", "activations", "flops")
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2")


def edf_figure(found: Sequence[Edf], column: str, format: str) -> bytes:
    """EDFs with their bootstrap bands, as PNG or SVG. Raises ArchError (E0812) without matplotlib."""
    figure = new_figure(1, 5, 4)
    axis: Any = figure.subplots()
    _edfs(axis, found, column)
    return saved(figure, format)


def study_figures(studied: Sequence[Studied], column: str) -> dict[str, bytes]:
    """PNGs by name: edf, parameters and complexity, each where there is something to show.

    Raises ArchError (E0812) without matplotlib.
    """
    figures: dict[str, bytes] = {}
    trained = [s for s in studied if s.edf is not None]
    if trained:
        figures["edf"] = edf_figure([s.edf for s in trained if s.edf is not None], column, "png")
        if any(s.parameters for s in trained):
            figures["parameters"] = _parameters(trained, column)
    figures["complexity"] = _complexity(studied)
    return figures


def _edfs(axis: Any, found: Sequence[Edf], column: str) -> None:
    for e, colour in zip(found, cycle(COLOURS), strict=False):
        axis.step(
            e.errors, e.shares, where="post", color=colour, label=f"{e.name} [{e.errors[0]:.1f}|{e.mean:.1f}]"
        )
        axis.fill_between(e.errors, e.low, e.high, step="post", color=colour, alpha=0.15, linewidth=0)
    axis.set_xlabel(column)
    axis.set_ylabel("share of networks below")
    axis.set_ylim(0, 1)
    axis.grid(alpha=0.3)
    axis.legend(loc="lower right", fontsize=8, title="[best|mean]", title_fontsize=8)


def _parameters(studied: Sequence[Studied], column: str) -> bytes:
    """Each drawn parameter against the error, with the band its best value lies in."""
    names = list(dict.fromkeys(name for s in studied for name in s.parameters))
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(rows, 2.6 * columns, 2.3)
    axes: Any = figure.subplots(rows, columns, squeeze=False)
    for axis in list(axes.flat)[len(names) :]:
        axis.set_visible(False)
    for axis, name in zip(axes.flat, names, strict=False):
        for s, colour in zip(studied, cycle(COLOURS), strict=False):
            points = [(row[name], error) for row, error in s.errors if type(row.get(name)) in (int, float)]
            if not points:
                continue
            xs, ys = zip(*points, strict=True)
            axis.plot(xs, ys, ".", color=colour, markersize=4, label=s.name)
            best = s.parameters.get(name)
            if best is not None:
                axis.axvspan(best.low, best.high, color=colour, alpha=0.12, linewidth=0)
                axis.axvline(best.median, color=colour, linewidth=1)
        axis.set_xlabel(name, fontsize=8)
        axis.set_ylabel(column, fontsize=8)
        axis.tick_params(labelsize=7)
    if len(studied) > 1:
        axes[0][0].legend(fontsize=7)
    return saved(figure, "png")


def _complexity(studied: Sequence[Studied]) -> bytes:
    """Multiply-adds against parameters and activations."""
    figure = new_figure(1, 8, 3.6)
    axes: Any = figure.subplots(1, 2)
    for axis, name in zip(axes, ("activations", "params"), strict=True):
        for s, colour in zip(studied, cycle(COLOURS), strict=False):
            axis.plot(
                [r["macs"] for r in s.rows],
                [r[name] for r in s.rows],
                ".",
                color=colour,
                label=s.name,
                markersize=4,
            )
        name_axes(axis, "macs", name)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    return saved(figure, "png")


def name_axes(axis: Any, across: str, up: str) -> None:
    """Names both axes; counts of a network are written as `20M`."""
    from matplotlib.ticker import EngFormatter

    axis.set_xlabel(across)
    axis.set_ylabel(up)
    for name, side in ((across, axis.xaxis), (up, axis.yaxis)):
        if name in COUNTS:
            side.set_major_formatter(EngFormatter(sep=""))


def new_figure(rows: int, width: float, height: float) -> Any:
    """A figure, in inches, so many rows high; raises ArchError (E0812) without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        help = ("pip install 'archc[report]'",)
        raise ArchError([Diagnostic("E0812", "plots need matplotlib", NOWHERE, help=help)]) from None
    return Figure(figsize=(width, height * rows), layout="constrained")


def saved(figure: Any, format: str) -> bytes:
    """The figure as PNG or SVG."""
    out = io.BytesIO()
    figure.savefig(out, format=format, dpi=150)
    return out.getvalue()
