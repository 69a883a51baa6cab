"""Counting as other tools do: against what they printed, and against the tools themselves."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

import archc
from archc.analyses.conventions import count_as, style_of
from benchmarks.conventions import NETWORKS, PAGE, TOOLS, reference, tool_total
from benchmarks.conventions_page import page
from tests.graphs import resnet, unet
from tests.peers import peer

DATA = Path(__file__).parents[1] / "data"
RECORD = json.loads((DATA / "conventions.json").read_text())
FAST = ("squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x1_0")


def test_the_record_is_of_many_networks() -> None:
    assert set(RECORD["networks"]) == set(NETWORKS)
    assert len(NETWORKS) >= 20


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("what", "style"), [("reference", None), ("emitted", "emitted")])
def test_totals_are_those_the_tools_printed(name: str, what: str, style: str | None) -> None:
    graph = archc.load(name)
    assert {tool: count_as(graph, tool, style).total for tool in TOOLS} == RECORD["networks"][name][what]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    "name", [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS]
)
def test_totals_are_those_the_tools_print_now(name: str, tool: str) -> None:
    if tool != "torch":
        peer(tool)
    graph = archc.load(name)
    size = graph.inputs[0].shape
    assert count_as(graph, tool).total == tool_total(tool, reference(name), size)
    assert count_as(graph, tool, "emitted").total == tool_total(
        tool, archc.compile(graph, form="plain").eval(), size
    )


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("make", [resnet, unet])
def test_totals_of_networks_outside_the_library(tool: str, make: object) -> None:
    if tool != "torch":
        peer(tool)
    assert callable(make)
    graph = make()
    assert style_of(graph).name == "emitted"
    assert count_as(graph, tool).total == tool_total(
        tool, archc.compile(graph, form="plain").eval(), graph.inputs[0].shape
    )


def test_archc_is_right_where_tools_are_not() -> None:
    """torch counts what runs; thop and ptflops miss NFNet's convolutions, torchinfo ConvNeXt's pixels."""
    for name, tool in (("nfnet_f0", "thop"), ("nfnet_f0", "ptflops"), ("convnext_tiny", "torchinfo")):
        printed = RECORD["networks"][name]["reference"]
        macs = archc.load(name).cost.macs
        assert printed["torch"] == 2 * macs
        assert printed[tool] < 0.1 * macs


def test_terms_add_up_and_say_why() -> None:
    counted = count_as(archc.load("nfnet_f0"), "ptflops")
    assert sum(t.tool for t in counted.terms) == counted.total == 36_288_360
    assert sum(t.archc for t in counted.terms) == 6_977_003_520
    missed = counted.terms[0]
    assert (missed.op, missed.nodes, missed.tool) == ("ws_conv", 57, 0)
    assert "classes are looked up exactly" in missed.why


def test_the_total_of_archc_is_its_macs() -> None:
    for name in ("resnet50", "unet", "nfnet_f0", "convnext_tiny"):
        graph = archc.load(name)
        assert count_as(graph, "archc").total == graph.cost.macs


def test_pycls_counts_its_own_networks() -> None:
    models = json.loads((DATA / "regnet_reference.json").read_text())["models"]
    assert len(models) == 24
    for model in models:
        family, _, size = model["name"].partition("-")
        size = float(size[:-2]) * (10 if size.endswith("GF") else 0.01)
        counted = count_as(archc.load(f"{family.lower()}_{round(size):03}"), "pycls")
        assert (counted.total, counted.activations) == (model["flops"], model["acts"])


NB201 = """
block relu_conv(x, width: int, kernel: int, stride: int = 1) {
  return x -> relu -> conv(width, kernel, stride) -> batch_norm
}
block residual(x, width: int) {
  return (x -> avg_pool(2) -> conv(width, 1)) + (x -> relu_conv(width, 3, 2) -> relu_conv(width, 3))
}
block edge(x, code: int) {
  if code == 2 { return x -> relu_conv(x.channels, 1) }
  if code == 3 { return x -> relu_conv(x.channels, 3) }
  if code == 4 { return x -> avg_pool(3, 1, 1, count_include_pad = false) }
  if code == 1 { return x -> identity }
  return x -> zero
}
block cell(x, c: list[int]) {
  a = x -> edge(c[0])
  b = (x -> edge(c[1])) + (a -> edge(c[2]))
  return (x -> edge(c[3])) + (a -> edge(c[4])) + (b -> edge(c[5]))
}
arch nb201(code: list[int]) {
  input 3 x 32 x 32
  stem conv(16, 3) -> batch_norm
  stage 5 x cell(code)
  stage residual(32)
  stage 5 x cell(code)
  stage residual(64)
  stage 5 x cell(code)
  head batch_norm -> relu -> global_avg_pool -> linear(10)
}
"""


def test_nasbench201_counts_its_own_cells(tmp_path: Path) -> None:
    """CIFAR-10 FLOPs and params of the NATS-Bench API, which are these linear functions for all 15,625 cells."""
    spec = tmp_path / "nb201.arch"
    spec.write_text(NB201, encoding="utf-8")
    codes = list(itertools.product(range(5), repeat=6))
    for code in codes[:: len(codes) // 60]:
        ones, threes, pools = (code.count(i) for i in (2, 3, 4))
        graph = archc.load(spec, code=list(code))
        assert count_as(graph, "nasbench201").total == (
            7_943_872 + 4_362_240 * ones + 35_819_520 * threes + 1_290_240 * pools
        )
        assert graph.cost.params == 73_306 + 28_000 * ones + 243_040 * threes


def test_every_way_of_writing_is_in_the_table() -> None:
    from archc.analyses.conventions import _table

    table = _table("realisations")
    for style, row in table.items():
        if style != "seen":
            assert set(row["ops"].values()) <= set(table["seen"]), style
            for paths in row.get("paths", {}).values():
                assert {written for ops in paths.values() for written in ops.values()} <= set(
                    table["seen"]
                ), style


def test_unknown_names_are_refused() -> None:
    with pytest.raises(KeyError):
        count_as(resnet(), "abacus")
    with pytest.raises(KeyError):
        count_as(resnet(), "thop", "keras")


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(RECORD), "run `python -m benchmarks.conventions --page`"
