"""`lift`: a torch module as `.arch` text that builds the same network."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from archc.backends import torch_module
from archc.diagnostics import Source
from archc.elaborate import load
from archc.ir import Graph
from archc.measure.lift.structure import structure
from archc.measure.lift.trace import trace
from archc.measure.lift.write import write
from archc.measure.matching import TOLERANCE
from archc.measure.parity import Report, parity
from archc.ops.base import FREE, Shape
from archc.syntax.format import format_source


@dataclass(frozen=True, slots=True)
class Lifted:
    """The text in canonical form, the graph it makes, and how that compares with the module it came from.

    left_out: keys of the module's state that eval mode does not read (auxiliary heads).
    """

    text: str
    graph: Graph
    report: Report
    left_out: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Equal to 1e-6 in float64, every tensor that eval mode reads in its place."""
        lost = set(self.report.only_theirs) - set(self.left_out)
        return self.report.error <= TOLERANCE and not self.report.only_ours and not lost


def lift(module: nn.Module, shape: Shape, name: str, origin: str) -> Lifted:
    """Trace a module on an input of this shape, write it as a spec called `name`, build that, and compare.

    Both run in float64 with the same random weights and statistics, as `archc parity` has it. The module is changed
    by that. Raises ArchError as `trace` does.
    """
    program = trace(module, (shape,))
    cost = sum((s.op.cost(tuple(program.shapes[i] for i in s.inputs), s.shape) for s in program.steps), FREE)
    text = write(structure(program), name, origin, cost.params, cost.macs)
    text = format_source(Source(f"{name}.arch", text))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.arch"
        path.write_text(text, encoding="utf-8")
        graph = load(path)
    inputs = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    report = parity(torch_module.compile(graph), module, inputs)
    unread = tuple(key for key in module.state_dict() if key not in program.weights)
    return Lifted(text, graph, report, unread)
