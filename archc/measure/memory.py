"""Memory as torch has it: storages alive in a forward pass, and storages autograd saves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from archc.backends import torch_module
from archc.ir import Graph


@dataclass(frozen=True, slots=True)
class Measured:
    """Bytes. inference: peak of storages alive in a forward pass in eval mode, parameters and buffers left out.
    saved: storages autograd holds after a forward pass in train mode, those of parameters left out.
    cuda_training: peak allocated by a training step on a GPU, None elsewhere."""

    inference: int
    saved: int
    cuda_training: int | None = None


def _weak(storage: torch.UntypedStorage) -> Any:
    return StorageWeakRef(storage)  # type: ignore[no-untyped-call]  # torch has no types for it


class Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's base class is untyped
    """Follows the storages that operators make; `peak` is the most bytes that were alive at once."""

    def __init__(self, ignore: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.ignore = ignore
        self.known: dict[int, tuple[Any, int]] = {}
        self.peak = 0

    def add(self, tensor: Tensor) -> None:
        """Follow a tensor's storage."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self.ignore and storage._cdata not in self.known:
            self.known[storage._cdata] = (_weak(storage), storage.nbytes())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.known = {key: row for key, row in self.known.items() if not row[0].expired()}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if (
                isinstance(leaf, Tensor) and not leaf.is_mkldnn
            ):  # kernels in oneDNN's own layout have no storage
                self.add(leaf)
        self.peak = max(self.peak, sum(size for _, size in self.known.values()))
        return result


def measure_memory(module: nn.Module, inputs: tuple[Tensor, ...]) -> Measured:
    """Run a module in eval mode and in train mode, where its parameters and inputs are; its mode is put back.

    On a GPU a whole training step is measured too.
    """
    training = module.training
    try:
        inference, saved = alive_bytes(module, inputs), saved_bytes(module, inputs)
        return Measured(inference, saved, _cuda_training(module, inputs))
    finally:
        module.train(training)
        module.zero_grad(set_to_none=True)


def _own(module: nn.Module) -> set[int]:
    return {t.untyped_storage()._cdata for t in (*module.parameters(), *module.buffers())}


def alive_bytes(module: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """The most bytes alive at once in a forward pass in eval mode, parameters and buffers left out."""
    module.eval()
    with torch.no_grad(), Alive(_own(module)) as alive:
        for tensor in inputs:
            alive.add(tensor)
        module(*inputs)
    peak: int = alive.peak
    return peak


def saved_bytes(module: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """Bytes autograd holds after a forward pass in train mode, those of parameters left out."""
    module.train()
    own = _own(module)
    saved: dict[int, int] = {}
    held: list[Tensor] = []  # while they live, no storage's address is used again

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            saved[storage._cdata] = storage.nbytes()
            held.append(tensor.detach())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = module(*inputs)
    total = sum(saved.values())
    held.clear()
    del result
    return total


def _cuda_training(module: nn.Module, inputs: tuple[Tensor, ...]) -> int | None:
    device = inputs[0].device
    if device.type != "cuda":
        return None
    optimiser = torch.optim.SGD(module.parameters(), 1e-6, momentum=0.9)
    for _ in range(2):  # the first step makes the optimiser's state
        torch.cuda.reset_peak_memory_stats(device)
        result = module(*inputs)
        outputs = result if isinstance(result, tuple) else (result,)
        torch.stack([o.float().mean() for o in outputs]).sum().backward()  # type: ignore[no-untyped-call]  # untyped
        optimiser.step()
        optimiser.zero_grad(set_to_none=False)
    return int(torch.cuda.max_memory_allocated(device))


def measure_graph(graph: Graph, batch: int, dtype: str = "float32", device: str = "cpu") -> Measured:
    """`measure_memory` of a graph on zeros, in plain form: what is emitted writes over what it can, and holds less."""
    kind: torch.dtype = getattr(torch, dtype)
    module = torch_module.compile(graph, form="plain").to(device, kind)
    return measure_memory(
        module, tuple(torch.zeros(batch, *n.shape, device=device, dtype=kind) for n in graph.inputs)
    )
