"""State dicts of emitted modules and the weights of a graph's nodes: the same tensors under other names."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from archc.backends.torch_plan import module_paths, plan
from archc.ir import Graph
from archc.passes.draft import Rewrite, State

COUNTER = "num_batches_tracked"
"""A buffer of batch normalisation that counts training steps: it means nothing to inference."""


def by_node(graph: Graph, state: Mapping[str, Tensor]) -> State:
    """The tensors of a state dict, by node id and name in the node's module. Raises KeyError for other keys."""
    owners = {path: node for node, path in module_paths(plan(graph)).items()}
    found: State = {}
    for key, tensor in state.items():
        path, _, name = key.rpartition(".")
        found.setdefault(owners[path], {})[name] = tensor
    return found


def by_key(graph: Graph, state: State) -> dict[str, Tensor]:
    """The state dict that `by_node` took apart."""
    paths = module_paths(plan(graph))
    return {
        f"{paths[node]}.{name}": tensor for node, found in state.items() for name, tensor in found.items()
    }


def rewritten(graph: Graph, rewrite: Rewrite, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of the rewritten network from one of `graph`: computed in float64, kept in its own dtypes.

    The tensors given stay as they are, and the new ones share no memory with them.
    """
    dtype = next((t.dtype for t in state.values() if t.is_floating_point()), torch.float32)
    with torch.no_grad():
        made = by_key(rewrite.graph, rewrite.weights(by_node(graph, {k: _wide(t) for k, t in state.items()})))
        own: dict[str, Tensor] = {}
        while (
            made
        ):  # what was computed is given up as it is copied: a large network's weights are many gigabytes
            key, tensor = made.popitem()
            own[key] = tensor.to(dtype if tensor.is_floating_point() else tensor.dtype).clone(
                memory_format=torch.contiguous_format
            )
    return dict(reversed(own.items()))


def _wide(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor
