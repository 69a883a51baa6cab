"""Any ops with any arguments, wired anyhow: passes, forms and training change no results."""

from __future__ import annotations

from random import Random

import pytest
import torch
from torch import Tensor, nn

from archc.backends import torch_module
from archc.ir import Graph
from archc.ir.json_graph import from_json, to_json
from archc.ir.verify import verify_graph
from archc.measure.deploy import load_rewritten
from archc.measure.weights import randomise
from archc.passes.pipeline import DEPLOY, PASSES, Pass, optimize
from tests.backends.interpreter import inputs_for, results
from tests.passes.anything import any_graph

EXACT = 1e-6
"""In float64: what rounding leaves where a normalisation divides by next to nothing; a mistake leaves far more."""

seeds = pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=() if seed < 6 else pytest.mark.slow) for seed in range(200)]
)


def weighted(graph: Graph, seed: int) -> nn.Module:
    """The graph as it is written, in float64; multipliers, scales and shifts of either sign."""
    module = torch_module.compile(graph, form="plain").double().eval()
    randomise(module, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.squeeze().ndim < 2:
                parameter.mul_(torch.where(torch.rand(parameter.shape, generator=generator) < 0.3, -1.0, 1.0))
    return module


def values(module: nn.Module, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """What a module makes of its inputs, which it must leave alone."""
    given = [x.clone() for x in inputs]
    with torch.inference_mode():
        found = results(module(*given))
    assert all(torch.equal(a, b) for a, b in zip(inputs, given, strict=True))
    return found


def case(seed: int) -> tuple[Graph, nn.Module, list[Tensor], tuple[Tensor, ...]]:
    """A graph, its module, inputs and what the module makes of them."""
    graph = any_graph(seed)
    plain = weighted(graph, seed)
    inputs = [x.double() for x in inputs_for(graph, 3, seed)]
    return graph, plain, inputs, values(plain, inputs)


def assert_near(found: tuple[Tensor, ...], expected: tuple[Tensor, ...], tolerance: float) -> None:
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        if torch.isfinite(b).all():
            assert (a - b).abs().max() <= tolerance * b.abs().max().clamp_min(1e-30)


@seeds
def test_passes_change_no_results(seed: int) -> None:
    graph, plain, inputs, expected = case(seed)
    orders: list[list[Pass]] = [[step] for step in PASSES.values()]
    orders += [list(DEPLOY), Random(seed).sample(list(PASSES.values()), len(PASSES))]
    for passes in orders:
        made = optimize(graph, passes)
        verify_graph(made.graph)
        assert to_json(from_json(to_json(made.graph))) == to_json(made.graph)
        found = values(load_rewritten(graph, made, plain.state_dict(), "plain"), inputs)
        assert_near(found, expected, EXACT)


@seeds
def test_forms_change_no_results(seed: int) -> None:
    graph, plain, inputs, expected = case(seed)
    fast = torch_module.compile(graph).double().eval()
    fast.load_state_dict(plain.state_dict())
    assert_near(values(fast, inputs), expected, EXACT)
    made = optimize(graph)
    assert_near(values(load_rewritten(graph, made, plain.state_dict()), inputs), expected, EXACT)
    single = tuple(x.float() for x in values(plain.float(), [x.float() for x in inputs]))
    if all(map(torch.allclose, single, [x.float() for x in expected])):  # not where float32 says little
        packed = load_rewritten(graph, made, plain.state_dict(), "packed")
        for layout in (torch.contiguous_format, torch.channels_last):
            given = [x.float().contiguous(memory_format=layout) for x in inputs]
            assert_near(values(packed, given), single, 1e-4)


@seeds
def test_training_is_the_same(seed: int) -> None:
    graph = any_graph(seed)
    plain = weighted(graph, seed)
    fast = torch_module.compile(graph).double()
    fast.load_state_dict(plain.state_dict())
    found = []
    for module in (plain.train(), fast.train()):
        torch.manual_seed(0)
        outputs = results(module(*(x.double() for x in inputs_for(graph, 3, seed))))
        learned = [o.square().sum() for o in outputs if o.requires_grad]
        if learned:
            torch.stack(learned).sum().backward()
        gradients = {k: p.grad for k, p in module.named_parameters() if p.grad is not None}
        found.append((tuple(o.detach() for o in outputs), gradients))
    (expected, gradients), (others, theirs) = found
    assert_near(others, expected, EXACT)
    assert gradients.keys() == theirs.keys()
    whole = max((float(g.abs().max()) for g in gradients.values()), default=0.0)
    for key, gradient in gradients.items():
        bound = EXACT * max(float(gradient.abs().max()), 1e-3 * whole)
        assert not bound < float("inf") or (gradient - theirs[key]).abs().max() <= bound, key
