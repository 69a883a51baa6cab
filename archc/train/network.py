"""The module a run trains: compiled from a graph, in the memory layout and precision of the recipe."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archc.backends import torch_module
from archc.ir import Graph
from archc.train.ranks import Ranks
from archc.train.recipe import Recipe
from archc.train.shards import is_sharded, shard

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
TRIALS = 3


def make_module(
    graph: Graph, recipe: Recipe, ranks: Ranks, fill: Callable[[nn.Module], None] = lambda module: None
) -> nn.Module:
    """The network, initialised on the CPU from torch's global generator, then moved, or cut among the processes.

    fill: called before that with the module, to start from other weights.
    """
    module = torch_module.compile(graph)
    fill(module)
    if recipe.run.shard and ranks.world > 1:
        shard(module, ranks)
    else:
        module.to(ranks.device)
    if recipe.run.checkpoint:
        module.checkpoint = True  # type: ignore[assignment]  # a plain attribute of every emitted module
    set_up(recipe, ranks.device)
    return module


def set_up(recipe: Recipe, device: torch.device) -> None:
    """The process-wide settings of the device that a recipe asks for."""
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = recipe.run.tf32
        torch.backends.cudnn.allow_tf32 = recipe.run.tf32
        torch.backends.cudnn.benchmark = True


def autocast(recipe: Recipe, device: torch.device) -> AbstractContextManager[object]:
    """The context a forward pass runs in."""
    dtype = DTYPES.get(recipe.run.precision)
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)


def losses(results: Tensor | tuple[Tensor, ...], targets: Tensor, auxiliary: float) -> tuple[Tensor, Tensor]:
    """(loss to minimise, logits): cross entropy of the main output, plus `auxiliary` times each other's.

    targets: (N, classes) probabilities. Logits are taken in float32.
    """
    outputs = results if isinstance(results, tuple) else (results,)
    found = [F.cross_entropy(logits.float(), targets) for logits in outputs]
    loss = found[0] if len(found) == 1 else found[0] + auxiliary * torch.stack(found[1:]).sum()
    return loss, outputs[0]


def choose_layout(
    module: nn.Module, recipe: Recipe, example: Tensor, targets: Tensor, *, copies: bool = True
) -> torch.memory_format:
    """The memory format the recipe asks for, or the faster one of the two on `example` (N, C, H, W).

    Measured on copies, or without `copies`, or sharded, on the module itself, which stays in either; with the global
    generator and all buffers put back.
    """
    if recipe.run.layout != "auto":
        return torch.channels_last if recipe.run.layout == "channels_last" else torch.contiguous_format
    times = {}
    copies = copies and not any(map(is_sharded, module.parameters()))
    buffers = [(b, b.clone()) for b in module.buffers()]
    with torch.random.fork_rng(devices=[example.device] if example.is_cuda else []):
        for layout in (torch.contiguous_format, torch.channels_last):
            tried = in_layout(copy.deepcopy(module) if copies else module, layout)
            images = example.contiguous(memory_format=layout)
            times[layout] = _seconds(tried.train(), recipe, images, targets)
    module.zero_grad(set_to_none=True)
    for buffer, kept in buffers:
        buffer.copy_(kept)
    return min(times, key=lambda layout: times[layout])


def in_layout(module: nn.Module, layout: torch.memory_format) -> nn.Module:
    """The module, its weights laid out so; those cut among processes stay as they are."""
    if any(map(is_sharded, module.parameters())):
        return module
    return module.to(memory_format=layout)  # type: ignore[call-overload,no-any-return]  # torch's stub lacks it


def _seconds(module: nn.Module, recipe: Recipe, example: Tensor, targets: Tensor) -> float:
    best = float("inf")
    for _ in range(TRIALS):
        _wait(example.device)
        start = time.perf_counter()
        with autocast(recipe, example.device):
            loss, _ = losses(module(example), targets, recipe.auxiliary)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's is untyped
        _wait(example.device)
        best = min(best, time.perf_counter() - start)
    return best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@torch.no_grad()
def logits_of(module: nn.Module, images: Tensor) -> Tensor:
    """Logits (N, classes) in eval mode.

    Never compiled: that would take longer than it saves.
    """
    training = module.training
    module.eval()
    with torch.compiler.set_stance("force_eager"):
        results = module(images)
    module.train(training)
    logits: Tensor = results[0] if isinstance(results, tuple) else results
    return logits
