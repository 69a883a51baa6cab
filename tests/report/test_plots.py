"""Pictures by matplotlib: legible, with every series that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib import colormaps
from matplotlib.figure import Figure

from archc.spaces.plots import name_axes, study_figures
from archc.spaces.report import study
from archc.train.tune import Axis, cells, heat_map
from tests.draw.support import contrast

PNG = b"\x89PNG"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is saved."""
    found: list[Figure] = []
    real = Figure.savefig

    def saving(figure: Figure, *args: Any, **kwargs: Any) -> None:
        found.append(figure)
        real(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", saving)
    return found


def test_counts_of_networks_are_written_short() -> None:
    axis = Figure().subplots()
    name_axes(axis, "params", "error")
    assert axis.xaxis.get_major_formatter()(25_600_000) == "25.6M"
    assert axis.yaxis.get_major_formatter()(0.25) != "250m"
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("params", "error")


def test_a_heat_map_is_legible_in_every_cell(drawn: list[Figure], tmp_path: Path) -> None:
    axes = (Axis("optim.lr", ("1", "2")), Axis("data.batch", tuple(map(str, range(1, 12)))))
    accuracies: dict[str, float | None] = {cell.name: i / 22 for i, cell in enumerate(cells(axes))}
    accuracies[cells(axes)[3].name] = None
    heat_map(axes, accuracies, tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(PNG)
    (plot,) = drawn[0].axes
    shown = {text.get_text(): text for text in plot.texts}
    assert len(shown) == 22
    inks = {"white": "#ffffff", "black": "#000000"}
    assert shown.pop("diverged").get_color() == "black"
    image = plot.images[0]
    for text in shown.values():
        x, y = text.get_position()
        red, green, blue, _ = colormaps["viridis"](image.norm(image.get_array()[int(y), int(x)]))
        cell = "#" + "".join(f"{round(255 * part):02x}" for part in (red, green, blue))
        assert contrast(inks[str(text.get_color())], cell) >= 4.4, text.get_text()


def test_all_populations_are_drawn_and_named(drawn: list[Figure]) -> None:
    rows = [
        {"name": f"n{i}", "macs": i, "params": i, "activations": i, "error": 5.0 + i} for i in range(1, 9)
    ]
    found = study_figures([study(f"p{i}", rows, "error") for i in range(10)], "error")
    assert set(found) == {"edf", "complexity"}  # nothing was drawn but the networks
    legends = [figure.axes[0].get_legend() for figure in drawn]
    assert [len(legend.get_texts()) for legend in legends if legend] == [10, 10]
    with_width = [{**row, "width": row["macs"]} for row in rows]
    found = study_figures([study("one", with_width, "error"), study("two", with_width, "error")], "error")
    assert set(found) == {"edf", "parameters", "complexity"}
    assert [text.get_text() for text in drawn[3].axes[0].get_legend().get_texts()] == ["one", "two"]
