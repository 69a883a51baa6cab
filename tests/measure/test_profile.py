"""A training step split over sections and ops, and the bounds beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import archc
from archc.analyses.roofline import Device, training_roofline
from archc.cli.main import main
from archc.measure.latency_table import key, measure_table
from archc.measure.profile import profile

SPEC = """\
arch net() {
  input 3 x 16 x 16
  stem  conv(8, 3) -> batch_norm -> relu
  stage { x = x + (x -> conv(8, 3)) }
  output train_only early = x -> global_avg_pool -> linear(10)
  head  global_avg_pool -> dropout(0.5) -> linear(10)
}
"""
UNIT = Device("unit", "", {"float32": 1.0}, 1e30, 0.0)
"""One operation a second, and memory that is never in the way."""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "net.arch").write_text(SPEC)
    return tmp_path / "net.arch"


def test_backward_bounds_count_convolutions_twice(spec: Path) -> None:
    graph = archc.load(spec)
    bounds = training_roofline(graph, UNIT, batch=2)
    for node in graph.nodes:
        if node.op.kind == "input" or node.op.name in ("dropout", "flatten"):
            assert node.id not in bounds
            continue
        forward, backward = bounds[node.id]
        assert forward.seconds == 2 * node.cost.flops
        times = {"conv": 2, "linear": 2, "add": 0}.get(node.op.name, 1)
        assert backward.seconds == times * forward.seconds


def test_backward_traffic_is_of_gradients_inputs_and_weights(spec: Path) -> None:
    """conv 8→8 3×3 on 16×16, float32: reads ∂y, x, w and writes ∂x, ∂w."""
    graph = archc.load(spec)
    memory = Device("memory", "", {"float32": 1e30}, 1.0, 0.0)
    (node,) = (n for n in graph.nodes if n.op.name == "conv" and graph.nodes[n.inputs[0]].op.name == "relu")
    forward, backward = training_roofline(graph, memory)[node.id]
    plane, weights = 8 * 16 * 16, 8 * 8 * 9
    assert forward.seconds == 4 * (2 * plane + weights)
    assert backward.seconds == 4 * (3 * plane + 2 * weights)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_op_is_timed_both_ways(spec: Path, dtype: str) -> None:
    on = Device("given", "", {dtype: 1e9}, 1e9, 1e-9)
    found = profile(archc.load(spec), 4, dtype, on=on, steps=2, warm=1)
    assert [s.name for s in found.sections] == ["stem", "s1", "head", "(outside)"]
    names = {op.name for op in found.ops}
    assert {"stem.conv", "s1.conv", "head.linear"} <= names
    for op in found.ops:
        if "conv" in op.name or "linear" in op.name:
            assert op.forward > 0, op.name
            assert op.backward > 0, op.name
            assert op.achieved > 0
    for kind in ("forward", "backward", "forward_bound", "backward_bound", "flops"):
        by_section, by_op = (sum(getattr(p, kind) for p in parts) for parts in (found.sections, found.ops))
        assert by_section == pytest.approx(by_op)
    assert found.step > 0


def test_the_command_prints_sections_and_slowest_ops(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["profile", str(spec), "--batch", "2", "--steps", "1", "--roofline", "h100"]
    assert main([*options, "--ops", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("net, batch 2, float32, on NVIDIA H100 SXM 80 GB: a training step takes ")
    assert [line.split()[0] for line in lines[3:7]] == ["stem", "s1", "head", "(outside)"]
    assert lines[8].startswith("total")
    assert len(lines) == 14
    assert main([*options, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sections"][0]["name"] == "stem"
    assert found["ops"][0]["backward"] >= 0


def test_a_missing_gpu_is_said(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        assert main(["profile", str(spec), "--device", "cuda", "--steps", "1"]) == 0
    else:
        assert main(["profile", str(spec), "--device", "cuda"]) == 1
        assert "torch sees no CUDA device" in capsys.readouterr().err


def test_a_latency_table_leaves_out_what_is_there_in_training_only(spec: Path) -> None:
    graph = archc.load(spec)
    table = measure_table([graph], [graph], runs=1)
    assert table.networks == (1, 1)
    there = [n for n in graph.nodes if n.op.kind != "input" and not n.train_only]
    assert table.predict(graph) == pytest.approx(table.factor * sum(table.ops[key(graph, n)] for n in there))
