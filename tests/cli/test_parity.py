"""`archc parity`, and `archc build --weights` with what it makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import archc
import tests.peers
from archc.cli.main import main
from archc.cli.parity_command import value_text
from archc.measure.foreign import make_foreign
from archc.measure.weights import randomise

SPEC = """arch tiny(classes: int = 10) {
  input 3 x 16 x 16
  stem conv(8, 3, 2) -> batch_norm -> relu
  stage conv(8, 3) -> batch_norm -> relu
  head global_avg_pool -> linear(classes)
}
"""

NETS = """
import torch
from torch import nn

def tiny(classes=10, eps=1e-5, last=nn.Identity, act=nn.ReLU, extra=False):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8, eps=eps), act(),
        nn.Conv2d(8, 8, 3, 1, 1, bias=extra), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes), last(),
    )

def softened():
    return tiny(last=nn.Tanh)

def other_act():
    return tiny(act=nn.SiLU)

class Flag(nn.Module):
    def forward(self, x):
        return {"flag": True}
"""


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a spec and a Python module beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    monkeypatch.delitem(__import__("sys").modules, "parity_nets", raising=False)
    (tmp_path / "tiny.arch").write_text(SPEC)
    (tmp_path / "parity_nets.py").write_text(NETS)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = main(list(args))
    out, err = capsys.readouterr()
    return code, out, err


def test_equal_networks(capsys: pytest.CaptureFixture[str], workplace: Path) -> None:
    code, out, err = run(
        capsys, "parity", "tiny.arch", "--with", "parity_nets:tiny", "--save-keymap", "keys.json"
    )
    assert (code, err) == (0, "")
    assert out.startswith("tiny and parity_nets:tiny, on 2 examples of 3×16×16: equal\n")
    assert "5 of 5 modules with weights matched" in out
    assert "wrote keys.json: 14 keys" in out
    written = json.loads((workplace / "keys.json").read_text())
    assert written["version"] == 1
    assert written["keys"]["4.running_mean"] == "s1.batch_norm.running_mean"
    assert len(written["keys"]) == 14


def test_the_parameter_that_differs_is_told_as_specs_write_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "parity", "tiny.arch", "--with", "parity_nets:tiny", "--kwargs", "eps=1e-3")
    assert (code, err) == (1, "")
    assert "not equal" in out
    assert "  batch_norm eps 1e-5 here, 1e-3 there: stem.batch_norm\n" in out
    assert "first difference: what stem.batch_norm (batch_norm) makes, off by" in out
    assert "  spec: tiny.arch:3:25: batch_norm\n" in out
    assert "  there: 1\n" in out


def test_what_ran_before_the_difference_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "parity", "tiny.arch", "--with", "parity_nets:other_act")
    assert code == 1
    assert "first difference: what s1.conv (conv) reads, off by" in out
    assert "  before it, here: relu\n" in out
    assert "  before it, there: SiLU()\n" in out
    code, out, _ = run(capsys, "parity", "tiny.arch", "--with", "parity_nets:softened")
    assert code == 1
    assert "first difference: after the last module, off by" in out
    assert "  before it, there: Tanh()\n" in out


def test_tensors_of_one_side_only(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "parity", "tiny.arch", "--with", "parity_nets:tiny", "--kwargs", "extra=True")
    assert code == 1
    assert "\nonly in parity_nets:tiny: 1 tensor\n  3.bias\n" in out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (
        "parity",
        "tiny.arch",
        "--with",
        "parity_nets:tiny",
        "--kwargs",
        "eps=1e-3",
        "--format",
        "json",
    )
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (1, "")
    found = json.loads(out)
    assert (found["name"], found["with"], found["equal"]) == ("tiny", "parity_nets:tiny", False)
    assert (found["modules"], found["matched"], found["outputs"]["ours"]) == (5, 5, [2, 10])
    assert 0 < found["error"] < 1
    difference = {
        "ours": "stem.batch_norm", "theirs": "1", "op": "batch_norm", "parameter": "eps", "here": 1e-5, "there": 1e-3,
    }  # fmt: skip
    assert found["differences"] == [difference]
    assert found["first"]["differences"] == [difference]
    assert found["first"]["where"] == "output"
    assert found["first"]["origin"][0] == "tiny.arch:3:25"
    assert run(capsys, *arguments[:4], "--format", "json")[0] == 0


def test_outputs_of_different_shapes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "parity", "tiny.arch", "--with", "parity_nets:tiny", "-p", "classes=7")
    assert code == 1
    assert "beyond comparison" in out
    assert "only here: 2 tensors\n  head.linear.weight\n  head.linear.bias\n" in out
    assert err.startswith("error[E0611]: tiny makes 7, parity_nets:tiny makes 10\n")
    assert run(
        capsys, "parity", "tiny.arch", "--with", "parity_nets:tiny", "-p", "classes=7", "--kwargs", "classes=7"
    )[0] == 0  # fmt: skip


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (("--with", "parity_nets:big"), "E0607", "parity_nets has no `big`"),
        (("--with", "parity_nets:Flag"), "E0610", "Flag returns no tensor"),
        (("--with", "parity_nets:tiny", "--kwargs", "act=None"), "E0608", "TypeError"),
        (("--with", "parity_nets:tiny", "--input", "1x16x16"), "E0610", "expected input"),
    ],
)
def test_what_cannot_be_compared(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: str, said: str
) -> None:
    status, out, err = run(capsys, "parity", "tiny.arch", *arguments)
    assert (status, out) == (1, "")
    assert err.startswith(f"error[{code}]: ")
    assert said in err


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ("parity", "tiny.arch"),
        ("parity", "tiny.arch", "--with", "parity_nets:tiny", "--kwargs", "eps"),
        ("build", "tiny.arch", "--keymap", "keys.json"),
    ):
        code, out, err = run(capsys, *arguments)
        assert (code, out) == (2, "")
        assert "Usage: archc" in err


@pytest.mark.parametrize(
    "value, text",
    [
        (1e-5, "1e-5"), (1e-3, "1e-3"), (0.0025, "2.5e-3"), (0.1, "0.1"), (1.0, "1.0"), (0.0, "0.0"),
        (True, "true"), (None, "none"), ((1, 7), "(1, 7)"), ("same", "same"), (3, "3"),
    ],
)  # fmt: skip
def test_values_are_written_as_in_specs(value: object, text: str) -> None:
    assert value_text(value) == text


@pytest.mark.parametrize(
    "spec, peer", [("resnet18", "torchvision:resnet18"), ("regnety_002", "timm:regnety_002")]
)
def test_a_checkpoint_of_another_package_is_built_in(
    capsys: pytest.CaptureFixture[str], workplace: Path, spec: str, peer: str
) -> None:
    """Their state dict as safetensors -> keymap -> build: outputs are theirs, in the shipped file too."""
    tests.peers.peer(peer.partition(":")[0])
    theirs = make_foreign(peer).eval()
    randomise(theirs, 3)
    save_file(theirs.state_dict(), workplace / "theirs.safetensors")
    weights = ("--weights", "theirs.safetensors")
    assert run(capsys, "build", spec, *weights)[0] == 1
    assert not (workplace / "build").exists()
    keymap = ("--save-keymap", "keys.json")
    assert run(capsys, "parity", spec, "--with", peer, "--input", "3x64x64", *keymap)[0] == 0
    code, out, err = run(capsys, "build", spec, *weights, "--keymap", "keys.json")
    assert (code, err) == (0, "")
    assert f"wrote build/{spec}/{spec}.safetensors" in out.splitlines()
    ours = archc.compile(archc.load(spec)).eval()
    ours.load_state_dict(load_file(workplace / "build" / spec / f"{spec}.safetensors"))
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_weights_that_do_not_fit_are_all_named(capsys: pytest.CaptureFixture[str], workplace: Path) -> None:
    state = archc.compile(archc.load("tiny.arch")).state_dict()
    state["surplus"] = torch.zeros(1)
    state["head.linear.bias"] = torch.zeros(3)
    for key in ("stem.conv.weight", "s1.batch_norm.running_var"):
        del state[key]
    save_file(state, workplace / "w.safetensors")
    code, out, err = run(capsys, "build", "tiny.arch", "--weights", "w.safetensors")
    assert (code, out) == (1, "")
    assert "error[E0602]: w.safetensors lacks 2 tensors of the network" in err
    for key in ("stem.conv.weight", "s1.batch_norm.running_var", "surplus"):
        assert f"= note: {key}\n" in err
    assert "error[E0603]: w.safetensors holds 1 tensor with no place in the network" in err
    assert "= note: head.linear.bias: is (10,), the file has (3,)" in err
    assert not (workplace / "build").exists()


def test_pickles_are_refused(capsys: pytest.CaptureFixture[str], workplace: Path) -> None:
    torch.save(archc.compile(archc.load("tiny.arch")).state_dict(), workplace / "w.pt")
    code, _, err = run(capsys, "build", "tiny.arch", "--weights", "w.pt")
    assert code == 1
    assert err.startswith("error[E0601]: cannot read weights from w.pt")
