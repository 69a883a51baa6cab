"""Runs a graph node by node, the least a backend must do: the oracle of the emitted source."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archc.backends.torch_plan import module_paths, plan
from archc.ir import Graph
from tests.ops.execute import Runner


def interpret(graph: Graph, module: nn.Module, *inputs: Tensor) -> dict[int, Tensor]:
    """Value of every node, with the weights of a compiled module, in that module's mode."""
    paths = module_paths(plan(graph))
    values: dict[int, Tensor] = {node.id: x for node, x in zip(graph.inputs, inputs, strict=True)}
    for node in graph.nodes:
        if node.op.kind == "input":
            continue
        shapes = tuple(graph.nodes[i].shape for i in node.inputs)
        runner = Runner(node.op.torch(shapes, node.shape))
        if runner.inner is not None:
            runner.inner.load_state_dict(module.get_submodule(paths[node.id]).state_dict())
        runner.train(module.training)
        values[node.id] = runner(*(values[i] for i in node.inputs))
    return values


def inputs_for(graph: Graph, batch: int = 2, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, *node.shape, generator=generator) for node in graph.inputs]


def results(value: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return value if isinstance(value, tuple) else (value,)
