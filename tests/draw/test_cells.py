"""Cells are found by their structure, and drawn as their papers do."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

import archc
from archc.backends.cells import Cell, Operand, cells
from archc.backends.dot_cells import Style, draw_cells
from archc.backends.graphviz_process import run_dot
from archc.diagnostics import ArchError
from archc.elaborate.choosers import Stream
from archc.spaces.points import graph_of, random_point
from archc.spaces.space import Request, Space
from tests.draw.support import DRAWN, tags
from tests.graphs import GraphBuilder, conv, resnet, unet


def told(cell: Cell) -> list[str]:
    """`sep conv 5×5(-1) + sep conv 3×3(-2)` of each node."""
    return [" + ".join(f"{o.operator}({o.source})" for o in pair) for pair in cell.nodes]


def test_nasnet() -> None:
    """Figure 4 of Zoph et al. 2018."""
    reduction, normal = cells(archc.load("nasnetalarge"))
    assert told(normal.cell) == [
        "sep conv 5×5(-1) + sep conv 3×3(-2)",
        "sep conv 5×5(-2) + sep conv 3×3(-2)",
        "avg pool 3×3(-1) + identity(-2)",
        "avg pool 3×3(-2) + avg pool 3×3(-2)",
        "sep conv 3×3(-1) + identity(-1)",
    ]
    assert normal.cell.outputs == (-2, 0, 1, 2, 3, 4)
    assert not normal.cell.reduces
    assert len(normal.places) == 18
    assert told(reduction.cell)[3:] == ["identity(1) + avg pool 3×3(0)", "sep conv 3×3(0) + max pool 3×3(-1)"]
    assert reduction.cell.reduces
    assert len(reduction.places) == 4


@pytest.mark.parametrize(
    ("name", "places"),
    [("darts_v1_cifar", [18, 2]), ("amoebanet_a_cifar", [18, 2]), ("enas_micro_cifar", [15, 2])],
)
def test_others(name: str, places: list[int]) -> None:
    assert [len(found.places) for found in cells(archc.load(name))] == places


def test_pnasnet_has_one_cell_with_and_without_a_stride() -> None:
    found = cells(archc.load("pnasnet5large"))
    normal = next(one.cell for one in found if not one.cell.reduces)
    assert told(normal) == [
        "sep conv 5×5(-2) + max pool 3×3(-2)",
        "sep conv 7×7(-1) + max pool 3×3(-1)",
        "sep conv 5×5(-1) + sep conv 3×3(-1)",
        "sep conv 3×3(2) + max pool 3×3(-1)",
        "sep conv 3×3(-2) + identity(-1)",
    ]


def test_an_input_that_is_brought_to_its_shape_and_skipped_from_is_an_input() -> None:
    """Points of the space `darts` align their inputs first; an operator reads what a skip adds."""
    space = Space(Request("darts", arguments=(("width", 4), ("repeats", 1))))
    found = [cells(graph_of(space, random_point(space, Stream(b"%d" % i)).point)) for i in range(10)]
    assert [len(one) for one in found] == [2] * 10
    assert {sum(len(each.places) for each in one) for one in found} == {5}


def test_a_cell_of_ones_own() -> None:
    b = GraphBuilder()
    first = b.add("input", size=(4, 8, 8), name="x")
    second = b.add("relu", first)
    with b.scope("mine", "block", "mine"):
        with b.scope("op", "block", "conv_1x1"):
            a = b.chain(first, *(conv(4),))
        one = b.add("add", a, second)
        two = b.add("add", one, first)
        out = b.add("concat", one, two)
    (found,) = cells(b.graph(out))
    assert found.cell == Cell(
        (
            (Operand("conv 1×1", "conv", -2), Operand("identity", "input", -1)),
            (Operand("identity", "input", 0), Operand("identity", "input", -2)),
        ),
        (0, 1),
        reduces=False,
    )


@pytest.mark.parametrize("make", [resnet, unet])
def test_other_networks_have_none(make: type) -> None:
    graph = make()
    assert cells(graph) == []
    with pytest.raises(ArchError) as caught:
        draw_cells(graph)
    assert [d.code for d in caught.value.diagnostics] == ["E0703"]


@pytest.mark.parametrize("style", ["pairs", "edges"])
def test_figures_show_nodes_operators_sums_and_concat(style: Style) -> None:
    graph = archc.load("darts_v2_cifar")
    drawn = run_dot(draw_cells(graph, style).source, "svg").decode()
    texts = [
        (e.text or "").replace("\xa0", " ").strip()
        for e in ET.fromstring(drawn).iter()
        if e.tag.endswith("}text")
    ]
    assert texts.count("concat") == 2
    assert {"normal cell  × 18", "reduction cell  × 2", "cell k−2", "cell k−1", "cell k"} <= set(texts)
    if style == "pairs":
        assert texts.count("add") == 8
        assert texts.count("sep conv") == 5
        assert texts.count("dil conv") == 1
    else:
        assert texts.count("sep conv 3×3") == 5
        assert texts.count("dil conv 3×3") == 1
        assert {"0", "1", "2", "3"} <= set(texts)


def test_every_operand_is_an_arrow() -> None:
    graph = archc.load("nasnetalarge")
    source = draw_cells(graph).source
    for number, one in enumerate(sorted(cells(graph), key=lambda one: one.cell.reduces)):
        arrows = re.findall(rf"^\s*c{number}(n\d+|in\d+) -> c{number}n\d+[ab]", source, re.M)
        wanted = [
            f"n{o.source}" if o.source >= 0 else f"in{-o.source}" for pair in one.cell.nodes for o in pair
        ]
        assert sorted(arrows) == sorted(wanted)


@pytest.mark.parametrize("style", ["pairs", "edges"])
@pytest.mark.parametrize(
    "payload", ["<b>bold</b>", '"]; evil [label="x"]; "', "</text><script>alert(1)</script>"]
)
def test_names_of_operators_stay_text(payload: str, style: Style) -> None:
    b = GraphBuilder()
    x = b.add("input", size=(4, 8, 8), name="x")
    with b.scope("mine", "block", "mine"):
        with b.scope("op", "block", payload):
            a = b.chain(x, conv(4))
        one = b.add("add", a, x)
        out = b.add("concat", one, b.add("add", one, x))
    drawn = run_dot(draw_cells(b.graph(out), style).source, "svg").decode()
    assert set(tags(drawn)) <= DRAWN
    assert payload.replace("_", " ").split()[-1] in drawn.replace("&lt;", "<").replace("&gt;", ">").replace(
        "&quot;", '"'
    ).replace("&#160;", " ")
