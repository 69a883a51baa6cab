"""Scaling rules against their papers, and applied to networks."""

from __future__ import annotations

from pathlib import Path

import pytest

import archc
from archc.diagnostics import ArchError
from archc.spaces.scaled import every, scaled, scorer
from archc.spaces.scaling import STRATEGIES, Scale, candidates, deviation, scale, search


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("phi", [0, 1, 2.5])
def test_phi_doubles_the_cost(strategy: str, phi: float) -> None:
    """Compound scaling's published bases make 1.92 of it."""
    base = 1.2 * 1.1**2 * 1.15**2 if strategy == "compound" else 2
    assert scale(strategy, phi).cost == pytest.approx(base**phi)


def test_an_unknown_strategy_is_refused() -> None:
    with pytest.raises(ValueError, match="no strategy `tall`"):
        scale("tall", 1)


def test_fast_scaling_is_mostly_width() -> None:
    found = scale("fast", 3)
    assert found.width > found.depth > found.resolution > 1
    assert found.width == pytest.approx(8**0.4)


def test_the_formula_is_not_the_table() -> None:
    assert deviation(0, scale("compound", 0)) == (0, 0, 0)
    width, depth, resolution = deviation(7, scale("compound", 7)) or (0, 0, 0)
    assert (width, depth, resolution) == pytest.approx((-0.0256, 0.1559, -0.0069), abs=1e-3)
    assert deviation(8, scale("compound", 8)) is None


def test_the_grid_holds_the_published_bases() -> None:
    found = list(candidates())
    assert (1.2, 1.1, 1.15) in found
    assert all(abs(a * b * b * c * c - 2) <= 0.1 for a, b, c in found)


def test_search_takes_any_score() -> None:
    best = search(lambda s: -abs(s.depth - 1.2) - abs(s.width - 1.1))[0]
    assert (best.alpha, best.beta) == (1.2, 1.1)


def test_scaling_a_network_multiplies_its_parameters() -> None:
    found = scaled("efficientnet_b0", Scale(1.1, 1.2, 260 / 224))
    assert dict(found.changed) == {
        "width": pytest.approx(1.1),
        "depth": pytest.approx(1.2),
        "resolution": 260,
    }
    assert found.graph.cost == archc.load("efficientnet_b2").cost


def test_a_network_without_resolution_gets_a_larger_input() -> None:
    found = scaled("resnet50", Scale(resolution=2))
    assert found.graph.inputs[0].shape == (3, 448, 448)


def test_a_network_without_width_cannot_be_widened() -> None:
    with pytest.raises(ArchError) as caught:
        scaled("alexnet", Scale(width=2))
    assert [d.code for d in caught.value.diagnostics] == ["E0526"]


def test_the_scaled_spec_is_the_scaled_network(tmp_path: Path) -> None:
    found = scaled("mobilenet_v2", scale("width", 1))
    path = tmp_path / "wider.arch"
    path.write_text(found.text("wider"))
    assert archc.check(str(path)) == []
    assert archc.load(path).cost == found.graph.cost


def test_scores_are_expressions() -> None:
    graph = archc.load("lenet5")
    assert scorer("params * 2 + width")(graph, Scale(width=3)) == graph.cost.params * 2 + 3
    for wrong in ("prams", "params +", "params > 3", "relu"):
        with pytest.raises(ArchError):
            scorer(wrong)(graph, Scale())


def test_a_grid_is_every_network_once() -> None:
    graphs = list(every("resnet_rs"))
    assert len({graph.arguments for graph in graphs}) == 175
    with pytest.raises(ArchError) as caught:
        next(every("regnet"))
    assert [d.code for d in caught.value.diagnostics] == ["E0527"]
