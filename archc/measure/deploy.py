"""Rewritten networks with their weights, and whether they compute what the originals do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from archc.backends import torch_module
from archc.backends.torch_fuse import Form
from archc.backends.torch_weights import rewritten
from archc.ir import Graph
from archc.measure.weights import randomise
from archc.passes.draft import Rewrite
from archc.passes.pipeline import optimize

TOLERANCE = 1e-5
"""Largest difference of two outputs, relative to the largest number in them, that counts as equal."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of every output that both networks have: its name, and how far they differ, relative to its largest number.

    differences: in float32. exact: in float64, where rounding hides nothing of the algebra.
    """

    outputs: tuple[str, ...]
    differences: tuple[float, ...]
    exact: tuple[float, ...]

    @property
    def ok(self) -> bool:
        return all(apart <= TOLERANCE for apart in (*self.differences, *self.exact))  # nan is not


def load_rewritten(
    graph: Graph, rewrite: Rewrite, state: Mapping[str, Tensor], form: Form = "inference"
) -> nn.Module:
    """The rewritten network in eval mode, with weights made from a state dict of the original one."""
    with torch.device("meta"):
        module = torch_module.compile(rewrite.graph, form=form)
    module.load_state_dict(rewritten(graph, rewrite, state), assign=True)
    return module.eval()


def deploy(
    graph: Graph,
    state: Mapping[str, Tensor],
    device: str | torch.device = "cpu",
    *,
    dtype: torch.dtype = torch.float32,
    compiled: bool | None = None,
) -> nn.Module:
    """The network folded and made ready to run on a device, from a state dict of it as trained.

    On CPUs, in float32: convolutions with what follows them as single calls, the fastest of several with prepacked
    kernels, and sections over a few images at a time where that is faster, found out in the first calls for a shape of
    input (`settle` makes them). On GPUs:
    `torch.compile`, whose recorded CUDA graphs leave no overhead per call; the first call of an input size compiles.
    compiled: whether to compile; default: on GPUs. Weights are in channels_last, as inputs should be. Inference only:
    call it under `torch.inference_mode()`.
    """
    place = torch.device(device)
    on_cpu = place.type == "cpu"
    form: Form = "packed" if on_cpu and not compiled and dtype == torch.float32 else "inference"
    module: nn.Module = load_rewritten(graph, optimize(graph), state, form).to(place, dtype)
    module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    if compiled or (compiled is None and not on_cpu):
        module.compile(mode=None if on_cpu else "reduce-overhead", fullgraph=True)
    module.requires_grad_(False)
    return module


def settle(module: nn.Module, run: Callable[[], object], most: int = 200) -> int:
    """Run until a deployed module has chosen its calls for what it is given; the number of runs, `most` at most.

    Other modules run once.
    """
    for done in range(1, most + 1):
        run()
        kept = (getattr(m, name, None) for m in module.modules() for name in ("packed", "in_parts"))
        if not any(getattr(calls, "choosing", None) for calls in kept):
            return done
    return most


def verify_rewrite(
    graph: Graph,
    rewrite: Rewrite,
    state: Mapping[str, Tensor] | None = None,
    *,
    form: Form = "inference",
    batch: int = 2,
    seed: int = 0,
) -> Agreement:
    """Run both networks in eval mode on the same random inputs and compare what they put out.

    state: the weights of the original; default: random ones, statistics of normalisations included. form: that of the
    rewritten network; the original runs in plain form. The graphs must have the same outputs but for train-only ones.
    """
    module = torch_module.compile(graph, form="plain").eval()
    if state is None:
        randomise(module, seed)
    else:
        module.load_state_dict(dict(state))
    generator = torch.Generator().manual_seed(seed)
    inputs = [torch.randn(batch, *node.shape, generator=generator) for node in graph.inputs]
    found = []
    for dtype in (torch.float32, torch.float64):
        source = module.to(dtype)
        other = load_rewritten(graph, rewrite, source.state_dict(), form)
        given = [x.to(dtype) for x in inputs]
        with torch.inference_mode():
            results = [_results(m(*given)) for m in (source, other)]
        del other  # before the next one is made
        found.append(tuple(_apart(a, b) for a, b in zip(*results, strict=True)))
    names = tuple(output.name for output in graph.outputs if not output.train_only)
    return Agreement(names, found[0], found[1])


def _results(value: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return value if isinstance(value, tuple) else (value,)


def _apart(expected: Tensor, found: Tensor) -> float:
    scale = expected.abs().max().clamp_min(torch.finfo(torch.float32).tiny)
    return float((expected - found).abs().max() / scale)
