"""A module over several processes: whole in each (DDP), or cut among them (FSDP2).

Sharded tensors are DTensors, beside plain ones. Weights are cut along their first dimension, so that a filter is whole
in one process; what a sum over a whole tensor needs is added up over the processes here. Plain tensors take the path
they take without shards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from archc.train.ranks import Ranks


def is_sharded(tensor: Tensor) -> bool:
    """Whether this process holds only a part of it."""
    return hasattr(tensor, "to_local")


def local(tensor: Tensor) -> Tensor:
    """What this process holds, sharing memory."""
    held: Tensor = getattr(tensor, "to_local", lambda: tensor)()
    return held


def shard(module: nn.Module, ranks: Ranks) -> nn.Module:
    """Cuts the weights of every block and section among the processes; gathered where they are used.

    FSDP2 takes no scalars: gains stay whole in every process, their gradients averaged as they arise.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(ranks.device.type, (ranks.world,))
    scalars = {p for p in module.parameters() if p.ndim == 0}
    sections = list(module.children())
    blocks = [block for s in sections if isinstance(s, nn.Sequential) for block in s]
    for part in [*blocks, *sections, module]:
        if any(p not in scalars for p in part.parameters()):
            fully_shard(part, mesh=mesh, reshard_after_forward=True, ignored_params=scalars)
    module.to(ranks.device)  # scalars and buffers; the others are there

    def average(parameter: Tensor) -> None:
        assert parameter.grad is not None
        ranks.average_([parameter.grad])

    for scalar in (p for p in module.parameters() if p.ndim == 0):
        scalar.register_post_accumulate_grad_hook(average)  # type: ignore[no-untyped-call]  # torch's is untyped
    return module


def like(whole: Tensor, target: Tensor) -> Tensor:
    """A whole tensor cut as `target` is; itself where that is plain or of another shape."""
    if not is_sharded(target) or whole.shape != target.shape:
        return whole
    from torch.distributed.tensor import distribute_tensor

    pieces: Any = target
    return distribute_tensor(whole, pieces.device_mesh, pieces.placements, src_data_rank=None)


def gathered(tensors: Iterable[tuple[str, Tensor]], leads: bool) -> dict[str, Tensor]:
    """Whole tensors by name, one after the other brought to the CPU of the process that leads.

    All processes must call it; the others get what was whole already.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors:
        if is_sharded(tensor):
            pieces: Any = tensor
            whole = pieces.full_tensor()
            if leads:
                found[name] = whole.cpu()
        else:
            found[name] = tensor
    return found


def total_norm(tensors: Sequence[Tensor]) -> Tensor:
    """The Euclidean norm of all elements of all tensors."""
    plain = torch.nn.utils.get_total_norm([t for t in tensors if not is_sharded(t)])
    parts = [local(t) for t in tensors if is_sharded(t)]
    if not parts:
        return plain
    square = torch.nn.utils.get_total_norm(parts).square()
    dist.all_reduce(square)
    return (square + plain.square()).sqrt()


def clip_norm(parameters: Sequence[Tensor], largest: float) -> None:
    """Scales all gradients so that their common norm is at most `largest`."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    scale = (largest / (total_norm(gradients) + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_([local(g) for g in gradients], scale)


def replicated(module: nn.Module, ranks: Ranks) -> nn.Module:
    """What to call for training: averages the gradients over the processes in its backward pass."""
    if ranks.world == 1 or any(map(is_sharded, module.parameters())):
        return module
    known = signature(DistributedDataParallel.__init__).parameters
    new, old = "forward_sync_buffers", "broadcast_buffers"
    switched: dict[str, Any] = {new if new in known else old: False}
    return DistributedDataParallel(module, **switched)  # the trainer averages them


@contextmanager
def held_back(module: nn.Module) -> Iterator[None]:
    """Within it, backward passes of what `replicated` gave add up gradients without averaging them."""
    if isinstance(module, DistributedDataParallel):
        with module.no_sync():
            yield
        return
    sync = getattr(module, "set_requires_gradient_sync", lambda needed: None)  # FSDP2's
    sync(False)
    try:
        yield
    finally:
        sync(True)
