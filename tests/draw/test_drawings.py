"""What drawings show, at each level; and that text in them stays text."""

from __future__ import annotations

import builtins
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import archc
from archc.backends import dot_style
from archc.backends.dot import Level, draw, svg
from archc.backends.dot_heat import Colour, blend
from archc.backends.dot_ops import columns
from archc.backends.graphviz_process import run_dot
from archc.backends.svg_file import DARK_LINE, DARK_PANEL, DARK_TEXT
from archc.diagnostics import ArchError
from archc.ir.graph import Graph
from tests.draw.support import DRAWN, LEVELS, contrast, tags, texts
from tests.graphs import GraphBuilder, conv, resnet, unet


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("make", [resnet, unet])
def test_every_level_draws(make: Callable[[], Graph], level: Level) -> None:
    drawn = svg(make(), level)
    assert set(tags(drawn)) <= DRAWN
    assert make().name in texts(drawn)


def test_network_shows_sections_shapes_and_cost() -> None:
    drawn = texts(svg(resnet()))
    assert "s2  × 4" in drawn
    assert "residual(width = 64, stride = 2)" in drawn
    assert "conv → batch_norm → relu" in drawn
    assert drawn.count("32×16×16") == 2  # to s2 and to the auxiliary head
    assert "650 params · 640 macs" in drawn
    assert "aux (training)" in drawn


def test_network_shows_skips_between_sections() -> None:
    graph = unet()
    source = draw(graph).source
    box = {graph.scopes[i].name: f"s{i}" for i in graph.sections}
    for tail, head in (("s1", "s4"), ("s2", "s3")):
        assert re.search(rf"\b{box[tail]} -> {box[head]} ", source), (tail, head)


def test_stage_folds_equal_repeats() -> None:
    drawn = texts(svg(resnet(), "stage"))
    assert "× 3" in drawn  # s2.1 … s2.3; s2.0 has a stride of its own
    assert drawn.count("residual(width = 64, stride = 1)") == 1
    assert drawn.count("residual(width = 32, stride = 1)") == 1


def test_block_draws_each_distinct_block_once() -> None:
    drawn = texts(svg(resnet(), "block"))
    assert sorted(t for t in drawn if t.startswith("residual")) == ["residual  × 2", "residual  × 4"]
    assert {"s1.0, s2.0", "s1.1, s2.1…3"} <= set(drawn)
    assert drawn.count("+") == 2
    assert drawn.count("×") == 2  # the gates of squeeze-excite
    assert "conv 1×1, 32…64 /2" in drawn
    assert "×0.01562…0.03125" in drawn


def test_block_of_a_section_body_names_inner_blocks() -> None:
    drawn = texts(svg(unet(), "block"))
    assert "s3…4" in drawn
    assert {"double_conv  × 3", "double_conv"} <= set(drawn)


def test_large_blocks_show_inner_blocks_as_boxes_with_diagrams_of_their_own() -> None:
    b = GraphBuilder()
    x = b.add("input", size=(4, 8, 8), name="x")
    with b.scope("s1", "section", "dense"):
        for i in range(12):
            with b.scope(f"layer{i + 1}", "block", "layer", growth=4):
                x = b.add("concat", x, b.chain(x, "batch_norm", "relu", conv(4)))
    drawn = texts(svg(b.graph(x), "block"))
    assert drawn.count("layer(growth = 4)") == 12
    assert drawn.count("layer  × 12") == 1
    assert drawn.count("concat") == 1


def test_small_inner_blocks_are_one_box() -> None:
    b = GraphBuilder()
    x = b.add("input", size=(4, 8, 8), name="x")
    with b.scope("s1", "section", "inception"):
        parts = []
        for i, width in enumerate((8, 16)):
            with b.scope(f"conv_norm_act{i + 1}", "block", "conv_norm_act"):
                parts.append(b.chain(x, "relu", conv(width, 3), "batch_norm"))
        x = b.add("concat", *parts)
    drawn = texts(svg(b.graph(x), "block"))
    assert {"conv 3×3, 8", "conv 3×3, 16"} <= set(drawn)
    assert drawn.count("relu · conv · batch_norm") == 2
    assert "relu" not in drawn


def test_block_of_a_network_without_sections_draws_its_body() -> None:
    b = GraphBuilder()
    x = b.chain(b.add("input", size=(4, 8, 8), name="x"), conv(8), "relu")
    assert {"conv 1×1, 8", "relu"} <= set(texts(svg(b.graph(x), "block")))


def wires(source: str) -> set[tuple[int, int]]:
    """(source, target) of every edge of an op drawing, followed through the marks between columns."""
    found = {(int(a), int(b)) for a, b in re.findall(r"^\s*n(\d+) -> n(\d+)\b", source, re.M)}
    return found | {(int(a), int(b)) for a, b in re.findall(r"^\s*in\d+_(\d+) -> n(\d+)\b", source, re.M)}


@pytest.mark.parametrize("make", [resnet, unet])
def test_op_draws_every_node_scope_and_edge(make: Callable[[], Graph]) -> None:
    graph = make()
    source = draw(graph, "op").source
    nodes = {int(n) for n in re.findall(r"^\s*n(\d+) \[", source, re.M)}
    assert nodes == {n.id for n in graph.nodes}
    assert wires(source) == {(i, n.id) for n in graph.nodes for i in n.inputs}
    scopes = {int(s) for s in re.findall(r"subgraph cluster_s(\d+)", source)}
    assert scopes == set(range(1, len(graph.scopes)))


def test_a_long_network_runs_down_columns_that_fit_a_page() -> None:
    graph = archc.load("resnet152")
    column = columns(graph)
    assert set(column) == {0, 1, 2, 3}
    assert column == sorted(column)
    source = draw(graph, "op").source
    assert wires(source) == {(i, n.id) for n in graph.nodes for i in n.inputs}
    assert source.count("s3, continued") == 3
    for mark in ("1 ▸", "2 ▸", "3 ▸", "▸ 1", "▸ 2", "▸ 3"):
        assert source.count(f"<b>{mark}</b>") == 1
    size = re.search(r'<svg width="(\d+)pt"', run_dot(source, "svg").decode())
    assert size is not None
    assert int(size.group(1)) < 1500  # text of 10 points is 4 points high at the width of A4


def test_a_short_or_wide_network_is_one_column() -> None:
    for name in ("alexnet", "nasnetalarge"):
        assert set(columns(archc.load(name))) == {0}


def test_network_folds_equal_sections() -> None:
    graph = archc.load("nasnetalarge")
    drawn = texts(svg(graph))
    assert "s5…8  × 4" in drawn
    assert "s12…15  × 4" in drawn
    assert len([t for t in drawn if re.fullmatch(r"s\d+", t)]) == 22 - 3 * 4


def test_a_150_layer_network_is_legible_at_the_width_of_a4() -> None:
    for level in ("network", "stage", "block"):
        size = re.search(r'<svg width="(\d+)pt"', svg(archc.load("resnet152"), level))
        assert size is not None
        assert int(size.group(1)) < 1150, level


def test_ops_given_to_a_block_are_named_without_quotes(tmp_path: Path) -> None:
    spec = tmp_path / "net.arch"
    spec.write_text(
        "block unit(x, act: op) { return x -> conv(4, 3) -> act }\n"
        "arch net() {\n  input 3 x 8 x 8\n  stem unit(relu)\n  stage unit(silu)\n}\n"
    )
    assert {"unit(act = relu)", "unit(act = silu)"} <= set(texts(svg(archc.load(spec))))


def test_depthwise_convolutions_say_so() -> None:
    b = GraphBuilder()
    x = b.add("input", size=(8, 8, 8), name="x")
    x = b.chain(x, conv(8, 3, groups=8, stride=2), conv(16, 3, groups=8), conv(16, 3, groups=4))
    drawn = texts(svg(b.graph(x), "op"))
    assert {"dw 3×3, 8 /2", "dw 3×3, 16", "conv 3×3, 16 g4"} <= set(drawn)


def fills(source: str) -> dict[str, str]:
    """Fill colour of every box."""
    return dict(re.findall(r"^\s*(\w+) \[.*?fillcolor=\"?(#\w+)", source, re.M))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("colour", ["cost", "params"])
def test_heat_is_deepest_where_most_is_spent(level: Level, colour: Colour) -> None:
    source = draw(resnet(), level, colour).source
    assert "colour: " + {"cost": "multiply-adds", "params": "parameters"}[colour] in source
    assert dot_style.HEAT[1] in fills(source).values()
    assert dot_style.HEAT[0] in fills(source).values()


def test_heat_tells_the_costliest_op() -> None:
    graph = resnet()
    deepest = [
        name for name, fill in fills(draw(graph, "op", "cost").source).items() if fill == dot_style.HEAT[1]
    ]
    most = max(node.cost.macs for node in graph.nodes)
    assert deepest == [f"n{node.id}" for node in graph.nodes if node.cost.macs == most]


def test_heat_leaves_text_legible() -> None:
    for step in range(11):
        assert contrast(dot_style.INK, blend(step / 10)) >= 6.5
        assert contrast(dot_style.FAINT, blend(step / 10)) >= 4.5


PAYLOADS = (
    '"]; evil [label="x"]; "',
    '<img src="x" onerror="alert(1)">',
    "<script>alert(1)</script>",
    "</text></svg><svg onload=alert(1)>",
    "--><script>alert(1)</script><!--",
    "]]><a href='javascript:alert(1)'>",
    r"\N \G \" \l {|}",
    "&lt;b&gt; &amp; &#60;",
    "<b>bold</b>",
    "nul \0 and \x1b[31m",
)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_text_is_inert(payload: str, level: Level) -> None:
    """No text of a spec adds an element; only `a`, `name` and docstring vary between the two drawings."""

    def hostile(text: str) -> Graph:
        b = GraphBuilder("toy", text)
        x = b.add("input", size=(3, 8, 8), name="x")
        with b.scope("s1", "section", "block", mode=text), b.scope("inner", "block", "inner", mode=text):
            x = b.chain(x, conv(4), "relu", conv(4))
        return replace(b.graph(x), name=text)

    drawn = svg(hostile(payload), level)
    plain = svg(hostile("A" + re.sub(r"[^\s]", "a", payload)[1:]), level)
    assert set(tags(drawn)) <= DRAWN
    assert tags(drawn) == tags(plain)
    shown = "".join(c if c.isprintable() else "�" for c in payload)
    assert shown.strip() in texts(drawn)
    attributes = {name for e in ET.fromstring(drawn).iter() for name in e.attrib}
    assert not {a for a in attributes if a.lower().startswith("on") or "href" in a.lower()}


def test_without_graphviz_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def importing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "pygraphviz":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(ArchError) as caught:
        svg(resnet())
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0701"
    assert "apt install graphviz" in diagnostic.help[0]
    assert "pygraphviz" in diagnostic.help[1]


def test_pygraphviz_is_used_where_there_is_no_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import SimpleNamespace

    calls: list[tuple[str, str]] = []

    class AGraph:
        def __init__(self, string: str) -> None:
            if "->" in string:
                raise ValueError("DotError")
            self.string = string

        def draw(self, format: str, prog: str) -> bytes:
            calls.append((format, prog))
            return self.string.encode()

    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "pygraphviz", SimpleNamespace(AGraph=AGraph))
    assert run_dot("digraph {}", "svg") == b"digraph {}"
    assert calls == [("svg", "dot")]
    with pytest.raises(ArchError) as caught:
        run_dot("digraph { a -> ", "svg")
    assert [d.code for d in caught.value.diagnostics] == ["E0702"]


def test_what_graphviz_refuses_is_reported() -> None:
    with pytest.raises(ArchError) as caught:
        run_dot("digraph { a -> ", "svg")
    assert [d.code for d in caught.value.diagnostics] == ["E0702"]
    assert "syntax error" in caught.value.diagnostics[0].message


def test_palette_is_legible_on_white_and_on_dark_pages() -> None:
    for fill, _ in dot_style.PALETTE.values():
        assert contrast(dot_style.INK, fill) >= 7  # AAA
        assert contrast(dot_style.FAINT, fill) >= 4.5  # AA
    on_pages = (
        (dot_style.LINE, "#ffffff"),
        (dot_style.LINE, dot_style.PANEL),
        (dot_style.INK, dot_style.PANEL),
    )
    dark_pages = (
        (text, page) for text in (DARK_TEXT, DARK_LINE) for page in ("#0d1117", "#000000", DARK_PANEL)
    )
    for text, page in (*on_pages, *dark_pages):
        assert contrast(text, page) >= 4.5
