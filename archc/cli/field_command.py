"""`archc field`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from archc.analyses.figures import shape_text
from archc.cli.console import print_json, print_table
from archc.cli.options import format_option, takes_graph

if TYPE_CHECKING:
    from archc.ir.graph import Graph

EPILOG = """\b
Examples:
  archc field resnet50
  archc field unet --input 3x512x512

\b
Pixels of the input that an element at the end of each section can see, how far apart two elements look, and by how
much the first one's window begins before the input."""


@click.command(epilog=EPILOG)
@takes_graph
@format_option
def command(
    graph: Graph,
    format_: str,
) -> None:
    """Receptive field, stride and padding at the end of each section."""
    from archc.analyses.receptive_field import section_fields
    from archc.analyses.sections import sections

    shapes = {s.name: s.shape for s in sections(graph)}
    found = section_fields(graph)
    if format_ == "json":
        print_json(
            {
                "name": graph.name,
                "sections": [
                    {
                        "name": name,
                        "output": list(shapes[name]),
                        "size": [_number(s) for s in f.size],
                        "stride": [_number(s) for s in f.stride],
                        "padding": [_number(s) for s in f.padding],
                    }
                    for name, f in found
                ],
            }
        )
        return
    rows = [
        (name, shape_text(shapes[name]), _pair(f.size), _pair(f.stride), _pair(f.padding))
        for name, f in found
    ]
    print_table(("section", "output", "receptive field", "stride", "padding"), rows, left=2)


def _number(value: float) -> float | None:
    """JSON has no infinity: null is the whole input."""
    return None if math.isinf(value) else value


def _pair(pair: tuple[float, float]) -> str:
    shown = ["all" if math.isinf(v) else f"{v:g}" for v in pair]
    return shown[0] if shown[0] == shown[1] else "×".join(shown)
