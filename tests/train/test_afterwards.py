"""What is done with a run when it is over: begun from, counted, exported, deployed, all by its directory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from archc.train.decoding import View, decode
from tests.peers import peer
from tests.train.test_commands import SMALL, Run, pictures, run

__all__ = ["run"]  # the fixture

SMALLER = [*SMALL, "--epochs", "1", "--set", "data.batch=8"]


@pytest.fixture
def photos(run: Run, tmp_path: Path) -> list[str]:
    """A run on two classes, of other weights than it was begun with, in r; images to look at."""
    pictures(tmp_path / "cats", 20)
    assert run("train", "tiny.arch", *SMALL, "--data", "cats", "--set", "data.batch=8", "-o", "r")[0] == 0
    return [f"cats/{kind}/{number}.png" for kind in ("cat", "dog") for number in (3, 11)]


def test_a_run_is_begun_from_another_with_other_classes(run: Run, photos: list[str]) -> None:
    code, _, err = run(
        "train", "tiny.arch", *SMALLER, "--weights", "r", "-o", "fine", "--set", "optim.lr=1e-30"
    )
    assert code == 0
    assert "warning: head.linear.weight, head.linear.bias start afresh" in err
    before, after = load_file("r/model.safetensors"), load_file("fine/model.safetensors")
    body = [key for key in before if key.endswith("weight") and not key.startswith("head")]
    assert len(body) > 2
    for key in body:
        torch.testing.assert_close(after[key], before[key], rtol=0, atol=1e-6)
    assert after["head.linear.weight"].shape[0] == 10
    told = json.loads(Path("fine/result.json").read_text())["started_from"]
    assert (told["file"], told["afresh"]) == (
        "r/model.safetensors",
        ["head.linear.weight", "head.linear.bias"],
    )
    code, _, err = run("train", "tiny.arch", *SMALLER, "-o", "fine", "--set", "optim.lr=1e-30")
    assert (code, "began with other weights" in err) == (1, True)
    code, out, _ = run(
        "train", "tiny.arch", *SMALLER, "--weights", "r", "-o", "fine", "--set", "optim.lr=1e-30"
    )
    assert (code, out.startswith("finished before")) == (0, True)


def test_weights_of_another_package_come_by_a_keymap(run: Run, photos: list[str]) -> None:
    own = load_file("r/model.safetensors")
    save_file({f"their.{key}": value for key, value in own.items()}, "theirs.safetensors")
    Path("keys.json").write_text(json.dumps({"version": 1, "keys": {f"their.{key}": key for key in own}}))
    given = ["train", "tiny.arch", *SMALLER, "--data", "cats", "--weights", "theirs.safetensors"]
    code, _, err = run(*given, "-o", "a")
    assert (code, "E0602" in err) == (1, True)
    code, _, err = run(*given, "--keymap", "keys.json", "-o", "a")
    assert (code, "afresh" in err) == (0, False)
    code, _, err = run("train", "tiny.arch", *SMALLER, "-p", "width=7", "--weights", "r", "-o", "b")
    assert (code, "E0604" in err) == (1, True)


@pytest.mark.parametrize("command", ["count", "memory", "emit", "roofline", "field"])
def test_a_run_is_a_network_to_all_commands_that_need_one(run: Run, photos: list[str], command: str) -> None:
    code, out, _ = run(command, "r")
    assert code == 0
    assert run(command, "tiny.arch", "-p", "classes=2")[1] == out
    assert run(command, "r/network.json")[1] == out


def test_a_run_is_settled_and_is_no_spec(run: Run, photos: list[str]) -> None:
    code, _, err = run("count", "r", "-p", "classes=3")
    assert (code, "the network of r is settled" in err) == (2, True)
    for args in (("why", "r", "stem.conv.channels"), ("train", "r", *SMALL)):
        code, _, err = run(*args)
        assert (code, "give its spec" in err) == (2, True)
    assert "= help: it is a run of `archc train`: give the spec it is of" in run("signal", "./r")[2]
    Path("x.json").write_text("{}")
    assert "E0801" in run("count", "x.json")[2]
    Path("x.json").write_text("no")
    code, _, err = run("count", "x.json")
    assert (code, "x.json is no graph that archc wrote" in err) == (1, True)
    Path("r/model.safetensors").unlink()
    code, _, err = run("build", "r", "--deploy")
    assert (code, "r holds no finished run: there is no model.safetensors" in err) == (1, True)


def predicted(run: Run, images: list[str]) -> dict[str, dict[str, float]]:
    code, out, _ = run("predict", "r", *images, "--top", "2", "--format", "json", "--device", "cpu")
    assert code == 0
    return {name: {b["class"]: b["probability"] for b in best} for name, best in json.loads(out).items()}


def test_the_exported_run_predicts_as_the_run_does(run: Run, photos: list[str]) -> None:
    onnxruntime = peer("onnxruntime")
    code, out, _ = run("export", "r", "--to", "onnx", "-o", "r.onnx")
    assert (code, "2 classes in archc_images" in out) == (0, True)
    session = onnxruntime.InferenceSession("r.onnx", providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["archc_images"])
    for name, expected in predicted(run, photos).items():
        pixels = decode(Path(name).read_bytes(), View(tuple(about["size"]), about["crop"])).numpy() / 255
        mean, std = (np.array(about[key]).reshape(-1, 1, 1) for key in ("mean", "std"))
        (logits,) = session.run(None, {"x": ((pixels - mean) / std)[None].astype(np.float32)})
        chances = np.exp(logits[0]) / np.exp(logits[0]).sum()
        assert dict(zip(about["classes"], chances, strict=True)) == pytest.approx(expected, abs=1e-5)


def test_the_deployed_run_predicts_as_the_run_does(run: Run, photos: list[str]) -> None:
    assert run("build", "r", "--deploy", "--verify", "-o", "d")[0] == 0
    scope: dict[str, object] = {}
    exec(Path("d/tiny_deploy.py").read_text(), scope)
    module = scope["Tiny"]()  # type: ignore[operator]  # the class of the emitted source
    module.load_state_dict(load_file("d/tiny_deploy.safetensors"))
    about = json.loads(Path("r/result.json").read_text())
    mean, std = (torch.tensor(about["normalisation"][key]).reshape(-1, 1, 1) for key in ("mean", "std"))
    for name, expected in predicted(run, photos).items():
        x = (decode(Path(name).read_bytes(), View(tuple(about["test_shape"]))) / 255 - mean) / std
        with torch.no_grad():
            chances = module.eval()(x[None])[0].softmax(0).tolist()
        assert dict(zip(about["classes"], chances, strict=True)) == pytest.approx(expected, abs=1e-5)


def test_other_sizes_and_pickles_are_answered(run: Run, photos: list[str]) -> None:
    code, _, err = run("export", "tiny.arch", "--to", "safetensors", "--weights", "r")
    assert (code, "= help: if these are the classes: -p classes=2" in err) == (1, True)
    torch.save({"a": torch.zeros(2)}, "a.pth")
    code, _, err = run("build", "tiny.arch", "--weights", "a.pth")
    assert code == 1
    assert "it is a pickled checkpoint of torch" in err
    assert "torch.load('a.pth', weights_only=True), 'a.safetensors')" in err


def test_photographs_are_turned_for_prediction_too(run: Run, photos: list[str]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 20), dtype=np.uint8))
    picture.save("turned.png", exif=exif)
    picture.transpose(Image.Transpose.ROTATE_270).save("upright.png")
    turned, upright = predicted(run, ["turned.png", "upright.png"]).values()
    assert turned == upright
