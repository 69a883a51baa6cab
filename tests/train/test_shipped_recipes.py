"""The papers' recipes train: at reduced size, a few steps each, with everything they ask for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archc.cli.main import main
from archc.ops.regularize import DropPath
from archc.train.faults import DataError
from archc.train.journal import read_journal
from archc.train.prepare import prepare
from archc.train.recipe import load_recipe, recipe_names

SPEC = """\
block unit(x) {
  return add(x, x -> conv(8, 3) -> batch_norm -> gain(init = 0.5) -> drop_path(0.2))
}

arch small(classes: int = 10) {
  input 3 x 16 x 16
  stem  conv(8, 3, 2) -> batch_norm -> relu
  stage 2 x unit
  aux = x -> global_avg_pool -> linear(classes)
  head  global_avg_pool -> dropout(0.1) -> linear(classes)
  output train_only aux = aux
}
"""
PAPERS = [name for name in recipe_names() if name.startswith("imagenet_") or name == "darts_cifar"]
REDUCED = [
    "epochs=2", "data.batch=8", "data.eval_batch=16", "data.size=16", "schedule.warmup=0.5", "run.precision=fp32",
    "run.compile=false", "run.layout=contiguous", "run.log_every=1",
]  # fmt: skip


def pictures(place: Path, classes: int = 4, each: int = 6) -> Path:
    draw = np.random.default_rng(0)
    for part in ("train", "val"):
        for label in range(classes):
            folder = place / part / f"n0000000{label}"
            folder.mkdir(parents=True)
            for number in range(each):
                pixels = draw.integers(0, 60, (30 + number, 40, 3), dtype=np.uint8) + np.uint8(45 * label)
                Image.fromarray(pixels).save(folder / f"{number}.JPEG")
    return place


def options(recipe: str, data: Path, more: tuple[str, ...] = ()) -> list[str]:
    test = ("data.test_size=24",) if load_recipe(recipe).data.test_size else ()
    changes = [x for change in (*REDUCED, *test, *more) for x in ("--set", change)]
    return ["--recipe", recipe, "--data", str(data), "--device", "cpu", *changes]


def test_there_are_the_recipes_of_the_papers() -> None:
    assert PAPERS == [
        "darts_cifar", "imagenet_convnext", "imagenet_nfnet", "imagenet_regnet", "imagenet_resnet_rs",
    ]  # fmt: skip


@pytest.mark.parametrize("recipe", PAPERS)
@pytest.mark.parametrize("stream", ["true", "false"])
def test_a_paper_s_recipe_trains(
    recipe: str,
    stream: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.arch").write_text(SPEC)
    data = pictures(tmp_path / "data")
    more = (f"data.stream={stream}", "data.workers=0")
    arguments = ["train", "small.arch", *options(recipe, data, more), "-o", "r"]
    assert main([*arguments, "--dry-run"]) == 0
    assert not Path("r").exists()
    assert main(arguments) == 0
    lines = [line for line in read_journal(Path("r/log.jsonl")) if "loss" in line]
    assert len(lines) == 6
    result = json.loads(Path("r/result.json").read_text())
    assert result["test_shape"] == [3, 24, 24] if "nfnet" in recipe else [3, 16, 16]
    assert result["held_out_examples"] == 24
    assert result["unreadable"] == 0
    capsys.readouterr()
    assert main(["evaluate", "r", "--device", "cpu", "--format", "json"]) == 0
    name = "ema_accuracy" if "ema_accuracy" in result else "eval_accuracy"
    assert json.loads(capsys.readouterr().out)["accuracy"] == pytest.approx(result[name], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "recipe", "size"),
    [
        ("regnetx_002", "imagenet_regnet", 64), ("resnetrs50", "imagenet_resnet_rs", 64),
        ("nfnet_f0", "imagenet_nfnet", 64), ("convnext_tiny", "imagenet_convnext", 64),
        ("darts_v2_cifar", "darts_cifar", 32),
    ],
)  # fmt: skip
def test_the_networks_of_the_papers_train_by_their_recipes(
    spec: str, recipe: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = pictures(tmp_path / "data")
    more = (f"data.size={size}", "epochs=0.7", *(("data.test_size=96",) if "nfnet" in recipe else ()))
    assert main(["train", spec, *options(recipe, data, more), "-o", "r"]) == 0
    assert len([line for line in read_journal(Path("r/log.jsonl")) if "loss" in line]) == 2


def test_the_papers_rates_are_theirs() -> None:
    rates = {name: load_recipe(name).lr for name in PAPERS}
    assert rates == pytest.approx(
        {
            "imagenet_regnet": 0.8, "imagenet_resnet_rs": 1.6, "imagenet_nfnet": 1.6, "imagenet_convnext": 4e-3,
            "darts_cifar": 0.025,
        }
    )  # fmt: skip


def test_a_recipe_gives_a_network_the_arguments_it_has() -> None:
    recipe = load_recipe("cifar10_strong", ["data.name=synthetic", "data.examples=40"])

    def rates(spec: str, **arguments: float) -> list[float]:
        nodes = prepare(spec, recipe, arguments).graph.nodes
        return [n.op.effective_rate for n in nodes if isinstance(n.op, DropPath)]

    assert rates("cifar_nf_resnet_16") == pytest.approx([0.1 * i / 15 for i in range(15)])
    assert rates("cifar_nf_resnet_16", drop=0.0) == [0] * 15
    assert rates("cifar_resnet9") == []


def test_a_recipe_without_its_data_says_what_to_give() -> None:
    with pytest.raises(DataError, match="--data PATH"):
        prepare("regnetx_002", load_recipe("imagenet_regnet"), {})


def test_another_test_size_needs_a_network_that_takes_it(tmp_path: Path) -> None:
    data = pictures(tmp_path / "data")
    changes = [f"data.path={data}", "data.size=16", "data.test_size=24", "data.batch=8"]
    spec = tmp_path / "flat.arch"
    spec.write_text(
        "arch flat(classes: int = 10) {\n  input 3 x 16 x 16\n  head flatten -> linear(classes)\n}\n"
    )
    with pytest.raises(DataError, match="other weights at"):
        prepare(str(spec), load_recipe("imagenet_regnet", changes), {})
    changes[-2] = "data.test_size=16"
    assert prepare(str(spec), load_recipe("imagenet_regnet", changes), {}).data.test_shape == (3, 16, 16)
