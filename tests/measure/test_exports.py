"""Exports: what is in the file, that it computes the same, and what is told when it does not."""

from __future__ import annotations

import io
import json
from typing import Any

import onnx
import pytest
import torch
from safetensors import safe_open
from torch import nn

import archc
import archc.measure.exports as exports
from archc.diagnostics import ArchError
from archc.elaborate import catalog
from archc.ir.fingerprint import spec_hash
from archc.measure.exports import export, metadata
from archc.measure.weights import randomise
from benchmarks.exports import PAGE, RECORD, attempt, page, reduced
from benchmarks.record import read

SMALL = ("lenet5_32", "mobilenet_v3_small")
SOME = (
    "squeezenet1_1",
    "densenet_bc_100_12",
    "shufflenet_v2_x0_5",
    "nf_regnet_b1",
    "convnext_tiny",
    "tf_efficientnet_b0",
    "unet_256_padded",
)


def network(name: str) -> tuple[archc.Graph, nn.Module]:
    graph = reduced(name)
    module = archc.compile(graph)
    randomise(module)
    return graph, module


def entries(graph: archc.Graph) -> dict[str, str]:
    """What every file must hold."""
    span = graph.scopes[0].span
    assert span
    return {
        "archc_network": graph.name, "archc_spec": span.source.text, "archc_spec_sha256": spec_hash(graph),
        "archc_version": "1.2.3",
    }  # fmt: skip


@pytest.mark.parametrize("name", SMALL)
def test_onnx(name: str) -> None:
    graph, module = network(name)
    made = export(graph, module, "onnx", "net.onnx", version="1.2.3")
    assert (list(made.files), made.opset) == (["net.onnx"], 18)
    assert [(c.batch, c.shapes[0][0]) for c in made.checks] == [(1, 1), (3, 3)]
    assert 0 < made.error < 1e-5
    model = onnx.load_from_string(made.files["net.onnx"])
    onnx.checker.check_model(model, full_check=True)
    sizes = model.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in sizes] == ["batch", *graph.inputs[0].shape]
    assert [o.name for o in model.graph.output] == [o.name for o in graph.outputs if not o.train_only]
    assert {(o.domain, o.version) for o in model.opset_import} == {("", 18)}
    assert {p.key: p.value for p in model.metadata_props}.items() >= entries(graph).items()
    slopes = [
        a.f for n in model.graph.node if n.op_type == "HardSigmoid" for a in n.attribute if a.name == "alpha"
    ]
    assert slopes == [pytest.approx(1 / 6, rel=1e-6)] * (9 if name == "mobilenet_v3_small" else 0)


def test_another_opset_and_half_precision() -> None:
    graph, module = network("lenet5_32")
    made = export(graph, module.half(), "onnx", "net.onnx", opset=20)
    model = onnx.load_from_string(made.files["net.onnx"])
    assert {o.version for o in model.opset_import} == {20}
    types = {t.data_type for t in model.graph.initializer}
    assert onnx.TensorProto.FLOAT16 in types
    assert onnx.TensorProto.FLOAT not in types
    assert len(made.files["net.onnx"]) < 0.6 * 4 * graph.cost.params
    assert made.error < 1e-2


def test_a_torch_export_program() -> None:
    graph, module = network("lenet5_32")
    made = export(graph, module.bfloat16(), "torch_export", "net.pt2", version="1.2.3")
    extra: dict[str, Any] = {f"{key}.txt": "" for key in metadata(graph, "")}
    again = torch.export.load(io.BytesIO(made.files["net.pt2"]), extra_files=extra).module()
    x = torch.randn(7, *graph.inputs[0].shape, dtype=torch.bfloat16)
    with torch.no_grad():
        assert torch.equal(again(x), module.eval()(x))
    assert {key.removesuffix(".txt"): value for key, value in extra.items()}.items() >= entries(graph).items()


def test_safetensors(tmp_path: Any) -> None:
    graph, module = network("squeezenet1_1")
    made = export(graph, module.half(), "safetensors", "net.safetensors", version="1.2.3")
    (tmp_path / "net.safetensors").write_bytes(made.files["net.safetensors"])
    with safe_open(tmp_path / "net.safetensors", "pt") as file:
        assert file.metadata().items() >= entries(graph).items()
        assert json.loads(file.metadata()["archc_inputs"]) == {"x": [3, 64, 64]}
        names = sorted(file.keys())
        assert {key: tuple(file.get_slice(key).get_shape()) for key in names} == {
            key: tuple(value.shape) for key, value in module.state_dict().items()
        }
    assert made.error == 0


def test_weights_beyond_a_protobuf_lie_beside_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "INSIDE", 1000)
    graph, module = network("lenet5_32")
    made = export(graph, module, "onnx", "net.onnx")
    assert list(made.files) == ["net.onnx", "net.onnx.data"]
    assert len(made.files["net.onnx"]) < 100_000 < len(made.files["net.onnx.data"])


def test_a_wrong_file_is_not_handed_out() -> None:
    """The module changes after it was traced: the numbers no longer agree."""
    graph, module = network("lenet5_32")
    files, run = exports._torch_export(graph, module, "net.pt2", {})
    with torch.no_grad():
        next(module.parameters()).mul_(1.01)
    with pytest.raises(ArchError, match="outputs that differ by") as caught:
        exports._checked(graph, module, files, run)
    assert caught.value.diagnostics[0].code == "E0622"
    with pytest.raises(ArchError, match="gives the shapes"):
        exports._checked(graph, module, files, lambda inputs: [torch.zeros(1)])


class Twice(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x


def test_one_output_of_several_that_is_no_number_is_wrong() -> None:
    graph, _ = network("lenet5_32")
    with pytest.raises(ArchError, match="differ by nan"):
        exports._checked(graph, Twice(), {}, lambda inputs: (inputs[0], inputs[0] * torch.nan))


class Untraceable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight * (1 if float(x.sum()) > 0 else 2)


def test_what_a_tool_refuses_is_told() -> None:
    graph, _ = network("lenet5_32")
    with pytest.raises(ArchError, match=r"lenet5_32 does not go through torch\.export") as caught:
        export(graph, Untraceable(), "torch_export", "net.pt2")
    assert caught.value.diagnostics[0].code == "E0621"
    with pytest.raises(ArchError, match="no such convolution"):
        export(graph, network("lenet5_32")[1].bfloat16(), "onnx", "net.onnx")


def test_the_page_is_that_of_the_record() -> None:
    rows = read(RECORD)
    assert PAGE.read_text() == page(PAGE.read_text(), rows), "run `python -m benchmarks.exports --page`"
    assert {e.name for e in catalog("*")} >= rows.keys()
    assert all(row["error"] < 1e-4 if "error" in row else row["reason"] for row in rows.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", SOME)
def test_more_of_the_library(name: str) -> None:
    row = attempt(name, reduced(name))
    assert row["error"] < 1e-4, row.get("reason")
