"""`archc build --deploy`, `archc optimize` and `archc why -O`."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import archc
from archc.cli.main import main
from archc.measure.weights import randomise

SPEC = """arch toy(classes: int = 10) {
  input 3 x 16 x 16
  stem  conv(8, 3) -> batch_norm -> relu(gamma = true)
  stage 2 x (ws_conv(8, 3) -> batch_norm -> relu)
  head  global_avg_pool -> dropout(0.2) -> linear(classes)
}
"""


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory holding toy.arch."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.arch").write_text(SPEC)
    return tmp_path


def trained(path: Path) -> torch.nn.Module:
    """A network with weights of its own, in eval mode; they are saved to `path`."""
    module = archc.compile(archc.load("toy.arch")).eval()
    randomise(module, seed=3)
    save_file(module.state_dict(), path)
    return module


@pytest.mark.parametrize("runtime", ["torch", "mkldnn"])
def test_deploy_writes_a_network_that_computes_the_same(
    workplace: Path, capsys: pytest.CaptureFixture[str], runtime: str
) -> None:
    module = trained(workplace / "toy.safetensors")
    weights = ("--weights", "toy.safetensors")
    assert main(["build", "toy.arch", "--deploy", *weights, "--verify", "--runtime", runtime]) == 0
    out = capsys.readouterr().out
    assert "fold_norm: 6 nodes" in out
    assert "equal within 1e-05" in out
    source = workplace / "build" / "toy" / "toy_deploy.py"
    spec = importlib.util.spec_from_file_location("toy_deploy", source)
    assert spec is not None and spec.loader is not None
    emitted = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(emitted)
    other = emitted.Toy().eval()
    other.load_state_dict(load_file(source.with_suffix(".safetensors")))
    kinds = {type(m).__name__ for m in other.modules()}
    assert ("PackedConv2d" if runtime == "mkldnn" else "Conv2d") in kinds
    assert not {"BatchNorm2d", "WSConv2d", "Dropout"} & kinds
    x = torch.randn(2, 3, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(other(x), module(x), rtol=1e-5, atol=1e-6)


def test_optimize_runs_the_passes_named(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["optimize", "toy.arch", "-O", "fold_weight_standardisation, fold_norm", "--verify"]) == 0
    out = capsys.readouterr().out
    assert "fold_weight_standardisation: 2 nodes\nfold_norm: 6 nodes\n" in out
    assert "drop" not in out
    written = json.loads((workplace / "build" / "toy" / "toy_optimized.json").read_text())
    assert [n["op"] for n in written["nodes"]].count("dropout") == 1
    assert written["info"]["passes"] == "fold_weight_standardisation, fold_norm"


def test_optimize_alone_lists_the_passes(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["optimize", "toy.arch"]) == 0
    out = capsys.readouterr().out
    assert "fold_norm (deploy)\n    Fold batch normalisation into" in out
    assert "place_scales (training)\n" in out
    assert not (workplace / "build").exists()


def test_a_pass_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["optimize", "toy.arch", "-O", "fold_norms"]) == 1
    assert "E0721" in (err := capsys.readouterr().err)
    assert "did you mean `fold_norm`?" in err


def test_verify_tells_networks_that_differ(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archc.passes.fold_norm.norm_affine", lambda t, eps: (t["weight"], t["bias"]))
    assert main(["build", "toy.arch", "--deploy", "--verify"]) == 1
    assert "the outputs differ by more than 1e-05" in capsys.readouterr().err


def test_why_tells_what_passes_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "toy.arch", "s1.0.batch_norm", "-O", "deploy"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "s1.0.batch_norm: batch_norm (gone)  toy.arch:4:31",
        "  fold_norm: folded into the weights and bias of s1.0.ws_conv",
    ]
    assert main(["why", "toy.arch", "stem", "-O", "deploy", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"pass", "path", "text"} == set(rows[0])
    assert main(["why", "toy.arch", "stem.con", "-O", "deploy"]) == 1
    assert "did you mean `stem.conv`?" in capsys.readouterr().err


def test_runtime_goes_with_deploy() -> None:
    assert main(["build", "toy.arch", "--runtime", "mkldnn"]) == 2
