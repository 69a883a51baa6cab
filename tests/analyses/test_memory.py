"""Predicted memory against what torch holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import archc
from archc.analyses.memory import inference_memory, training_memory
from archc.analyses.receptive_field import fields, section_fields
from archc.analyses.shares import block_shares
from archc.measure.memory import measure_graph
from tests.graphs import resnet, unet

FAST = ("mobilenet_v3_small", "squeezenet1_1")
NETWORKS = {
    "resnet18": 128, "resnet50": 96, "mobilenet_v2": 96, "mobilenet_v3_small": 96, "densenet121": 96, "nfnet_f0": 96,
    "convnext_tiny": 96, "efficientnet_b0": 96, "regnety_004": 96, "squeezenet1_1": 96, "shufflenet_v2_x1_0": 96,
    "googlenet": 96, "unet": 128, "nf_regnet_b1": 96,
}  # fmt: skip
TOLERANCE = 0.05


@pytest.mark.parametrize(
    "name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS]
)
def test_memory_is_what_torch_holds(name: str) -> None:
    graph = archc.load(name, input=(3, NETWORKS[name], NETWORKS[name]))
    torch.manual_seed(0)
    found = measure_graph(graph, 2)
    assert training_memory(graph, 2).saved == pytest.approx(found.saved, rel=TOLERANCE)
    assert inference_memory(graph, 2).peak == pytest.approx(found.inference, rel=TOLERANCE)


@pytest.mark.parametrize("make", [resnet, unet])
def test_memory_of_networks_outside_the_library(make: object) -> None:
    assert callable(make)
    graph = make()
    found = measure_graph(graph, 3)
    assert training_memory(graph, 3).saved == pytest.approx(found.saved, rel=TOLERANCE)
    assert inference_memory(graph, 3).peak == pytest.approx(found.inference, rel=TOLERANCE)


def test_half_precision_measures_half() -> None:
    graph = archc.load("squeezenet1_1", input=(3, 64, 64))
    found = measure_graph(graph, 2, "bfloat16")
    assert training_memory(graph, 2, "bfloat16").saved == pytest.approx(found.saved, rel=TOLERANCE)
    assert inference_memory(graph, 2, "bfloat16").peak == pytest.approx(found.inference, rel=TOLERANCE)


def test_what_training_adds_up() -> None:
    graph = archc.load("resnet50")
    one, two = training_memory(graph, 1, optimiser="adam"), training_memory(graph, 2, optimiser="adam")
    assert one.params == one.grads == 4 * 25_557_032
    assert one.state == 2 * one.params
    assert one.total == one.saved + 4 * one.params
    assert two.saved > 1.9 * one.saved
    assert training_memory(graph, 1, optimiser="sgd").state == 0
    with pytest.raises(KeyError):
        training_memory(graph, 1, "int4")


@pytest.mark.parametrize(
    "op",
    [
        "max_pool(1, 2)",
        'pad(top = 1, left = 1, mode = "reflect")',
        "pad(top = 1)",
        "grn",
        "local_response_norm",
    ],
)
def test_memory_of_single_ops(op: str, tmp_path: Path) -> None:
    path = tmp_path / "m.arch"
    path.write_text(
        f"arch m() {{\n  input 6 x 16 x 16\n  stem conv(6, 3)\n  stage {op}\n  stage conv(6, 1)\n"
        "  head global_avg_pool -> linear(3)\n}\n",
        encoding="utf-8",
    )
    graph = archc.load(path)
    found = measure_graph(graph, 4)
    assert training_memory(graph, 4).saved == pytest.approx(found.saved, rel=TOLERANCE)
    assert inference_memory(graph, 4).peak == pytest.approx(found.inference, rel=TOLERANCE)


def test_receptive_field_of_resnet50() -> None:
    """427 pixels, stride 32: Araujo et al. 2019's figure for the v1.5 layout, whose stride is in the 3×3."""
    found = dict(section_fields(archc.load("resnet50")))
    assert found["stem"].size == (11, 11)
    assert (found["s4"].size, found["s4"].stride) == ((427, 427), (32, 32))
    assert found["head"].size == (float("inf"), float("inf"))


def test_receptive_field_is_what_the_gradient_reaches(tmp_path: Path) -> None:
    """The pixels of the input that the middle output depends on, by autograd through positive weights."""
    spec = "arch f() {\n  input 1 x 33 x 33\n  stem conv(2, 3, 2) -> conv(2, 5, dilation = 2) -> max_pool(3, 1, 1)\n}\n"
    path = tmp_path / "f.arch"
    path.write_text(spec, encoding="utf-8")
    graph = archc.load(path)
    module = archc.compile(graph).eval()
    for parameter in module.parameters():
        torch.nn.init.ones_(parameter)
    x = torch.rand(1, 1, 33, 33, requires_grad=True)
    reached = torch.zeros(33, 33, dtype=torch.bool)
    for _ in range(20):  # a max pool passes one gradient at a time
        y = module(x)
        (gradient,) = torch.autograd.grad(y[0, 0, 8, 8], x)
        reached |= gradient[0, 0] != 0
        x = torch.rand(1, 1, 33, 33, requires_grad=True)
    rows = reached.any(1).nonzero()
    last = fields(graph)[-1]
    assert int(rows.max() - rows.min()) + 1 == last.size[0]
    assert int(rows.min()) == 8 * last.stride[0] - last.padding[0]


@pytest.mark.parametrize(
    "op",
    [
        "conv_transpose(2, 3, padding = 1)", "conv_transpose(2, 4, 2, padding = 1)", "conv_transpose(2, 5, 2, padding = 1)",
        "conv_transpose(2, 2, 2)", "upsample(2, mode = \"bilinear\")", "upsample(3)", "adaptive_avg_pool(3)",
        "adaptive_avg_pool(7)", "adaptive_avg_pool(4)", "conv(2, 3) -> adaptive_avg_pool(4)",
        "conv(2, 3, 2, 1) -> conv_transpose(2, 4, 2, padding = 1)", "conv(2, 3, 2, 1) -> upsample(2, mode = \"bilinear\")",
    ],
)  # fmt: skip
def test_receptive_fields_of_resampling_are_what_gradients_reach(op: str, tmp_path: Path) -> None:
    """The widest over all outputs; and, of what is no pool, where that of the first would begin, from one within."""
    size = 19
    path = tmp_path / "f.arch"
    path.write_text(f"arch f() {{\n  input 1 x {size} x {size}\n  stem {op}\n}}\n", encoding="utf-8")
    graph = archc.load(path)
    module = archc.compile(graph).eval().double()
    for name, parameter in module.named_parameters():
        (torch.nn.init.zeros_ if name.endswith("bias") else torch.nn.init.ones_)(parameter)
    x = torch.rand(1, 1, size, size, requires_grad=True, dtype=torch.float64)
    y = module(x)[0, 0].sum(1)
    spans = []
    for row in y:
        rows = torch.autograd.grad(row, x, retain_graph=True)[0][0, 0].abs().sum(1).nonzero()[:, 0]
        spans.append((int(rows[0]), int(rows[-1])))
    last = fields(graph)[-1]
    assert max(b - a + 1 for a, b in spans) == last.size[0]
    if "pool" not in op:
        begins = [a - i * last.stride[0] for i, (a, _) in enumerate(spans)][6:]  # clear of the border
        assert min(begins) <= -last.padding[0] + 0.5 and -last.padding[0] - 1 < min(begins)


def test_shares_of_outermost_blocks_are_the_whole() -> None:
    graph = archc.load("resnet50")
    shares = {s.block: s for s in block_shares(graph)}
    assert shares["bottleneck"].calls == 16
    outer = sum(shares[name].cost.macs for name in ("bottleneck", "conv_stem", "(ops)"))
    assert outer == graph.cost.macs
    assert shares["projection"].cost == shares["shortcut"].cost
