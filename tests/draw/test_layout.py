"""Where things stand in drawings: rows of a page, lines of a box, names above edges; what files say of themselves."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest

import archc
from archc.backends.dot import Level, draw, svg
from archc.backends.dot_ops import columns
from archc.backends.dot_rows import rows, text_width
from archc.backends.dot_style import KINDS, PAGE_WIDTH, PALETTE, Line, label
from archc.backends.dot_units import wrapped
from archc.backends.graphviz_process import run_dot
from archc.backends.svg_file import finished
from archc.ir.graph import Graph
from tests.draw.support import LEVELS, texts
from tests.graphs import GraphBuilder, conv, resnet

EXAMPLES = Path(__file__).parents[2] / "examples"
SVG = "{http://www.w3.org/2000/svg}"


def size(drawn: str) -> tuple[int, int]:
    found = re.search(r'<svg width="(\d+)pt" height="(\d+)pt"', drawn)
    assert found is not None
    return int(found.group(1)), int(found.group(2))


def across(element: ET.Element) -> tuple[float, float]:
    """Left and right end of a box or a cluster."""
    for child in element:
        points = child.get("d") or child.get("points")
        if points:
            found = [float(x) for x in re.findall(r"(-?[\d.]+),", points)]
            return min(found), max(found)
    raise AssertionError("no shape")


@pytest.mark.parametrize(
    "spec", ["mobilenet_v3_large", "inception_v3", "darts_v2_cifar", str(EXAMPLES / "hrnet.arch")]
)
def test_blocks_stand_in_rows_of_a_page(spec: str) -> None:
    graph = archc.load(spec)
    drawn = svg(graph, "block")
    width, height = size(drawn)
    assert PAGE_WIDTH / 2 < width < 1.1 * PAGE_WIDTH
    assert height < 4 * width
    assert "row" not in "".join(texts(drawn))


def test_rows_stand_one_below_the_other_in_the_order_written() -> None:
    root = ET.fromstring(svg(archc.load("mobilenet_v3_large"), "block"))
    clusters = [g for g in root.iter(f"{SVG}g") if g.get("class") == "cluster"]
    panels = [g for g in clusters if g[0].get("fill") != "#ffffff"]
    ends = [across(panel) for panel in panels]
    tops = [max(float(y) for y in re.findall(r",(-?[\d.]+)", panel[0].get("d") or "")) for panel in panels]
    breaks = [i for i in range(1, len(panels)) if ends[i][0] < ends[i - 1][1]]
    assert len(breaks) == 1  # two rows, each from left to right
    assert max(tops[: breaks[0]]) < min(tops[breaks[0] :]) + 600


def test_ways_that_part_lie_about_the_middle() -> None:
    """A network of many branches does not drift to one side as it goes down."""
    assert size(svg(archc.load("googlenet"), "op"))[0] < PAGE_WIDTH


def test_ops_in_no_block_run_down_columns_too() -> None:
    assert set(columns(flat(300))) == {0, 1, 2, 3}


def test_few_blocks_stand_side_by_side() -> None:
    width, height = size(svg(archc.load("resnet50"), "block"))
    assert height < width < PAGE_WIDTH


def test_rows_are_the_lowest_that_fit_and_even() -> None:
    assert rows([(100, 50)] * 3, 300) == [3]
    assert rows([(100, 50)] * 4, 300) == [2, 2]
    assert rows([(100, 90), (100, 80), (100, 20), (100, 20)], 200) == [2, 2]
    assert rows([(100, 90), (100, 20), (100, 20), (100, 20)], 200) == [2, 2]
    assert rows([(100, 20), (100, 90), (100, 90), (100, 20)], 200) == [1, 2, 1]
    assert rows([(900, 50), (100, 50), (100, 50)], 300) == [1, 2]
    assert rows([]) == []


def test_widths_are_guessed_from_what_is_seen() -> None:
    assert text_width(label(Line("<&>", 10))) == pytest.approx(3 * text_width(label(Line("x", 10))))
    assert text_width(label(Line("short", 8), Line("much longer", 12))) == text_width(
        label(Line("much longer", 12))
    )


@pytest.mark.parametrize("level", LEVELS)
def test_lines_and_boxes_leave_each_other_room(level: Level) -> None:
    """Lines of a box do not touch, and text stands in the middle of its box."""
    root = ET.fromstring(svg(archc.load("nfnet_f0"), level))
    boxes = [g for g in root.iter(f"{SVG}g") if g.get("class") == "node"]
    assert boxes
    for box in boxes:
        lines = sorted((float(t.get("y", "")), float(t.get("font-size", ""))) for t in box.iter(f"{SVG}text"))
        for (above, _), (below, points) in pairwise(lines):
            assert below - above >= 1.15 * points
        for text in box.findall(f"{SVG}text"):
            assert text.get("text-anchor") == "middle"
            if box[0].tag != f"{SVG}ellipse":
                assert float(text.get("x", "")) == pytest.approx(sum(across(box)) / 2, abs=0.01)


def test_a_box_without_cost_has_no_empty_line() -> None:
    b = GraphBuilder()
    x = b.add("input", size=(4, 8, 8), name="x")
    with b.scope("head", "section"):
        x = b.chain(x, "relu")
    assert texts(svg(b.graph(x)))[-4:] == ["head", "relu", "output", "4×8×8"]
    assert label(Line("a"), Line("")) == label(Line("a"))
    assert label() == ""


def test_calls_with_the_same_arguments_are_folded_whatever_their_widths() -> None:
    drawn = texts(svg(archc.load("densenet121"), "stage"))
    assert [text for text in drawn if text.startswith("×")] == ["× 6", "× 12", "× 24", "× 16"]
    assert "batch_norm" in drawn  # few boxes: ops stay apart


def flat(layers: int) -> Graph:
    b = GraphBuilder()
    x = b.add("input", size=(4, 8, 8), name="x")
    for i in range(layers):
        x = b.chain(x, conv(4 + i % 3, 3), "batch_norm", "relu")
    return b.graph(b.add("add", b.chain(x, conv(4)), b.chain(x, conv(4))))


def test_a_long_network_without_blocks_is_drawn_by_its_runs() -> None:
    drawn = texts(svg(flat(300)))
    assert "conv 3×3, 4…6" in drawn
    assert "conv · batch_norm · relu  × 300" in drawn
    assert drawn.count("conv 1×1, 4") == 2
    assert "+" in drawn
    short = texts(svg(flat(3)))
    assert short.count("batch_norm") == 3


def test_what_several_read_ends_a_chain() -> None:
    b = GraphBuilder()
    x = b.add("input", size=(4, 8, 8), name="x")
    for _ in range(40):
        y = b.chain(x, conv(4))
        x = b.add("add", y, b.chain(y, "relu"))
    source = draw(b.graph(x)).source
    assert source.count("conv · relu") == 0


@pytest.mark.parametrize("level", LEVELS)
def test_a_file_says_what_it_shows_and_is_the_same_each_time(level: Level) -> None:
    graph = archc.load("nfnet_f0")
    drawn = svg(graph, level)
    root = ET.fromstring(drawn)
    assert root[0].tag == f"{SVG}title"
    assert root[0].text == "nfnet_f0"
    assert root[1].tag == f"{SVG}desc"
    assert "NFNet-F0: an SE-ResNeXt-D without normalisation" in (root[1].text or "")
    assert "71.49 M params" in (root[1].text or "")
    assert len([e for e in root.iter() if e.tag == f"{SVG}title"]) == 1  # the rest would be hints: n1, n1->n2
    assert not [e for e in root.iter() if "id" in e.attrib]
    assert drawn == svg(archc.load("nfnet_f0"), level)


def test_names_of_clusters_stand_above_the_edges() -> None:
    root = ET.fromstring(svg(archc.load("nfnet_f0"), "block"))
    groups = list(root[-1])
    assert groups[-1].get("class") == "names"
    assert "squeeze_excite" in {text.text for text in groups[-1]}
    assert {text.get("stroke") for text in groups[-1]} == {
        "#ffffff",
        "#f6f8fa",
    }  # of the clusters they stand on
    assert not [g for g in groups if g.get("class") == "cluster" and g.findall(f"{SVG}text")]


@pytest.mark.parametrize("level", ["block", "op"])
def test_a_legend_tells_the_colours_that_are_there(level: Level) -> None:
    source = draw(resnet(), level).source
    shown = {kind for kind, meaning in KINDS.items() if f">{meaning}<" in source}
    boxes = set(re.findall(r'fillcolor="(#\w+)"', source))
    assert shown == {kind for kind in KINDS if PALETTE[kind][0] in boxes}
    assert len(shown) > 4


def test_the_scale_of_a_heat_map_ends_in_the_most() -> None:
    drawn = texts(run_dot(draw(archc.load("resnet152"), "stage", "cost").source, "svg").decode())
    at = drawn.index("colour: multiply-adds")
    assert drawn[at + 1 : at + 6] == ["0", "477.7 M", "1.911 G", "4.299 G", "7.643 G"]
    assert any("7.643 G macs" in text for text in drawn)


def test_long_text_is_broken_where_it_reads() -> None:
    assert wrapped("ResNet and its kin: Wide ResNet", 20, 2) == ["ResNet and its", "kin: Wide ResNet"]
    assert wrapped("a_name_that_is_longer_than_a_line", 12, 4) == [
        "a_name_that_",
        "is_longer_",
        "than_a_line",
    ]
    assert wrapped("one two three four", 8, 2) == ["one two", "three …"]
    assert wrapped("x" * 30, 10, 2) == ["x" * 10, "x" * 8 + " …"]
    assert wrapped("", 10, 2) == []


def test_a_png_has_a_page_of_its_own(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "net.png"
    path.write_bytes(run_dot(draw(resnet()).source, "png"))
    with Image.open(path) as picture:
        assert picture.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)


def test_what_is_no_drawing_stays_as_it_is() -> None:
    assert finished("digraph {}") == "digraph {}"
