"""Scores of networks that were never trained, in one or two passes (Abdelfattah et al. 2021, arXiv:2101.08134).

Higher is better by assumption; how well each ranks networks depends on the space.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from archc.backends import torch_module
from archc.diagnostics import did_you_mean
from archc.search.strategy import SearchError
from archc.search.trial import Hopeless, Job
from archc.train.datasets import DataError, Split
from archc.train.loading import load_dataset
from archc.train.recipe import Recipe

ACTIVATIONS = frozenset({"relu", "hardtanh", "leaky_relu", "silu", "hardswish", "gelu", "elu", "mish"})
"""Names of the operations whose inputs' signs are a network's code."""


def synflow(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The logarithm of the sum of |w · ∂R/∂w|, R being the sum of the outputs for an image of ones where all
    weights are positive (Tanaka et al. 2020, arXiv:2006.05467). In double precision; the weights are put back."""
    module.eval().double()
    tensors = [t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point()]
    before = [t.detach().clone() for t in tensors]
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.abs_()
    module.zero_grad(set_to_none=True)
    output = _main(module(torch.ones_like(images[:1], dtype=torch.float64)))
    output.sum().backward()  # type: ignore[no-untyped-call]  # torch's is untyped
    flows = [(p * p.grad).abs().sum() for p in module.parameters() if p.grad is not None]
    total = float(torch.stack(flows).sum())
    with torch.no_grad():
        for tensor, kept in zip(tensors, before, strict=True):
            tensor.copy_(kept)
    module.zero_grad(set_to_none=True)
    module.float()
    return _log(total)


def naswot(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """log |det K|: K counts, for each two images, the activations whose inputs have the same sign for both (Mellor et
    al. 2021, arXiv:2006.04647v3)."""
    module.train()
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64, device=images.device)
    with torch.no_grad(), _Signs(kernel):
        module(images)
    sign, logarithm = torch.linalg.slogdet(kernel)
    if float(sign) <= 0:
        raise Hopeless("two images have the same code in this network, or it has no activations")
    return float(logarithm)


def jacob_cov(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """How little the gradients at different images correlate (Mellor et al., arXiv:2006.04647v1): minus the sum of
    log v + 1 / v over the eigenvalues v of their correlation matrix."""
    module.train()
    x = images.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(_main(module(x)).sum(), x)
    rows = gradient.flatten(1).double()
    rows = rows - rows.mean(1, keepdim=True)
    lengths = rows.norm(dim=1, keepdim=True)
    if float(lengths.min()) == 0:
        raise Hopeless("the network's outputs do not depend on its input")
    rows = rows / lengths
    values = torch.linalg.eigvalsh(rows @ rows.T) + 1e-5
    return -float((values.log() + 1 / values).sum())


def grad_norm(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The sum, over all weights of convolutions and linear layers, of the norm of the loss's gradient."""
    module.train().zero_grad(set_to_none=True)
    loss = F.cross_entropy(_main(module(images)), labels)
    loss.backward()  # type: ignore[no-untyped-call]  # torch's is untyped
    norms = [p.grad.norm() for p in module.parameters() if p.grad is not None and p.ndim > 1]
    module.zero_grad(set_to_none=True)
    return float(torch.stack(norms).sum())


Score = Callable[[nn.Module, Tensor, Tensor], float]
SCORES: dict[str, Score] = {
    "synflow": synflow,
    "naswot": naswot,
    "jacob_cov": jacob_cov,
    "grad_norm": grad_norm,
}


@dataclass(frozen=True)
class ZeroCost:
    """A score of the freshly initialised network, as the metric `score`; `params` is one too.

    recipe: whose data a batch is taken from, as JSON; "" for noise with random labels. batch: its size. seed: of
    the weights, and of the noise.
    """

    name: str
    recipe: str = ""
    device: str = "cpu"
    batch: int = 32
    seed: int = 0
    metrics: tuple[str, ...] = ("score",)

    def __post_init__(self) -> None:
        if self.name not in (*SCORES, "params"):
            known = (*SCORES, "params")
            hint = did_you_mean(self.name, known) or (f"there are {', '.join(known)}",)
            raise SearchError(f"no zero-cost score {self.name!r}: {hint[0]}")

    def __call__(self, job: Job) -> Mapping[str, float]:
        graph = job.graph()
        if self.name == "params":
            return {"score": float(graph.cost.params)}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            module = torch_module.compile(graph).to(self.device)
        shape = graph.inputs[0].shape
        classes = graph.nodes[graph.outputs[0].node].shape[0]
        images, labels = _batch(self.recipe, shape, classes, self.batch, self.seed)
        return {"score": SCORES[self.name](module, images.to(self.device), labels.to(self.device))}

    def identity(self) -> dict[str, Any]:
        return {
            "kind": "zero-cost",
            "score": self.name,
            "batch": self.batch,
            "seed": self.seed,
            "recipe": self.recipe,
        }


class _Signs(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's is untyped
    """Adds to a kernel, at every activation, how many signs of its input each two examples share."""

    def __init__(self, kernel: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's is untyped
        self.kernel = kernel

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__.rstrip("_")
        if name in ACTIVATIONS:
            code = (args[0] > 0).flatten(1).double()
            self.kernel += code @ code.T + (1 - code) @ (1 - code).T
        return func(*args, **(kwargs or {}))


@lru_cache(maxsize=4)
def _batch(recipe: str, shape: tuple[int, ...], classes: int, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Normalised images and labels: the first of the data, or noise."""
    if not recipe:
        draw = torch.Generator().manual_seed(seed)
        return torch.randn(size, *shape, generator=draw), torch.randint(classes, (size,), generator=draw)
    found = Recipe.model_validate_json(recipe)
    data = load_dataset(found.data, shape, found.seed)
    if not isinstance(data.train, Split):
        raise DataError("zero-cost scores need the training examples in memory")
    mean, std = (torch.tensor(values).reshape(1, -1, 1, 1) for values in data.statistics())
    return (data.train.images[:size].float() / 255 - mean) / std, data.train.labels[:size]


def _main(results: Any) -> Tensor:
    found: Tensor = results[0] if isinstance(results, tuple) else results
    return found


def _log(value: float) -> float:
    if not 0 < value < math.inf:
        raise Hopeless(f"the flow through this network is {value}")
    return math.log(value)
