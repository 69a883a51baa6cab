"""Write docs/models.md from the library: `python -m tools.models`."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from archc.analyses.figures import shape_text
from archc.elaborate import Entry, catalog

PAGE = Path(__file__).parents[1] / "docs" / "models.md"
INTRO = """# The library

Every network `archc list` knows, made by `python -m tools.models`. The figures are archc's, and each family's file states
them as `expect`s with the source they were checked against. MACs are multiply-adds of convolutions and linear
layers; activations are output elements of convolutions; all are of the eval graph at the input shown.
"""


def page() -> str:
    """The text of the page."""
    parts = [INTRO]
    for file, group in groupby(catalog(), key=lambda e: e.file):
        rows = [e for e in group if e.params is not None]
        if not rows or file.startswith("spaces/"):
            continue
        parts.append(f"## {file}\n\n{_sentence(rows[0].doc)}\n")
        lines = [
            "| name | input | params | MACs | activations | year | paper |",
            "|---|---|--:|--:|--:|---|---|",
        ]
        lines += [_row(e) for e in rows]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _sentence(doc: str) -> str:
    return doc.strip().split("\n\n")[0].replace("\n", " ")


def _row(e: Entry) -> str:
    paper = str(e.info.get("paper", ""))
    if paper.startswith("arXiv:"):
        paper = f"[{paper}](https://arxiv.org/abs/{paper.removeprefix('arXiv:')})"
    return (
        f"| {e.name} | {shape_text(e.input or ())} | {e.params:,} | {e.macs:,} | {e.activations:,} "
        f"| {e.info.get('year', '')} | {paper} |"
    )


if __name__ == "__main__":
    PAGE.write_text(page())
