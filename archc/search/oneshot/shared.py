"""The weights that all networks of a supernet share, and a step of their training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from archc.backends.torch_plan import module_paths, plan
from archc.ops.base import Role
from archc.search.oneshot.feed import Batch
from archc.search.oneshot.network import OneShot
from archc.train.captured import can_capture
from archc.train.groups import Groups
from archc.train.network import autocast, choose_layout, in_layout, losses, set_up
from archc.train.optimizers import make_optimizer
from archc.train.ranks import Ranks
from archc.train.recipe import Recipe
from archc.train.schedule import learning_rate
from archc.train.shards import clip_norm

HORIZON = 10_000
"""Steps that the learning rate's schedule is cut into, as the number of steps of a search may not be known."""

NOISE = ("Dropout", "DropPath")
"""Modules of emitted sources that drop at random."""


class Shared:
    """A supernet on its device with the optimizer of its weights.

    meter: loss, right answers and examples since it was last read, on the device. The recipe's clipping, precision
    and schedule hold; what is for whole runs (checkpoints, averages) is not asked.
    """

    def __init__(self, net: OneShot, recipe: Recipe, device: torch.device) -> None:
        self.net, self.recipe, self.device = net.to(device), recipe, device
        self.capture = can_capture(recipe, Ranks(0, 1, device))
        self.optimizer: Optimizer = make_optimizer(
            net.network, weight_groups(net), recipe.optim, captured=self.capture
        )
        for group in self.optimizer.param_groups:  # torch's fused SGD wants that of all weights, or of none
            for weight in group["params"] if group.get("momentum") else ():
                self.optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        self.noise = [m for m in net.modules() if type(m).__name__ in NOISE]
        self.meter = torch.zeros(3, dtype=torch.float64, device=device)
        self.rate = recipe.lr
        net.train()
        set_up(recipe, device)

    def lay_out(self, batch: Batch) -> torch.memory_format:
        """Brings the weights into the memory layout of the recipe, or the faster one on a GPU; which images need too."""
        layout = torch.contiguous_format
        if self.recipe.run.layout != "auto" or self.device.type == "cuda":
            layout = choose_layout(self.net, self.recipe, batch[0], batch[1], copies=False)
            in_layout(self.net, layout)
        return layout

    def at(self, used: float) -> None:
        """Sets the learning rate for the share of the budget that is used: the recipe's epochs are stretched to it."""
        step = min(HORIZON - 1, int(used * HORIZON))
        epoch = round(HORIZON / self.recipe.epochs)
        self.rate = learning_rate(step, HORIZON, epoch, self.recipe.lr, self.recipe.schedule)
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(self.rate)
            else:
                group["lr"] = self.rate

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss and logits of a batch."""
        with autocast(self.recipe, self.device):
            results = self.net(batch[0])
        return losses(results, batch[1], self.recipe.auxiliary)

    def update(self, images: Tensor, targets: Tensor, labels: Tensor) -> None:
        """One step of the weights; the choices stay."""
        self.net.alpha.requires_grad_(False)
        loss, logits = self.loss((images, targets, labels))
        loss.backward()  # type: ignore[no-untyped-call]  # torch's is untyped
        if self.recipe.optim.clip_norm:
            clip_norm(self.net.weights(), self.recipe.optim.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.net.alpha.requires_grad_(True)
        self.count(loss, logits, labels)

    def logits(self, images: Tensor) -> Tensor:
        """(N, classes), with nothing dropped at random; batch norms go by the batch, as in training."""
        for module in self.noise:
            module.eval()
        try:
            with autocast(self.recipe, self.device):
                results = self.net(images)
        finally:
            for module in self.noise:
                module.train()
        found: Tensor = results[0] if isinstance(results, tuple) else results
        return found

    @torch.no_grad()
    def count(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Adds a batch to the meter."""
        right = (logits.argmax(1) == labels).sum().double()
        self.meter += torch.stack([loss.double() * len(labels), right, right.new_full((), len(labels))])

    def read(self) -> dict[str, float]:
        """Mean loss and accuracy since the last reading; waits for the device."""
        loss, right, examples = self.meter.tolist()
        self.meter.zero_()
        return {"loss": loss / max(1.0, examples), "accuracy": right / max(1.0, examples)}

    def parts(self) -> dict[str, Any]:
        """What a search saves of it: its weights and those of the choices, the optimizer, and the meter."""
        return {"net": self.net, "optimizer": self.optimizer, "meter": _Held(self.meter)}

    def changing(self) -> dict[str, Tensor]:
        """All tensors that `update` changes, by name."""
        state: Mapping[str, Tensor] = self.net.state_dict()
        found = {f"net.{name}": value for name, value in state.items()} | {"meter": self.meter}
        for number, value in enumerate(_tensors(self.optimizer)):
            found[f"optimizer.{number}"] = value
        return found


@dataclass
class _Held:
    """A tensor whose values are a state."""

    tensor: Tensor

    def state_dict(self) -> dict[str, Any]:
        return {"tensor": self.tensor}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.tensor.copy_(state_dict["tensor"])


def weight_groups(net: OneShot) -> Groups:
    """The roles of a supernet's weights, those of its choices left out."""
    graph = net.supernet.graph
    paths = module_paths(plan(graph))
    roles: dict[str, Role] = {
        f"{paths[node.id]}.{name}": role
        for node in graph.nodes
        for name, role in node.op.roles().items()
        if role != "architecture"
    }
    return Groups(roles, frozenset())


def _tensors(optimizer: Optimizer) -> list[Tensor]:
    return [
        value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)
    ]
