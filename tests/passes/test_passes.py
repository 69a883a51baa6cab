"""Passes change graphs and weights, never results."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import archc
from archc.backends import torch_module
from archc.backends.torch_fuse import Form
from archc.backends.torch_weights import by_key, by_node, rewritten
from archc.diagnostics import ArchError
from archc.elaborate.api import catalog
from archc.ir import Graph
from archc.ir.json_graph import from_json, to_json
from archc.ir.verify import verify_graph
from archc.measure.deploy import Agreement, load_rewritten, verify_rewrite
from archc.measure.weights import randomise
from archc.passes.pipeline import PASSES, TRAINING, optimize, passes_named
from tests.backends.interpreter import inputs_for, results
from tests.graphs import GraphBuilder, conv
from tests.passes.networks import random_graph
from tests.passes.rewrites import ops_of, rewrite_of

SEEDS = st.integers(0, 10**6)


# ---------------------------------------------------------------- random graphs


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_random_graphs_compute_the_same_after_all_passes(seed: int) -> None:
    graph = random_graph(seed)
    made = optimize(graph)
    verify_graph(made.graph)
    found = verify_rewrite(graph, made)
    assert max(found.exact) < 1e-9
    assert found.ok
    assert not {"ws_conv", "dropout", "drop_path"} & set(ops_of(made.graph))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=SEEDS, name=st.sampled_from(sorted(PASSES)))
def test_random_graphs_compute_the_same_after_one_pass(seed: int, name: str) -> None:
    graph = random_graph(seed)
    made = optimize(graph, [PASSES[name]])
    verify_graph(made.graph)
    assert to_json(from_json(to_json(made.graph))) == to_json(made.graph)
    assert max(verify_rewrite(graph, made).exact) < 1e-9
    assert {note.rule for note in made.notes} <= {name}


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_what_is_emitted_has_the_same_parameters_and_gradients(seed: int) -> None:
    assert_trains_alike(random_graph(seed), 1e-9)


@pytest.mark.parametrize(
    "name",
    ["resnet18", "nf_regnet_b1", "efficientnet_b0", "shufflenet_v2_x0_5", "densenet_bc_100_12", "lenet5"],
)
def test_library_networks_have_the_same_parameters_and_gradients(name: str) -> None:
    assert_trains_alike(reduced(name), 1e-9)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=SEEDS, form=st.sampled_from(["inference", "packed"]))
def test_forms_for_inference_compute_the_same(seed: int, form: Form) -> None:
    graph = random_graph(seed)
    module = torch_module.compile(graph, form="plain").eval()
    randomise(module)
    other = load_rewritten(graph, optimize(graph), module.state_dict(), form)
    inputs = inputs_for(graph)
    with torch.inference_mode():
        expected = results(module(*inputs))
        for layout in (torch.contiguous_format, torch.channels_last):
            given = [x.contiguous(memory_format=layout) for x in inputs]
            for a, b in zip(expected, results(other(*given)), strict=True):
                assert (a - b).abs().max() <= 1e-5 * a.abs().max()
            assert all(torch.equal(x, y) for x, y in zip(given, inputs, strict=True))


def assert_trains_alike(graph: Graph, tolerance: float) -> None:
    """Outputs and gradients in training mode, in float64, with the same random numbers."""
    module = torch_module.compile(graph, form="plain").double().train()
    randomise(module)
    other = torch_module.compile(graph).double().train()
    shapes = {key: value.shape for key, value in module.state_dict().items()}
    assert {key: value.shape for key, value in other.state_dict().items()} == shapes
    other.load_state_dict(module.state_dict())
    found = []
    for network in (module, other):
        torch.manual_seed(0)
        outputs = results(network(*(x.double() for x in inputs_for(graph))))
        sum(o.square().sum() for o in outputs).backward()  # type: ignore[union-attr]  # there is an output
        gradients = {k: p.grad for k, p in network.named_parameters() if p.grad is not None}
        found.append((outputs, gradients))
    (outputs, gradients), (others, theirs) = found
    for a, b in zip(outputs, others, strict=True):
        assert (a - b).abs().max() <= tolerance * a.abs().max()
    assert gradients.keys() == theirs.keys()
    whole = max(float(g.abs().max()) for g in gradients.values())
    for key, gradient in gradients.items():
        assert (gradient - theirs[key]).abs().max() <= tolerance * max(
            float(gradient.abs().max()), 1e-3 * whole
        ), key


# ---------------------------------------------------------------- what each pass must find, and must leave


def test_a_norm_goes_into_the_layer_before_it() -> None:
    b = GraphBuilder()
    x = b.add("input", size=(4, 9, 9))
    x = b.chain(x, conv(8, 3, groups=2), "batch_norm", "relu")
    x = b.add("batch_norm", b.add("conv_transpose", x, channels=6, kernel=2, stride=2, groups=2, bias=False))
    x = b.chain(x, "global_avg_pool", ("linear", {"features": 5, "bias": False}), "batch_norm")
    made = rewrite_of(b.graph(x), "fold_norm")
    assert ops_of(made.graph) == ["conv", "relu", "conv_transpose", "global_avg_pool", "linear"]
    assert all(n.op.arguments().get("bias", True) for n in made.graph.nodes)


@pytest.mark.parametrize(("padding", "left"), [(0, []), (1, ["batch_norm"])])
def test_a_norm_goes_into_the_layers_after_it_unless_they_pad(padding: int, left: list[str]) -> None:
    b = GraphBuilder()
    x = b.add("input", size=(4, 9, 9))
    normed = b.add("batch_norm", x)
    x = b.add(
        "add",
        *(
            b.add("conv", normed, channels=8, kernel=3, padding=padding, groups=g, bias=g == 1)
            for g in (1, 2)
        ),
    )
    made = rewrite_of(b.graph(x), "fold_norm")
    assert ops_of(made.graph) == [*left, "conv", "conv", "add"]


def test_a_norm_stays_where_others_read_its_layer() -> None:
    b = GraphBuilder()
    x = b.chain(b.add("input", size=(4, 9, 9)), conv(4))
    made = rewrite_of(b.graph(b.add("add", x, b.add("batch_norm", x))), "fold_norm")
    assert "batch_norm" in ops_of(made.graph)


def test_layer_scale_and_alpha_go_into_the_layer_before() -> None:
    b = GraphBuilder()
    x = b.add("input", size=(4, 9, 9))
    y = b.chain(x, conv(4, 3, bias=True), "channel_scale", ("scale", {"factor": 0.2}), "gain")
    made = rewrite_of(b.graph(b.add("add", x, y)), "fold_scales")
    assert ops_of(made.graph) == ["conv", "add"]


def test_gamma_goes_forward_through_pools_into_every_reader() -> None:
    b = GraphBuilder()
    x = b.chain(b.add("input", size=(4, 8, 8)), ("gelu", {"gamma": True}), ("scale", {"factor": 0.7}))
    pooled = b.chain(x, ("avg_pool", {"kernel": 2}), conv(4))
    made = rewrite_of(b.graph(b.add("add", pooled, b.chain(x, conv(4, 3, stride=2)))), "fold_scales")
    assert sorted(ops_of(made.graph)) == ["add", "avg_pool", "conv", "conv", "gelu"]
    assert not made.graph.nodes[1].op.arguments()["gamma"]


def test_gamma_stays_where_the_shortcut_reads_it() -> None:
    b = GraphBuilder()
    x = b.add("relu", b.add("input", size=(4, 8, 8)), gamma=True)
    made = rewrite_of(b.graph(b.add("add", x, b.chain(x, conv(4, 3)))), "fold_scales")
    assert "scale" in ops_of(made.graph)


def test_multipliers_of_a_gated_map_act_on_the_gate() -> None:
    graph = archc.load("nfnet_f0", input=(3, 64, 64))
    made = optimize(graph, TRAINING)
    sizes = {
        n.op.name: len(n.shape) and n.shape[1:]
        for n in made.graph.nodes
        if n.op.name in ("gain", "drop_path")
    }
    assert sizes == {"gain": (1, 1), "drop_path": (1, 1)}
    assert not any(
        n.op.name == "scale" or n.op.arguments().get("gamma") is True for n in made.graph.nodes[:-3]
    )
    sums = [n for n in made.graph.nodes if n.op.name == "add"]
    assert all(made.graph.nodes[n.inputs[1]].scope == n.scope for n in sums)


@pytest.mark.parametrize("name", ["fold_scales", "place_scales"])
@pytest.mark.parametrize("last", [("scale", {"factor": 1e300}), ("ws_conv", {"channels": 4, "gamma": 1e300})])
def test_constants_that_would_not_stay_finite_stay_apart(
    name: str, last: tuple[str, dict[str, float]]
) -> None:
    b = GraphBuilder()
    x = b.chain(b.add("input", size=(4, 8, 8)), "sigmoid", ("scale", {"factor": 1e300}), last, "sigmoid")
    made = optimize(b.graph(x), passes_named([name]))
    assert ops_of(made.graph).count("scale") == 1 + (last[0] == "scale")
    verify_graph(made.graph)


def test_zeros_and_identities_go() -> None:
    b = GraphBuilder()
    x = b.add("input", size=(4, 8, 8))
    total = b.add("add", b.add("zero", x), b.chain(x, conv(4), ("scale", {"factor": 1}), ("pad", {})))
    made = rewrite_of(b.graph(b.add("flatten", b.add("global_avg_pool", total))), "drop_identities")
    assert ops_of(made.graph) == ["conv", "global_avg_pool"]


def test_training_outputs_go_with_all_that_only_they_need() -> None:
    graph = archc.load("googlenet")
    made = optimize(graph, passes_named(["drop_training"]))
    assert [o.name for o in made.graph.outputs] == [o.name for o in graph.outputs if not o.train_only]
    assert made.graph.train_only_cost.params == 0 < graph.train_only_cost.params
    assert made.graph.cost == graph.cost


# ---------------------------------------------------------------- weights


def test_weights_are_rewritten_in_float64_and_leave_the_given_ones_alone() -> None:
    graph = archc.load("resnet18", input=(3, 32, 32))
    module = torch_module.compile(graph)
    randomise(module)
    state = module.half().state_dict()
    before = {key: value.clone() for key, value in state.items()}
    made = rewritten(graph, optimize(graph), state)
    assert {t.dtype for t in made.values()} == {torch.float16}
    assert all(torch.equal(before[key], value) for key, value in state.items())
    assert by_key(graph, by_node(graph, state)).keys() == state.keys()


def test_features_stay() -> None:
    for name in ("resnet18", "nf_regnet_b1", "mobilenet_v3_small"):
        graph = archc.load(name, input=(3, 64, 64))
        module = torch_module.compile(graph).eval()
        randomise(module)
        other = load_rewritten(graph, optimize(graph), module.state_dict())
        assert other.feature_info == module.feature_info
        x = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            for a, b in zip(module(x, features=True), other(x, features=True), strict=True):
                assert (a - b).abs().max() <= 1e-5 * a.abs().max()


def test_deploy_makes_modules_ready_to_run() -> None:
    graph = archc.load("nf_regnet_b1", input=(3, 32, 32))
    module = archc.compile(graph).eval()
    randomise(module)
    x = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        expected = module(x)
        for options in ({}, {"compiled": True}, {"dtype": torch.float64}):
            ready = archc.deploy(graph, module.state_dict(), **options)
            if "compiled" in options:
                ready.compile(backend="eager", fullgraph=True)
            found = ready(x.to(next(ready.parameters()).dtype)).float()
            assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_unknown_passes_are_named() -> None:
    with pytest.raises(ArchError) as caught:
        passes_named(["deploy", "fold_norms"])
    (problem,) = caught.value.diagnostics
    assert problem.code == "E0721"
    assert problem.help == ("did you mean `fold_norm`?",)


def test_every_pass_says_what_it_does() -> None:
    assert all(re.match(r"[A-Z].*\.", step.__doc__ or "", re.DOTALL) for step in PASSES.values())


# ---------------------------------------------------------------- the library

SMALL = 12_000_000
SIDES = (32, 64, 96, 128, 224, 331)


def smallest() -> dict[str, str]:
    """The smallest network of every family, by file."""
    found: dict[str, tuple[int, str]] = {}
    for entry in catalog():
        if entry.params is not None:
            found[entry.file] = min(
                found.get(entry.file, (entry.params, entry.name)), (entry.params, entry.name)
            )
    return {file: name for file, (_, name) in found.items()}


LARGE = ("amoebanet.arch", "enas.arch", "nasnet.arch", "pnasnet.arch", "darts.arch")
"""Families of cells: over a thousand nodes each."""

FAST = {name for file, name in smallest().items() if not file.endswith(LARGE)}
LIBRARY = [
    pytest.param(e.name, marks=() if e.name in FAST and e.params < SMALL else pytest.mark.slow)
    for e in catalog()
    if e.params is not None
]


def reduced(name: str) -> Graph:
    """A network of the library at the smallest input it can take, its own channels kept."""
    graph = archc.load(name)
    if len(graph.inputs) != 1 or len(graph.inputs[0].shape) != 3:
        return graph
    channels, height, _ = graph.inputs[0].shape
    for side in SIDES:
        if side >= height:
            break
        try:
            return archc.load(name, input=(channels, side, side))
        except ArchError:
            continue
    return graph


@pytest.mark.parametrize("name", LIBRARY)
def test_library_networks_compute_the_same_when_deployed(name: str) -> None:
    graph = reduced(name)
    made = optimize(graph)
    verify_graph(made.graph)
    found = verify_rewrite(graph, made, batch=1)
    assert found.ok, found
    assert max(found.exact) < 1e-11
    assert made.graph.cost.macs <= graph.cost.macs
    assert not {"ws_conv", "dropout", "drop_path", "channel_scale"} & set(ops_of(made.graph))
    left = [n for n in made.graph.nodes if n.op.name in ("scale", "gain")]
    assert all(n.shape[1:] in ((), (1, 1)) for n in left)  # of gates and pooled vectors


@pytest.mark.parametrize("wrong", [1e-4, float("nan"), float("inf")])
def test_outputs_agree_only_where_all_do(wrong: float) -> None:
    assert Agreement(("a", "b"), (0.0, 1e-6), (0.0, 0.0)).ok
    assert not Agreement(("a", "b"), (0.0, wrong), (0.0, 0.0)).ok
    assert not Agreement(("a", "b"), (0.0, 0.0), (0.0, wrong)).ok
