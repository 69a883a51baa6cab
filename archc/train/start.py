"""Training that starts from given weights: all but what the number of classes decides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from archc.backends.torch_plan import module_paths, plan
from archc.ir import Graph
from archc.measure.weights import load_keymap, load_weights
from archc.train import storage


@dataclass(frozen=True)
class Start:
    """A safetensors file, and the keymap from its keys to the network's where it has others."""

    file: Path
    keymap: Path | None = None

    def sha256(self) -> str:
        """Of what a run starts from, the keymap included. Raises OSError."""
        own = storage.digest(self.file.read_bytes())
        return own if self.keymap is None else storage.digest(f"{own} {self.keymap.read_text()}".encode())

    def fill(self, graph: Graph, module: nn.Module) -> tuple[str, ...]:
        """Fills the module made from the graph; returns the keys that stay as they were. Raises ArchError."""
        keymap = None if self.keymap is None else load_keymap(self.keymap)
        return load_weights(module, self.file, keymap, afresh=_of_classes(graph))


def _of_classes(graph: Graph) -> frozenset[str]:
    """Keys of the layers the outputs come from through ops without weights, and of what is there in training only."""
    paths = module_paths(plan(graph))
    found = {f"{paths[n.id]}.{name}" for n in graph.nodes if n.train_only for name in n.op.roles()}
    for output in graph.outputs:
        at = graph.nodes[output.node]
        while not at.op.roles() and len(at.inputs) == 1:
            at = graph.nodes[at.inputs[0]]
        if at.op.kind in ("linear", "conv"):
            found |= {f"{paths[at.id]}.{name}" for name in at.op.roles()}
    return frozenset(found)
