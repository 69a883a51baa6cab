"""The emitted source as a living module: compiled, exported, checkpointed, copied, on no device at all."""

from __future__ import annotations

import copy
import dataclasses
import gc
import inspect
import linecache
import traceback
import weakref
from pathlib import Path

import pytest
import torch
from torch import nn

import archc
from archc.backends import torch_module
from archc.backends.torch_source import emit
from archc.measure.weights import randomise
from tests.backends import graphs
from tests.backends.graphs import Builder
from tests.backends.interpreter import inputs_for, interpret, results
from tests.backends.test_torch_source import Make, every_graph


@every_graph
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_compiles_without_graph_breaks(make: Make, training: bool) -> None:
    graph = make()
    module = torch_module.compile(graph).train(training)
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    inputs = inputs_for(graph)
    torch.manual_seed(0)
    found = results(compiled(*inputs))
    torch.manual_seed(0)
    for mine, other in zip(found, results(module(*inputs)), strict=True):
        torch.testing.assert_close(mine, other)


@every_graph
def test_exports_with_any_batch(make: Make) -> None:
    graph = make()
    module = torch_module.compile(graph).eval()
    randomise(module)
    shapes = tuple({0: torch.export.Dim.DYNAMIC} for _ in graph.inputs)
    program = torch.export.export(module, tuple(inputs_for(graph, batch=3)), dynamic_shapes=shapes)
    inputs = inputs_for(graph, batch=5)
    for mine, other in zip(results(program.module()(*inputs)), results(module(*inputs)), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize(
    "chosen", [True, frozenset({"s1"}), frozenset({"bridge", "s5"})], ids=["all", "s1", "bridge-s5"]
)
@pytest.mark.parametrize("make", [graphs.residual, graphs.unet])
def test_checkpointing_changes_no_gradient(make: Make, chosen: bool | frozenset[str]) -> None:
    graph = make()
    module = torch_module.compile(graph).train()
    gradients = []
    for setting in (False, chosen):
        module.checkpoint = setting  # type: ignore[assignment]  # an attribute of emitted code
        module.zero_grad()
        torch.manual_seed(0)
        module(*inputs_for(graph)).square().mean().backward()
        gradients.append([p.grad.clone() for p in module.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(list(module.parameters()))
    assert all(map(torch.equal, *gradients))


def test_checkpointing_runs_only_the_sections_named_again() -> None:
    module = torch_module.compile(graphs.residual()).train()
    ran: list[str] = []
    for name in ("stem", "s1", "s2"):
        module.get_submodule(name).register_forward_pre_hook(lambda *_, name=name: ran.append(name))
    module.checkpoint = frozenset({"s1"})  # type: ignore[assignment]  # an attribute of emitted code
    module(torch.randn(2, 3, 32, 32)).mean().backward()
    assert sorted(ran) == ["s1", "s1", "s2", "stem"]


def test_checkpointing_compiles() -> None:
    module = torch_module.compile(graphs.unet()).train()
    module.checkpoint = True  # type: ignore[assignment]  # an attribute of emitted code
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    compiled(torch.randn(2, 1, 32, 32)).mean().backward()
    assert all(p.grad is not None for p in module.parameters())


@every_graph
def test_features_are_the_section_outputs(make: Make) -> None:
    graph = make()
    module = torch_module.compile(graph).eval()
    randomise(module)
    inputs = inputs_for(graph)
    values = interpret(graph, module, *inputs)
    found = module.forward_features(*inputs)  # type: ignore[operator]  # a method of emitted code
    assert len(found) == len(module.feature_info) > 0  # type: ignore[arg-type]  # likewise
    for feature, info in zip(found, module.feature_info, strict=True):  # type: ignore[arg-type]  # likewise
        section = next(i for i in graph.sections if graph.scopes[i].name == info["name"])
        last = max(n.id for n in graph.nodes if graph.section_of(n) == section and not n.train_only)
        assert torch.equal(feature, values[last])
        assert feature.shape[1] == info["channels"]
        assert feature.shape[2] * info["stride"] == inputs[0].shape[2]
    again = module(*inputs, features=True)
    assert isinstance(again, list)
    assert all(map(torch.equal, again, found))
    assert all(map(torch.equal, results(module(*inputs)), results(module(*inputs, features=False))))


def test_the_stride_of_a_map_larger_than_the_input_is_below_one(tmp_path: Path) -> None:
    spec = tmp_path / "twice.arch"
    spec.write_text("arch twice() {\n  input 3 x 6 x 6\n  stage conv(4, 3) -> upsample(2)\n}\n")
    info = archc.compile(archc.load(spec)).feature_info
    assert info == [{"name": "s1", "channels": 4, "stride": 0.5}]


STAGES = {
    "resnet18": ((3, 64, 64), [4, 4, 8, 16, 32], [64, 64, 128, 256, 512]),
    "nf_resnet50": ((3, 64, 64), [4, 4, 8, 16, 32], [64, 256, 512, 1024, 2048]),
    "unet_256_padded": ((3, 32, 32), None, None),
}


@pytest.mark.parametrize("name", STAGES)
def test_features_of_library_networks(name: str) -> None:
    size, strides, channels = STAGES[name]
    graph = archc.load(name, input=size)
    module = archc.compile(graph).eval()
    info = module.feature_info
    assert isinstance(info, list)
    x = torch.randn(1, *size)
    with torch.no_grad():
        found = module(x, features=True)
        plain = module(x)
    shapes = [(1, i["channels"], size[1] // i["stride"], size[2] // i["stride"]) for i in info]
    assert [tuple(f.shape) for f in found] == shapes
    assert [i["name"] for i in info] == [
        graph.scopes[s].name for s in graph.sections if graph.scopes[s].name != "head"
    ]
    assert strides is None or [i["stride"] for i in info] == strides
    assert channels is None or [i["channels"] for i in info] == channels
    head = module.get_submodule("head")
    if name != "unet_256_padded":  # its head follows the last section too
        torch.testing.assert_close(head(found[-1]), plain)
    compiled = torch.compile(module, backend="eager", fullgraph=True)
    for mine, other in zip(compiled(x, features=True), found, strict=True):
        torch.testing.assert_close(mine, other)


def test_an_input_or_section_may_be_called_features() -> None:
    b = Builder("named", (3, 8, 8))
    (x,) = b.inputs
    b.nodes[0] = dataclasses.replace(b.nodes[0], name="features")
    with b.scope("features"):
        y = b.conv_norm_act(x, 4)
    with b.scope("s1"):
        z = b.conv_norm_act(y, 4)
    module = torch_module.compile(b.graph(b.op("add", y, z))).eval()
    x_ = torch.randn(2, 3, 8, 8)
    first, second = module(x_, features=True)
    assert torch.equal(first + second, module(x_))
    assert list(inspect.signature(module.forward).parameters) == ["features_", "features"]


@every_graph
def test_is_made_on_the_meta_device(make: Make) -> None:
    graph = make()
    with torch.device("meta"):
        module = torch_module.compile(graph)
        module(*(x.to("meta") for x in inputs_for(graph)))
    assert {t.device.type for t in module.state_dict().values()} == {"meta"}


def test_copies_and_state_dict_know_nothing_of_the_graph() -> None:
    graph = graphs.residual()
    module = torch_module.compile(graph)
    assert module.archc_graph is graph
    twin = copy.deepcopy(module)
    assert twin.archc_graph is graph
    assert twin.state_dict().keys() == module.state_dict().keys()
    assert all(isinstance(value, torch.Tensor) for value in module.state_dict().values())
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(twin.eval()(x), module.eval()(x))


def test_tracebacks_show_emitted_lines_as_long_as_the_class_lives() -> None:
    module = torch_module.compile(graphs.residual())
    with pytest.raises(RuntimeError) as caught:
        module(torch.zeros(2, 5, 32, 32))
    assert "x = F.relu(self.batch_norm1(self.conv1(x)), inplace=True)" in "".join(
        traceback.format_exception(caught.value)
    )
    filename = type(module).forward.__code__.co_filename
    assert "".join(linecache.getlines(filename)) == emit(graphs.residual())
    gone = weakref.ref(type(module))
    del module, caught
    gc.collect()
    assert gone() is None
    assert linecache.getlines(filename) == []


def test_parameters_start_as_the_ops_say() -> None:
    torch.manual_seed(0)
    module = torch_module.compile(graphs.residual())
    conv = module.get_submodule("s2.1.conv2").weight
    assert isinstance(conv, nn.Parameter)
    expected = (2 / (conv.shape[0] * 9)) ** 0.5
    assert conv.std().item() == pytest.approx(expected, rel=0.1)
    assert module.get_submodule("s1.0.batch_norm3").weight.abs().max() == 0
    assert module.get_submodule("s1.0.batch_norm2").weight.min() == 1


def test_trace_sees_every_node() -> None:
    graph = graphs.unet()
    seen: dict[tuple[nn.Module, str], torch.Tensor] = {}
    module = torch_module.compile(graph, trace=lambda owner, name, value: seen.update({(owner, name): value}))
    module(torch.zeros(1, 1, 32, 32))
    names = {m: path for path, m in module.named_modules()}
    found = {f"{names[owner]}.{name}".strip("."): tuple(v.shape) for (owner, name), v in seen.items()}
    assert found == {graph.path(n): (1, *n.shape) for n in graph.nodes if n.op.kind != "input"}


def test_a_network_without_state_or_without_any_op() -> None:
    b = Builder("plain", (3, 4, 4))
    (x,) = b.inputs
    assert torch.equal(torch_module.compile(b.graph(x))(torch.ones(1, 3, 4, 4)), torch.ones(1, 3, 4, 4))
    with b.scope("s1"):
        x = b.op("scale", x, factor=2.0)
    assert torch_module.compile(b.graph(x))(torch.ones(1, 3, 4, 4)).sum() == 96
