"""Fused and in-place calls: where they stand, and that they leave alone what others read."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import archc
from archc.backends import torch_module
from archc.backends.torch_source import emit
from archc.ir import Graph
from archc.measure.deploy import load_rewritten
from archc.measure.weights import randomise
from tests.backends.interpreter import inputs_for, results
from tests.backends.test_torch_source import Make, every_graph
from tests.graphs import GraphBuilder, conv


def forward_of(source: str) -> str:
    """The body of the last forward of an emitted file."""
    return source.rpartition("def forward(")[2]


def emitted(b: GraphBuilder, x: int, form: str = "fast") -> str:
    return forward_of(emit(b.graph(x), form=form))  # type: ignore[arg-type]  # one of the forms


def start() -> tuple[GraphBuilder, int]:
    b = GraphBuilder()
    return b, b.add("input", size=(4, 6, 6), name="x")


def test_relu_is_in_place_after_a_norm_but_not_on_what_others_read() -> None:
    b, x = start()
    x = b.chain(x, conv(4), "batch_norm")
    assert "inplace=True" in emitted(b, b.add("relu", x))
    b, x = start()
    x = b.chain(x, conv(4), "batch_norm")
    assert "inplace" not in emitted(b, b.add("add", b.add("relu", x), b.add("silu", x)))
    b, x = start()
    assert "inplace" not in emitted(b, b.chain(x, "sigmoid", "relu")), "sigmoid's backward reads its output"
    b, x = start()
    assert "inplace" not in emitted(b, b.add("relu", x)), "inputs belong to the caller"
    b, x = start()
    assert "inplace" not in emitted(b, b.chain(x, "flatten", "relu")), "a view of the input"


def test_silu_is_in_place_only_in_inference() -> None:
    for form, found in (("fast", False), ("inference", True)):
        b, x = start()
        assert ("inplace=True" in emitted(b, b.chain(x, conv(4), "batch_norm", "silu"), form)) == found


def test_pools_of_single_pixels_are_views_that_nothing_writes_over() -> None:
    for kernel, found in ((1, False), (2, True)):
        b, x = start()
        x = b.add("max_pool", b.chain(x, conv(4)), kernel=kernel, stride=2)
        text = emitted(b, b.add("relu", x), "inference")
        assert ("inplace=True" in text) == found
        assert ("every_nth(" in text) != found
    b, x = start()
    graph = b.graph(b.add("max_pool", x, kernel=1, stride=(2, 3), padding="same", ceil_mode=True))
    given = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(torch_module.compile(graph)(given), F.max_pool2d(given, 1, (2, 3)))


def test_sections_keep_their_feature_maps() -> None:
    b, x = start()
    with b.scope("s1"):
        x = b.chain(x, conv(4), "batch_norm")
    with b.scope("s2"):
        x = b.chain(x, "relu", conv(4))
    module = torch_module.compile(b.graph(x)).eval()
    (first, _) = module(torch.randn(1, 4, 6, 6), features=True)
    assert first.min() < 0


def test_a_gated_branch_and_its_shortcut_are_one_call() -> None:
    b, x = start()
    y = b.chain(x, conv(4, 3))
    gate = b.chain(y, ("global_avg_pool", {"keepdim": True}), conv(4), "sigmoid")
    assert "torch.addcmul(x, " in emitted(b, b.add("add", b.add("mul", y, gate), x))
    b, x = start()
    branch = b.chain(x, conv(4, 3), ("scale", {"factor": 0.2}))
    assert "torch.add(x, self.conv1(x), alpha=0.2)" in emitted(b, b.add("add", x, branch))
    b, x = start()
    branch = b.chain(x, conv(4, 3), "gain", ("scale", {"factor": 0.2}))
    assert "self.gain1(self.conv1(x), x)" in emitted(b, b.add("add", x, branch))


def sliced(*bounds: tuple[int, int], order: tuple[int, ...] | None = None) -> Graph:
    """Slices of six channels, made in this order, each through a layer of its own and all concatenated."""
    b = GraphBuilder()
    x = b.chain(b.add("input", size=(3, 5, 5), name="x"), conv(6))
    made = {
        i: b.add("slice_channels", x, start=bounds[i][0], stop=bounds[i][1])
        for i in order or range(len(bounds))
    }
    parts = [
        b.add("add", made[i], b.chain(made[i], conv(b.nodes[made[i]].shape[0]), "batch_norm")) for i in made
    ]
    return b.graph(b.add("concat", *parts))


TILED = {
    "halves": (sliced((0, 3), (3, 6)), "x, branch = self.conv1(x).chunk(2, dim=1)"),
    "halves, the second first": (sliced((0, 3), (3, 6), order=(1, 0)), "x, branch = self.conv1(x).chunk(2, dim=1)"),
    "thirds": (sliced((0, 2), (2, 4), (4, 6), order=(2, 0, 1)), "x, branch, branch2 = self.conv1(x).chunk(3, dim=1)"),
    "unequal": (sliced((0, 1), (1, 4), (4, 6)), "x, branch, branch2 = self.conv1(x).split((1, 3, 2), dim=1)"),
}  # fmt: skip
APART = (
    sliced((0, 6)), sliced((0, 3), (3, 5)), sliced((1, 3), (3, 6)), sliced((0, 3), (2, 6)), sliced((0, 2), (4, 6)),
    sliced((0, 3), (3, 6), (3, 6)), sliced((0, 3), (0, 3)),
)  # fmt: skip


@pytest.mark.parametrize("name", TILED)
def test_slices_that_tile_a_tensor_are_one_call(name: str) -> None:
    graph, call = TILED[name]
    source = forward_of(emit(graph))
    assert "narrow" not in source
    assert call in source


@pytest.mark.parametrize("graph", APART, ids=lambda g: "")
def test_other_slices_stay_apart(graph: Graph) -> None:
    assert forward_of(emit(graph)).count("torch.narrow(") == sum(
        n.op.name == "slice_channels" for n in graph.nodes
    )


@pytest.mark.parametrize("graph", [*(graph for graph, _ in TILED.values()), *APART], ids=lambda g: "")
def test_slices_give_the_same_numbers_and_gradients(graph: Graph) -> None:
    plain, fast = (torch_module.compile(graph, form=form).double().train() for form in ("plain", "fast"))
    fast.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    wanted, *found = [
        (y, *torch.autograd.grad(y.square().sum(), [x, *module.parameters()]))
        for module in (plain, fast, torch.compile(fast, backend="eager", fullgraph=True))
        for y in [module(x)]
    ]
    for values in found:
        for a, b in zip(wanted, values, strict=True):
            torch.testing.assert_close(b, a, rtol=1e-12, atol=1e-12)


@every_graph
@pytest.mark.parametrize("form", ["inference", "packed"])
def test_every_graph_in_every_form(make: Make, form: str) -> None:
    graph = make()
    module = torch_module.compile(graph, form="plain").eval()
    randomise(module)
    other = torch_module.compile(graph, form=form).eval()  # type: ignore[arg-type]  # one of the forms
    other.load_state_dict(module.state_dict())
    inputs = inputs_for(graph)
    with torch.inference_mode():
        for a, b in zip(results(module(*inputs)), results(other(*inputs)), strict=True):
            torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- the packed form


@pytest.fixture
def packed() -> tuple[nn.Module, nn.Module, torch.Tensor]:
    """A folded network, the same packed, and an input."""
    graph = archc.load("mobilenet_v3_small", input=(3, 32, 32))
    module = torch_module.compile(graph).eval()
    randomise(module)
    plain, packed = (
        load_rewritten(graph, archc.optimize(graph), module.state_dict(), form)  # type: ignore[arg-type]  # literals
        for form in ("inference", "packed")
    )
    return plain, packed, torch.randn(2, 3, 32, 32)


def packs(module: nn.Module) -> int:
    return sum(getattr(m, "packed", None) is not None for m in module.modules())


def test_packing_happens_once_and_again_after_loading(
    packed: tuple[nn.Module, nn.Module, torch.Tensor],
) -> None:
    plain, fused, x = packed
    with torch.inference_mode():
        torch.testing.assert_close(fused(x), plain(x), rtol=1e-4, atol=1e-5)
    assert packs(fused) == sum(type(m).__name__ == "PackedConv2d" for m in fused.modules()) > 40
    assert fused.state_dict().keys() == plain.state_dict().keys()
    other = {key: value * 0.9 for key, value in plain.state_dict().items()}
    plain.load_state_dict(other)
    fused.load_state_dict(other)
    assert packs(fused) == 0
    with torch.inference_mode():
        torch.testing.assert_close(fused(x), plain(x), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(copy.deepcopy(fused)(x), plain(x), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(fused.double()(x.double()), plain.double()(x.double()))


def test_packs_are_no_part_of_what_is_saved(
    packed: tuple[nn.Module, nn.Module, torch.Tensor],
) -> None:
    _, fused, x = packed
    with torch.inference_mode():
        fused(x)
    conv = next(m for m in fused.modules() if type(m).__name__ == "PackedConv2d")
    assert conv.__getstate__()["packed"] is None
    assert conv.packed is not None


def test_without_the_private_calls_the_plain_ones_run(
    packed: tuple[nn.Module, nn.Module, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, fused, x = packed
    with torch.inference_mode():
        expected = plain(x)
    torch.testing.assert_close(fused(x).detach(), expected, rtol=1e-4, atol=1e-5)  # gradients are on
    compiled = torch.compile(fused, backend="eager", fullgraph=True)
    with torch.inference_mode():
        torch.testing.assert_close(compiled(x), expected, rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    with torch.inference_mode():
        torch.testing.assert_close(fused(x), expected, rtol=1e-4, atol=1e-5)
    assert packs(fused) == 0


def test_the_fastest_call_is_chosen_after_a_few(
    packed: tuple[nn.Module, nn.Module, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, fused, x = packed
    kinds = set()
    with torch.inference_mode():
        expected = plain(x)
        for _ in range(20):  # six rounds of three calls at most: all of them compute the same
            torch.testing.assert_close(fused(x), expected, rtol=1e-4, atol=1e-5)
        for module in fused.modules():
            if type(module).__name__ == "PackedConv2d":
                kinds.add(module.packed.calls[next(iter(module.packed.calls))].__name__)
        assert kinds <= {"call", "_plain", "_product"}
        for size in range(1, 11):  # further shapes do without trials
            other = torch.randn(size, 3, 32, 32)
            torch.testing.assert_close(fused(other), plain(other), rtol=1e-4, atol=1e-5)
    layers = [m.packed for m in fused.modules() if type(m).__name__ == "PackedConv2d"]
    assert {len(layer.calls) for layer in layers} == {8}


def test_deterministic_algorithms_are_not_timed(
    packed: tuple[nn.Module, nn.Module, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, fused, x = packed
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    with torch.inference_mode():
        results = [fused(x) for _ in range(4)]
    assert all(torch.equal(results[0], found) for found in results[1:])


def test_linear_layers_over_channels_and_norms_left_over_are_packed() -> None:
    b, x = start()
    x = b.chain(x, "relu", "batch_norm", "relu", ("channel_linear", {"features": 8}), "gelu")
    x = b.chain(x, ("channel_linear", {"features": 4}))
    graph = b.graph(x)
    source = emit(graph, form="packed")
    assert 'skip_init(PackedChannelLinear, 4, 8, act="gelu")' in source
    assert "F.gelu" not in forward_of(source)
    module, other = (torch_module.compile(graph, form=form).eval() for form in ("plain", "packed"))  # type: ignore[arg-type]  # literals
    randomise(module)
    other.load_state_dict(module.state_dict())
    x = torch.randn(2, 4, 6, 6)
    with torch.inference_mode():
        for _ in range(8):
            torch.testing.assert_close(other(x), module(x), rtol=1e-4, atol=1e-5)
        other.load_state_dict({k: v + 0.5 for k, v in module.state_dict().items()})
        module.load_state_dict(other.state_dict())
        torch.testing.assert_close(other(x), module(x), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(other.train()(x), module.train()(x), rtol=1e-4, atol=1e-5)


def test_a_sum_that_takes_a_tensor_twice_is_not_one_call_with_its_convolution() -> None:
    b, x = start()
    graph = b.graph(b.add("add", b.add("conv", x, channels=4), x, x))
    plain = torch_module.compile(graph, form="plain").eval()
    packed = torch_module.compile(graph, form="packed").eval()
    packed.load_state_dict(plain.state_dict())
    given = inputs_for(graph)
    with torch.inference_mode():
        torch.testing.assert_close(packed(*given), plain(*given))


def test_norms_that_learn_nothing_can_be_packed() -> None:
    b, x = start()
    graph = b.graph(b.chain(x, "relu", ("batch_norm", {"affine": False}), "sigmoid"))
    plain = torch_module.compile(graph, form="plain").eval()
    randomise(plain)
    packed = torch_module.compile(graph, form="packed").eval()
    packed.load_state_dict(plain.state_dict())
    given = inputs_for(graph)
    with torch.inference_mode():
        torch.testing.assert_close(packed(*given), plain(*given))


@pytest.mark.parametrize(
    ("op", "arguments"),
    [("leaky_relu", {"slope": -1.0}), ("elu", {"alpha": -0.5}), ("celu", {"alpha": -0.5})],
)
def test_activations_that_fall_are_not_in_place(op: str, arguments: dict[str, float]) -> None:
    """torch refuses to go back through them from what they put out."""
    b, x = start()
    graph = b.graph(b.chain(x, conv(4), "batch_norm", (op, arguments)))
    module = torch_module.compile(graph)
    results(module(*inputs_for(graph)))[0].sum().backward()
    assert all(p.grad is not None for p in module.parameters())
