"""docs/gallery.md shows what is there, and everything that is there."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import archc
from benchmarks.gallery import FIGURES, FOLDER, PAGE


def test_the_page_shows_every_figure_with_its_command() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^]]+\]\(gallery/([^)]+)\)", text)
    assert sorted(shown) == sorted(path.name for path in FOLDER.iterdir())
    assert sorted(shown) == sorted([*(figure.file for figure in FIGURES), "report.png"])
    for figure in FIGURES:
        assert f"    archc draw {figure.spec} -o {figure.file}" in text


def test_figures_are_small_and_name_their_networks() -> None:
    for figure in FIGURES:
        path = FOLDER / figure.file
        assert path.stat().st_size < 150_000, path
        texts = {e.text for e in ET.parse(path).iter() if e.tag.endswith("}text")}
        assert archc.load(figure.spec).name in texts
