"""What a run is made of, as tensors and JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from archc.train.checkpoint import Snapshot
from archc.train.shards import gathered, like, local

if TYPE_CHECKING:
    from archc.train.trainer import Trainer

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def take(run: Trainer, log_length: int) -> Snapshot:
    """Weights, optimizer state, average, meter and generators of all ranks; and the JSON that goes with them."""
    own: dict[str, Tensor] = {f"model.{k}": v for k, v in run.module.state_dict().items()}
    tensors = gathered({**own, **momentum(run), **averages(run)}.items(), run.ranks.leads)
    tensors["meter"] = run.meter
    tensors |= generators(run)
    state = {
        "identity": run.identity(),
        "log_length": log_length,
        "layout": next(name for name, layout in LAYOUTS.items() if layout == run.layout),
        "scaler": run.scaler.state_dict(),
        "step": run.step,
    }
    return Snapshot(run.step, tensors, state)


def restore(run: Trainer, found: Snapshot) -> int:
    """Puts a run where it was; returns the length its log had."""
    device = run.ranks.device
    run.layout = LAYOUTS[found.state["layout"]]
    _put(run.module.state_dict(), _under(found.tensors, "model."))
    names = dict(run.module.named_parameters())
    for key, value in _under(found.tensors, "optim.").items():
        name, _, part = key.rpartition("/")
        layout = run.layout if value.ndim == 4 else torch.contiguous_format
        whole = value.to(device, memory_format=layout)
        run.optimizer.state[names[name]][part] = like(whole, names[name])
    if run.average:
        _put(run.average.state, _under(found.tensors, "ema."))
    run.meter.copy_(found.tensors["meter"])
    _set_generators(run, found.tensors)
    run.scaler.load_state_dict(found.state["scaler"])
    run.step = found.step
    length: int = found.state["log_length"]
    return length


def momentum(run: Trainer) -> dict[str, Tensor]:
    """The optimizer's tensors, by parameter and name."""
    found: dict[str, Tensor] = {}
    for name, parameter in run.module.named_parameters():
        state: dict[str, Any] = run.optimizer.state.get(parameter, {})
        found |= {f"optim.{name}/{k}": v for k, v in state.items() if isinstance(v, Tensor)}
    return found


def averages(run: Trainer) -> dict[str, Tensor]:
    """The averaged weights."""
    return {f"ema.{k}": v for k, v in run.average.state.items()} if run.average else {}


def generators(run: Trainer) -> dict[str, Tensor]:
    """The states of torch's global generators, of every rank."""
    device = run.ranks.device
    found = {}
    for kind, state in own_generators(device).items():
        for rank, part in enumerate(run.ranks.gathered(state.to(device))):
            found[f"rng.{kind}.{rank}"] = part
    return found


def own_generators(device: torch.device) -> dict[str, Tensor]:
    """The states of this process's global generators, by `cpu` and `cuda`."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_own_generators(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Puts this process's global generators where they were; those that are not there or not known stay."""
    if "cpu" in states:
        torch.set_rng_state(states["cpu"].cpu())
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"].cpu(), device)


def _set_generators(run: Trainer, tensors: dict[str, Tensor]) -> None:
    names = {kind: f"rng.{kind}.{run.ranks.rank}" for kind in ("cpu", "cuda")}
    own = {kind: tensors[name] for kind, name in names.items() if name in tensors}
    set_own_generators(own, run.ranks.device)


def _put(targets: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    for name, target in targets.items():
        value = values[name].to(target.device)
        local(target).copy_(local(like(value, target)))


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
