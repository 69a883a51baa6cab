"""Scores of untrained networks from one batch: seconds where training takes minutes, and worth as much less.

Each takes a freshly initialised module, images (N, C, H, W) and labels (N,), and gives a number, higher is better. The
module is not fit for use afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from archc.backends import torch_module
from archc.search.training import dataset
from archc.search.trial import Hopeless, Job
from archc.train.datasets import Split, Stream
from archc.train.decoding import Unreadable, decode
from archc.train.faults import DataError

RELUS = frozenset({torch.ops.aten.relu.default, torch.ops.aten.relu_.default, torch.ops.aten.hardtanh.default,
                   torch.ops.aten.hardtanh_.default})  # fmt: skip


def grad_norm(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The sum of the norms of all parameters' gradients of the loss (Abdelfattah et al. 2021, arXiv:2101.08134)."""
    _gradients(module, F.cross_entropy(_output(module.train(), images), labels))
    return float(sum(p.grad.norm() for p in module.parameters() if p.grad is not None))


def synflow(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The sum of |weight · gradient| of the summed output for an input of ones, all weights made positive (Tanaka et al.
    2020, arXiv:2006.05467); its logarithm, as it spans hundreds of orders. Normalisations pass on what they get."""
    module = module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.abs_()
    _gradients(module, _output(module, torch.ones_like(images[:1], dtype=torch.float64)).sum())
    total = sum((p * p.grad).abs().sum() for p in module.parameters() if p.grad is not None)
    return float(torch.as_tensor(total).detach().clamp(min=1e-300).log())


def naswot(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The log-determinant of how much the images agree in which ReLUs are on (Mellor et al. 2021, arXiv:2006.04647)."""
    noted = _Codes(len(images))
    with torch.no_grad(), noted:
        _output(module.train(), images)
    if noted.layers == 0:
        raise Hopeless("naswot needs ReLUs, and the network has none")
    sign, logarithm = torch.linalg.slogdet(noted.kernel.double())
    return float(logarithm) if sign > 0 else -1e4  # two images are the same to it


def jacob_cov(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """How little the gradients at different images agree (Mellor et al. 2020, arXiv:2006.04647 v1)."""
    images = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(_output(module.train(), images).sum(), images)
    rows = gradient.flatten(1).double()
    if not bool((rows.std(1) > 0).all()):
        raise Hopeless("jacob_cov: the output does not depend on the input")
    values = torch.linalg.eigvalsh(torch.corrcoef(rows)).clamp(min=0) + 1e-5
    return -float((values.log() + 1 / values).sum())


SCORES: dict[str, Callable[[nn.Module, Tensor, Tensor], float]] = {
    "synflow": synflow,
    "naswot": naswot,
    "jacob_cov": jacob_cov,
    "grad_norm": grad_norm,
}


@dataclass(frozen=True)
class ZeroCost:
    """An evaluator by one of SCORES, on the first training examples of a recipe's data."""

    name: str
    recipe: str
    batch: int = 64

    @property
    def metrics(self) -> tuple[str, ...]:
        return (self.name,)

    def __call__(self, job: Job) -> Mapping[str, float]:
        recipe = json.loads(self.recipe)
        graph = job.graph()
        data = dataset(json.dumps(recipe["data"]), graph.inputs[0].shape, recipe["seed"])
        mean, std = (torch.tensor(v).reshape(1, -1, 1, 1) for v in data.statistics())
        images, labels = examples(data.train, self.batch)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe["seed"])
            module = torch_module.compile(graph)
        return {self.name: SCORES[self.name](module, (images.float() / 255 - mean) / std, labels)}

    def identity(self) -> dict[str, Any]:
        recipe = json.loads(self.recipe)
        return {
            "kind": "zero-cost",
            "score": self.name,
            "data": recipe["data"],
            "seed": recipe["seed"],
            "batch": self.batch,
        }


def examples(split: Split | Stream, number: int) -> tuple[Tensor, Tensor]:
    """The first images that can be read, and their labels."""
    if isinstance(split, Split):
        return split.images[:number], split.labels[:number]
    view = replace(split.view, random=0.0)
    found: list[tuple[Tensor, Tensor]] = []
    for index in range(len(split)):
        if len(found) == number:
            break
        with suppress(OSError, Unreadable):
            found.append((decode(split.listing.read(index), view, Random(0)), split.labels[index]))
    if not found:
        raise DataError("none of the images can be read")
    return torch.stack([image for image, _ in found]), torch.stack([label for _, label in found])


class _Codes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own annotation is missing
    """While it is on, adds up for each pair of images the ReLUs that are on, or off, for both."""

    def __init__(self, images: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own annotation is missing
        self.images, self.layers = images, 0
        self.kernel = torch.zeros(images, images)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        if func in RELUS and found.shape[0] == self.images:
            on = (found > 0).flatten(1).float()
            self.kernel += (on @ on.T + (1 - on) @ (1 - on).T).cpu()
            self.layers += 1
        return found


def _output(module: nn.Module, images: Tensor) -> Tensor:
    found = module(images)
    return found[0] if isinstance(found, tuple) else found  # type: ignore[no-any-return]  # what a module gives


def _gradients(module: nn.Module, value: Tensor) -> None:
    parameters = [p for p in module.parameters() if p.requires_grad]
    for p, gradient in zip(
        parameters, torch.autograd.grad(value, parameters, allow_unused=True), strict=True
    ):
        p.grad = gradient
