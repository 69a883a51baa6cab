"""Drawings as a browser shows them: text within its box, no two texts on each other, nothing cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import archc
from archc.backends.dot import svg
from archc.backends.dot_cells import draw_cells
from archc.backends.graphviz_process import run_dot
from tests.browser import chromium
from tests.draw.support import LEVELS

EXAMPLES = Path(__file__).parents[2] / "examples"
LONG = '''"""One that goes on, supercalifragilisticexpialidocious, and_an_unbreakable_word_that_is_longer_than_any_line."""
block a_block_with_a_name_that_nobody_would_write_in_all_its_life(x, a_parameter_of_a_very_long_name: int, act: op) {
  return x -> conv(a_parameter_of_a_very_long_name, 3) -> act
}
block fuse(a, b) { return concat(a -> conv(8, 3), b -> conv(8, 3)) }
arch a_network_with_an_extraordinarily_long_name_for_a_network() {
  input left: 3 x 32 x 32
  input right_which_has_a_name_that_should_not_break_into_two_lines: 1 x 32 x 32
  left = fuse(left, right_which_has_a_name_that_should_not_break_into_two_lines)
  stage the_first_stage_has_a_name: 3 x a_block_with_a_name_that_nobody_would_write_in_all_its_life(64, relu)
  output train_only depth = left -> conv(1, 1)
  output an_output_whose_name_is_really_very_long_and_should_not_break = left -> global_avg_pool
  return left -> hard_swish
}
'''
# what is wrong with a drawing: [what, text, …]
FAULTS = """() => {
  const box = (e) => { const { x, y, width, height } = e.getBBox(); return [x, y, x + width, y + height]; };
  const faults = [], texts = [...document.querySelectorAll("text")];
  for (const node of document.querySelectorAll(".node")) {
    const shape = node.querySelector("path, polygon, ellipse");
    if (!shape) continue;
    const [left, , right] = box(shape);
    for (const text of node.querySelectorAll("text")) {
      const [from, , to] = box(text);
      if (from < left + 1 || to > right - 1) faults.push(["outside its box", text.textContent]);
    }
  }
  const lines = texts.map((text) => {
    const [from, , to] = box(text), y = Number(text.getAttribute("y")), size = Number(text.getAttribute("font-size"));
    return [from, y - 0.76 * size, to, y + 0.24 * size];
  });
  lines.forEach((a, i) => lines.slice(0, i).forEach((b, j) => {
    const across = Math.min(a[2], b[2]) - Math.max(a[0], b[0]), down = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
    if (across > 1 && down > 0) faults.push(["overlap", texts[i].textContent, texts[j].textContent]);
  }));
  const page = document.querySelector("svg").getBoundingClientRect();
  for (const text of texts) {
    const seen = text.getBoundingClientRect();
    if (seen.left < page.left || seen.right > page.right || seen.top < page.top || seen.bottom > page.bottom)
      faults.push(["cut off", text.textContent]);
  }
  return faults;
}"""


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    with chromium(tmp_path_factory.mktemp("profile")) as context:
        page = context.new_page()

        def found(drawn: str) -> Any:
            page.set_content(drawn[drawn.index("<svg") :])
            return page.evaluate(FAULTS)

        yield found


@pytest.mark.parametrize(
    "spec",
    ["resnet50", "nfnet_f0", "densenet121", "unet", "squeezenet1_1", str(EXAMPLES / "hrnet.arch"), "long"],
)
def test_text_has_its_place(faults: Callable[[str], Any], spec: str, tmp_path: Path) -> None:
    if spec == "long":
        spec = str(tmp_path / "long.arch")
        Path(spec).write_text(LONG, encoding="utf-8")
    graph = archc.load(spec)
    for level in LEVELS:
        assert faults(svg(graph, level)) == [], level


def test_cells_have_their_place(faults: Callable[[str], Any]) -> None:
    graph = archc.load("amoebanet_a_cifar")
    for style in ("pairs", "edges"):
        assert faults(run_dot(draw_cells(graph, style).source, "svg").decode()) == [], style
