"""`archc export`, and the precision of `archc build`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import archc
from archc.cli.main import main

SPEC = "arch tiny(width: int = 4) {\n  input 3 x 8 x 8\n  stem conv(width, 3) -> batch_norm -> relu\n}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tiny.arch").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_format(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    for to, name in (("torch_export", "tiny.pt2"), ("safetensors", "tiny.safetensors")):
        assert main(["export", "tiny.arch", "--to", to]) == 0
        out = capsys.readouterr().out
        assert out.startswith("tiny on x N×3×8×8: equal to the module\n")
        assert out.endswith(f"wrote build/tiny/{name}\n")
        assert (folder / "build" / "tiny" / name).stat().st_size > 0


def test_weights_arrive_in_half_precision(folder: Path) -> None:
    state = archc.compile(archc.load(folder / "tiny.arch")).state_dict()
    save_file(state, folder / "given.safetensors")
    words = ["--weights", "given.safetensors", "--half"]
    assert main(["export", "tiny.arch", "--to", "safetensors", "-o", "out.safetensors", *words]) == 0
    assert main(["build", "tiny.arch", "-o", "built", *words]) == 0
    for path in ("out.safetensors", "built/tiny.safetensors"):
        found = load_file(folder / path)
        assert torch.equal(found["stem.conv.weight"], state["stem.conv.weight"].half())
        assert found["stem.batch_norm.num_batches_tracked"].dtype == torch.int64


def test_build_verifies_in_the_precision(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "tiny.arch", "--bf16", "--verify"]) == 0
    assert "all shapes, params, buffers and macs agree" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("export", "tiny.arch"), "Missing option '--to'"),
        (("export", "tiny.arch", "--to", "safetensors", "--opset", "20"), "--opset goes with --to onnx"),
        (("export", "tiny.arch", "--to", "onnx", "--half", "--bf16"), "--half and --bf16 exclude each other"),
        (("export", "tiny.arch", "--to", "onnx", "--keymap", "k.json"), "--keymap goes with --weights"),
        (("build", "tiny.arch", "--half"), "--half and --bf16 go with --weights or --verify"),
    ],
)
def test_usage(words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(list(words)) == 2
    assert message in capsys.readouterr().err


def test_a_missing_package_is_told_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    assert main(["export", "tiny.arch", "--to", "onnx"]) == 1
    assert "needs onnxruntime: pip install 'archc[onnx]'" in capsys.readouterr().err
