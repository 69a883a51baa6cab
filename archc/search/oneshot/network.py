"""A supernet that trains: its module, the weights of its ops, and apart from them those of its choices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from archc.backends import torch_module
from archc.backends.torch_plan import module_paths, plan
from archc.ops.choice import OPTION
from archc.search.oneshot.paths import Paths
from archc.spaces.supernet import Supernet

NOTHING = float("-inf")


class OneShot(nn.Module):
    """The module of a supernet. `alpha` holds the architecture: a row of logits for each choice that has shares.

    Where a choice of several is among mixtures, as DARTS's edges are, it has no shares of its own: each mixture
    has one more answer, nothing, and the strengths of what remains decide. Pools are normalised, as in DARTS.
    """

    mask: Tensor

    def __init__(self, found: Supernet) -> None:
        super().__init__()
        self.supernet = found
        self.network = torch_module.compile(found.graph)
        self.rows: dict[str, int] = {}
        sizes: list[int] = []
        edges = set(found.inner.values())
        learned = [p for p in found.edges if not all((p, i) in found.inner for i in found.edges[p])]
        for path in found.choices:
            if path in found.mixes or path in learned:
                self.rows[path] = len(sizes)
                sizes.append(found.choices[path][0] + (path in edges))
        width = max(sizes, default=1)
        self.alpha = nn.Parameter(1e-3 * torch.randn(len(sizes), width))
        mask = torch.tensor([[0.0] * n + [NOTHING] * (width - n) for n in sizes]).reshape(len(sizes), width)
        self.register_buffer("mask", mask, persistent=False)
        self._users = self._adopt(learned)
        self.paths = Paths(found, self.network)
        self._normalise_pools()

    def weights(self) -> list[Tensor]:
        """The parameters of the ops."""
        return list(self.network.parameters())

    def shares(self) -> Tensor:
        """(choices, answers): the softmax of each row; 0 where there is no answer, nothing's share last."""
        return torch.softmax(self.alpha + self.mask, 1)

    def forward(self, x: Tensor) -> Any:
        if self.paths.point is None:
            shares = self.shares()
            if torch.is_autocast_enabled(x.device.type):
                shares = shares.to(torch.get_autocast_dtype(x.device.type))
            numbers = shares.reshape(-1).unbind()
            width = shares.shape[1]
            for row, modules in self._users:
                own = numbers[row * width : (row + 1) * width]
                for module in modules:
                    module.weights = own
        return self.network(x)

    def _adopt(self, learned: Iterable[str]) -> list[tuple[int, list[Any]]]:
        """The modules of each choice, their own logits taken away."""
        found = self.supernet
        places = module_paths(plan(found.graph))
        users: dict[int, list[Any]] = {}
        for path, nodes in found.mixes.items():
            users[self.rows[path]] = [self.network.get_submodule(places[n]) for n in nodes]
        for path, candidates in found.edges.items():
            modules = [self.network.get_submodule(places[n]) for ns in candidates.values() for n in ns]
            if path in self.rows and path in learned:
                users.setdefault(self.rows[path], []).extend(modules)
            for module in modules:
                module.plain = path not in learned  # type: ignore[assignment]  # an attribute of every Weigh
                del module.alpha
        for path in found.mixes:
            for module in users[self.rows[path]]:
                if hasattr(module, "alpha"):
                    del module.alpha
        return list(users.items())

    def _normalise_pools(self) -> None:
        """A batch norm that learns nothing behind each answer that ends in a pool."""
        graph = self.supernet.graph
        sources = {
            i for nodes in self.supernet.mixes.values() for mix in nodes for i in graph.nodes[mix].inputs
        }
        for node in (graph.nodes[i] for i in sorted(sources)):
            option = next((s for s in graph.ancestors(node.scope) if graph.scopes[s].block == OPTION), -1)
            if node.op.kind == "pool" and option in self.paths.gates and len(node.shape) == 3:
                gate = self.paths.gates[option]
                gate.module.after = nn.BatchNorm2d(node.shape[0], affine=False)
                gate.after = gate.module.after
