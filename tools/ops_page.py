"""Write docs/ops.md from the registry of primitives: `python -m tools.ops_page`."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from archc.elaborate.signature import primitive, primitive_names
from archc.ops.base import Op
from archc.ops.params import parameters_of, show

PAGE = Path(__file__).parents[1] / "docs" / "ops.md"
INTRO = """# The primitives

Made by `python -m tools.ops_page`. Everything else is a [block](blocks.md) of `specs/std`, in the language itself. A parameter
in *italics* is ambient: enclosing `set`s reach it. Shapes are (channels, height, width) or (features,).
"""
TITLES = {
    "conv": "Convolutions", "linear": "Linear layers", "norm": "Normalisations", "activation": "Activations",
    "pool": "Pools", "merge": "Joining tensors", "scale": "Scales and gains", "reshape": "Shape",
    "regularize": "Regularisation",
}  # fmt: skip


def page() -> str:
    """The text of the page."""
    found = sorted(
        filter(None, map(primitive, primitive_names())),
        key=lambda t: (list(TITLES).index(t.cls.kind), t.name),
    )
    parts = [INTRO]
    for kind, targets in groupby(found, key=lambda t: t.cls.kind):
        parts.append(f"## {TITLES[kind]}\n")
        parts += [_entry(t.cls) for t in targets]
    return "\n".join(parts)


def _entry(cls: type[Op]) -> str:
    tensors = [t.name + ("…" if t.many else "") for t in cls.tensors]
    visible = [p for p in parameters_of(cls) if not p.hidden]
    words = [p.name if p.required else f"{p.name} = {show(p.default)}" for p in visible]
    lines = [f"### {cls.name}\n", f"`{cls.name}({', '.join(tensors + words)})`\n"]
    doc = (cls.__doc__ or "").strip()
    lines.append("\n".join(line.strip() for line in doc.split("\n")) + "\n")
    for p in visible:
        name = f"*{p.name}*" if p.ambient else p.name
        lines.append(f"- {name}: {p.type_name}{'; ' + p.doc if p.doc else ''}")
    return "\n".join(lines) + ("\n" if visible else "")


if __name__ == "__main__":
    PAGE.write_text(page())
