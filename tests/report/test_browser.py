"""The report page in a real browser, from a file and without a network: fold, hover, search, both ways between
diagram and spec; and hostile text that stays text."""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal

import pytest

import archc
from archc.backends.report import notebook_html
from archc.train.runs import RunLine
from archc.train.runs import html as runs_page
from tests.browser import Open, Opened
from tests.graphs import GraphBuilder, conv
from tests.report.hostile import PAYLOADS, TAGS, hostile


def test_boxes_fold_and_unfold(open_page: Open) -> None:
    at = open_page(archc.load("resnet50"))
    assert at.names() == ["x", "stem", "s1", "s2", "s3", "s4", "head", "out"]  # starts folded
    at.page.dblclick(at.box("s1"))
    assert {"s1.0", "s1.1…2  × 2"} <= set(at.names())
    at.page.click(f"{at.box('s1.0')} .handle")
    assert {"conv 3×3, 64", "shortcut", "+"} <= set(at.names())
    at.page.click(f"{at.box('s1.0')} > .handle")
    assert "conv 3×3, 64" not in at.names()
    at.page.dblclick(at.box("s1.1…2  × 2"))
    assert "s1.1" in at.names()
    assert "s1.2" not in at.names()
    at.page.click("text='show each'")
    assert {"s1.1", "s1.2"} <= set(at.names())
    at.page.click("text='fold all'")
    assert len(at.names()) == 8
    at.page.focus(at.box("head"))
    at.page.keyboard.press("Enter")
    assert "linear 1000" in at.names()


def test_hover_tells_shape_cost_and_line(open_page: Open) -> None:
    at = open_page(archc.load("resnet50"))
    tip = at.page.locator(".tip-box")
    assert not tip.is_visible()
    at.page.hover(at.box("s3"))
    told = tip.inner_text()
    assert "512×28×28 → 1024×14×14" in told
    assert "7.098 M params (27.8 %)" in told
    assert re.search(r"resnet\.arch:\d+ stage depths\[2\] x unit\(4 \* width, stride = 2\)", told)


def test_search_finds_unfolds_and_marks(open_page: Open) -> None:
    at = open_page(archc.load("resnet50"))
    at.page.fill("input[type=search]", "s3.4 conv2")
    assert at.page.locator(".found li").first.inner_text().startswith("s3.4.conv2")
    at.page.keyboard.press("Enter")
    marked = at.page.locator(".marked")
    assert marked.count() == 1
    assert marked.get_attribute("aria-label") == "conv 3×3, 256"
    assert marked.is_visible()
    assert at.page.locator(".details h2").inner_text() == "s3.4.conv2"
    at.page.fill("input[type=search]", "no such thing")
    assert at.page.locator(".found").inner_text() == "nothing by that name"


def test_diagram_and_spec_know_each_other(open_page: Open) -> None:
    at = open_page(archc.load("nfnet_f0"))
    at.page.click(at.box("s3"))
    assert at.marked_lines() == ["stage 6 x nf_block(1536, stride = 2)"]
    at.page.click(".code li:has-text('stem nf_stem') .call")
    assert at.page.locator(".marked").get_attribute("aria-label") == "stem"
    at.page.dblclick(at.box("head"))
    at.page.click(at.box("dropout 0.2"))
    (line,) = at.marked_lines()
    assert line.startswith("head")
    at.page.click(".code li:has-text('head conv') .call:text-is('linear')")
    assert at.page.locator(".marked").get_attribute("aria-label") == "linear 1000"
    # a line of the block library stands for many places
    at.page.click("text='std/nfnet.arch'")
    at.page.click(".code li:has-text('-> scale(1 /') .call:text-is('scale')")
    assert at.page.locator(".details h2").inner_text() == "12 places"
    assert at.page.locator(".marked").count() == 4  # s1 to s4, folded


def test_tables_sort_and_pick(open_page: Open) -> None:
    at = open_page(archc.load("densenet121"))
    at.page.click("text='Costs'")
    at.page.click("th >> text='params'")
    first = [row.split("\t")[0] for row in at.page.locator("tbody tr").all_inner_texts()]
    assert first[:2] == ["dense3", "dense4"]
    at.page.click("th >> text='params'")
    assert [r.split("\t")[0] for r in at.page.locator("tbody tr").all_inner_texts()] == first[::-1]
    at.page.click("text='Nodes'")
    assert at.page.locator("tbody tr").count() == 426
    at.page.click("tbody tr:has-text('dense2.3.conv2')")
    assert at.page.locator(".marked").get_attribute("aria-label") == "conv 3×3, 32"
    at.page.click("text='Depth'")
    assert at.page.locator(".plot").count() == 3
    at.page.select_option("select", "macs")
    fills = at.page.eval_on_selector_all(".box > .shape", "all => all.map(e => e.style.fill)")
    assert len(set(fills)) > 3


def test_several_networks_are_compared(open_page: Open) -> None:
    at = open_page(archc.load("resnet50"), archc.load("resnet101"))
    at.page.click("nav >> text='resnet101'")
    at.page.dblclick(at.box("s3"))
    assert "s3.1…22  × 22" in at.names()
    at.page.click("nav >> text='Compare'")
    told = at.page.locator(".totals").inner_text()
    assert "25.56 M" in told
    assert "44.55 M ×1.74" in told
    sides = at.page.locator(".sides tr:has(th:text-is('s3'))").inner_text()
    assert "6 × bottleneck" in sides
    assert "23 × bottleneck" in sides


def test_a_deep_network_opens_folded_and_shows_equal_blocks_once(open_page: Open) -> None:
    """How long it takes is measured by `python -m benchmarks.gallery`."""
    at = open_page(archc.load("resnet152"))
    assert len(at.names()) == 8  # sections, input and output
    at.page.click("text='unfold all'")
    assert at.names().count("batch_norm") == 29
    at.page.click("text='fold all'")
    assert len(at.names()) == 8


def test_a_legend_follows_the_colours(open_page: Open) -> None:
    at = open_page(archc.load("resnet50"))

    def told() -> list[str]:
        return at.page.locator(".toolbar .legend span").all_inner_texts()

    assert told() == []  # sections have one colour
    at.page.click("text='unfold all'")
    assert told() == ["convolution", "linear", "normalisation", "activation", "pooling"]
    at.page.select_option("select", "macs")
    shown = told()
    assert len(shown) == 5
    assert shown[0] == "0"
    assert shown[-1].endswith(" M")
    at.page.click("text='Depth'")
    assert at.page.locator(".plots .legend span").all_inner_texts() == [
        "convolution",
        "linear",
        "normalisation",
    ]


CONTRASTS = """() => {
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const page = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const shape = e.querySelector(":scope > .shape");
      const [r, g, b, a] = parts(shape ? getComputedStyle(shape).fill : getComputedStyle(e).backgroundColor);
      if (a !== 0) return [r, g, b];
    }
    return page;
  };
  const low = [];
  for (const e of document.querySelectorAll("body *")) {
    if (!e.getClientRects().length || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const style = getComputedStyle(e), svg = e.namespaceURI.endsWith("svg");
    const [a, b] = [light(parts(svg ? style.fill : style.color)), light(behind(e))].sort((a, b) => b - a);
    if ((a + 0.05) / (b + 0.05) < 4.5) low.push(`${e.textContent.trim()} ${svg ? style.fill : style.color} on ${behind(e)}`);
  }
  return low;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_in_the_light_and_in_the_dark(
    open_page: Open, scheme: Literal["light", "dark"]
) -> None:
    """Text has 4.5 times the light of what it stands on, or the reverse (WCAG 2.2, AA)."""
    at = open_page(archc.load("resnet50"), archc.load("unet"))
    at.page.emulate_media(color_scheme=scheme)
    for press in ("unfold all", "Costs", "Depth", "Compare"):
        at.page.locator(f"text='{press}' >> visible=true").click()
        assert at.page.evaluate(CONTRASTS) == [], press
    lines = [RunLine(f"run {i}", {}, None, [{"step": 1, "epoch": 1.0, "loss": 1.0}]) for i in range(6)]
    charts = open_page(html=runs_page(lines, "runs"))
    charts.page.emulate_media(color_scheme=scheme)
    assert charts.page.evaluate(CONTRASTS) == []


def test_pages_keep_to_a_narrow_window(open_page: Open) -> None:
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    lines = [
        RunLine("run" * 20, {f"key{i}": "x" * 9 for i in range(20)}, None, []),
        RunLine("b", {}, None, []),
    ]
    for at in (open_page(archc.load("resnet50")), open_page(html=runs_page(lines, "runs"))):
        at.page.set_viewport_size({"width": 420, "height": 800})
        assert at.page.evaluate(wide) <= 0


def test_a_printed_report_is_not_cut_to_a_window(open_page: Open) -> None:
    at = open_page(archc.load("resnet50"))
    at.page.click("text='unfold all'")
    at.page.emulate_media(media="print")
    cut = (
        "() => ['.view', '.code', '.details'].filter((name) => { const e = document.querySelector(name); "
        "return e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1; })"
    )
    assert at.page.evaluate(cut) == []
    assert not at.page.locator("text='unfold all'").is_visible()


def test_a_huge_flat_network_is_shown_in_parts(open_page: Open) -> None:
    b = GraphBuilder()
    x = b.add("input", size=(4, 8, 8), name="x")
    for _ in range(1500):
        x = b.chain(x, conv(4, 3), "relu")
    at = open_page(b.graph(x))
    assert len(at.names()) < 150
    at.page.fill("input[type=search]", "conv1234")
    at.page.keyboard.press("Enter")
    assert at.page.locator(".details h2").inner_text() == "conv1234"
    assert at.page.locator(".marked").is_visible()
    assert len(at.names()) < 250


def test_a_notebook_shows_the_diagram(open_page: Open) -> None:
    graph = archc.load("resnet18")
    at = open_page(html=f"<!doctype html><title>notebook</title>{notebook_html(graph)}")
    frame = at.page.frame_locator("iframe")
    frame.locator(at.box("s2")).dblclick()
    frame.locator(at.box("s2.0")).wait_for()


def test_hostile_text_is_inert(open_page: Open) -> None:
    plain = Counter(_visit(open_page(hostile("a" * 20))))
    for payload in PAYLOADS:
        at = open_page(hostile(payload))
        tags = Counter(_visit(at))
        assert set(tags) <= set(plain), payload
        for tag in ("SCRIPT", "STYLE", "IFRAME", "svg", "A", "TITLE"):
            assert tags[tag] == plain[tag], (payload, tag)
        assert at.page.evaluate("window.pwned") is None
        assert at.page.title() == payload
        handlers = "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).filter(n => /^on|href|src/.test(n))"
        assert at.page.evaluate(handlers) == []
        assert payload.split()[0] in at.page.locator(".details h2").text_content()
        at.page.close()


def _visit(at: Opened) -> dict[str, int]:
    """Shows all the page can show, and counts its elements by tag."""
    page = at.page
    page.click("text='unfold all'")
    page.locator(".box").first.hover()
    page.fill("input[type=search]", "a")
    page.click("text='Costs'")
    page.click("text='Nodes'")
    page.click("text='Depth'")
    page.locator(".box").nth(1).click()
    page.click(".side > .tabs >> text='Spec'")
    page.click("text='fold all'")
    page.locator(".container, .box").first.click()
    found: dict[str, int] = page.evaluate(TAGS)
    return found
