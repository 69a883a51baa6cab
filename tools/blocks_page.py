"""Write docs/blocks.md from the standard library: `python -m tools.blocks_page`."""

from __future__ import annotations

import re
from pathlib import Path

from archc.diagnostics import Source
from archc.syntax import ast
from archc.syntax.parse import parse

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "blocks.md"
INTRO = """# The blocks of the library

Made by `python -m tools.blocks_page` from `specs/std`, where each is a few lines of the language to read or to copy. Blocks are
imported by name, as in `from std.residual import bottleneck`, and work as ops do: `stage 3 x bottleneck(256)`. The parameters
without a type are tensors. An `ambient` one also takes what an enclosing `set` says: `set norm = group_norm, act = silu`
reaches every block below. Ops that are not here are [primitives](ops.md).
"""


def page() -> str:
    """The text of the page."""
    parts = [INTRO]
    for path in sorted((ROOT / "specs" / "std").glob("*.arch")):
        source = Source(path.name, path.read_text(encoding="utf-8"))
        tree, _ = parse(source)
        blocks = [s for s in tree.statements if isinstance(s, ast.BlockDef)]
        parts.append(f"## std.{path.stem}\n\n{(tree.doc or '').strip()}\n")
        parts += [*(_entry(source, block) for block in blocks), ""]
    return "\n".join(parts).rstrip() + "\n"


def _entry(source: Source, block: ast.BlockDef) -> str:
    params = ", ".join(" ".join(p.span.text.split()) for p in block.params)
    above = source.text[: block.span.start].rstrip("\n").split("\n")
    told: list[str] = []
    while above and above[-1].startswith("# ") and not above[-1].startswith("# --"):
        told.insert(0, re.sub(r"^  +", "· ", above.pop()[2:]))  # the lines of a list are indented
    note = " ".join(told)
    return f"- `{block.name}({params})`" + (f"\\\n  {note}" if note else "")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
