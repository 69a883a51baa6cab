"""The commands that train and use what was trained: output, files and exit codes."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from archc.cli.main import main
from archc.train.finished import evaluate, open_run
from tests.train.test_data import hub, png
from tests.train.tiny import SPEC

ROOT = Path(__file__).parents[2]
Run = Callable[..., tuple[int, str, str]]
SMALL = ["--recipe", "quickstart", "--set", "epochs=2", "--device", "cpu"]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs one command line in an empty directory holding tiny.arch."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.arch").write_text(SPEC)

    def run_one(*args: str) -> tuple[int, str, str]:
        code = main(list(args))
        out, err = capsys.readouterr()
        return code, out, err

    return run_one


def test_train_evaluate_predict_runs(run: Run, tmp_path: Path) -> None:
    code, out, err = run("train", "tiny.arch", *SMALL)
    assert (code, "accuracy" in out, "runs/tiny-quickstart" in out, "held-out" in err) == (
        0,
        True,
        True,
        True,
    )
    code, out, _ = run("evaluate", "runs/tiny-quickstart", "--device", "cpu", "--format", "json")
    result = json.loads(Path("runs/tiny-quickstart/result.json").read_text())
    assert code == 0
    assert json.loads(out)["accuracy"] == pytest.approx(result["eval_accuracy"], abs=1e-6)
    told: list[tuple[int, int]] = []
    opened = open_run(Path("runs/tiny-quickstart"), torch.device("cpu"), "")
    evaluate(opened, opened.recipe, lambda done, of: told.append((done, of)))
    assert told == sorted(told) and told[-1] == (result["held_out_examples"],) * 2
    Image.fromarray(np.zeros((20, 20), dtype=np.uint8)).save(tmp_path / "a.png")
    code, out, _ = run("predict", "runs/tiny-quickstart", "a.png", "--top", "10", "--format", "json")
    assert code == 0
    best = json.loads(out)["a.png"]
    assert sum(b["probability"] for b in best) == pytest.approx(1, abs=1e-5)
    assert sorted(b["class"] for b in best) == list("0123456789")
    code, out, _ = run("runs", "runs")
    assert code == 0
    assert "tiny-quickstart" in out
    assert f"{result['eval_accuracy']:.2%}" in out


def test_predict_says_what_is_no_image(run: Run, tmp_path: Path) -> None:
    assert run("train", "tiny.arch", *SMALL)[0] == 0
    (tmp_path / "b.png").write_text("no")
    code, out, err = run("predict", "runs/tiny-quickstart", "b.png")
    assert (code, out) == (1, "")
    assert "b.png cannot be read as an image" in err


def test_predict_takes_folders_and_tells_the_images_it_can_read(run: Run, tmp_path: Path) -> None:
    assert run("train", "tiny.arch", *SMALL)[0] == 0
    pictures(tmp_path / "look", 2)
    (tmp_path / "look" / "cat" / "0.png").write_text("no")
    code, out, err = run("predict", "runs/tiny-quickstart", "look", "look/dog/0.png")
    assert (code, "look/cat/0.png cannot be read" in err) == (1, True)
    places = [line.partition(":")[0] for line in out.splitlines()]
    assert places == ["look/cat/1.png", "look/dog/0.png", "look/dog/1.png", "look/dog/0.png"]
    (tmp_path / "none").mkdir()
    code, _, err = run("predict", "runs/tiny-quickstart", "none")
    assert (code, "none holds no images" in err) == (1, True)


def test_an_average_that_was_not_kept_is_not_asked_for(run: Run) -> None:
    assert run("train", "tiny.arch", *SMALL)[0] == 0
    code, _, err = run("evaluate", "runs/tiny-quickstart", "--weights", "ema")
    assert (code, "keeps no average, as ema is 0" in err) == (1, True)


@pytest.mark.parametrize("kind", ["folder", "parquet", "stream"])
def test_evaluate_takes_data_of_every_kind(run: Run, tmp_path: Path, kind: str) -> None:
    pictures(tmp_path / "cats", 8)
    data = tmp_path / "cats"
    if kind == "parquet":
        data = tmp_path / "shards"
        data.mkdir()
        hub(data / "train-00000-of-00001.parquet", [0, 1] * 40, ["cat", "dog"])
        hub(data / "test-00000-of-00001.parquet", [0, 1] * 5, ["cat", "dog"])
    changes = ["--set", "data.batch=8", *(["--set", "data.stream=true"] if kind == "stream" else [])]
    assert run("train", "tiny.arch", *SMALL, "--data", str(data), *changes, "-o", "r")[0] == 0
    code, out, _ = run("evaluate", "r", "--device", "cpu", "--format", "json")
    assert code == 0
    assert set(json.loads(out)["classes"]) == {"cat", "dog"}
    picture = tmp_path / "cats" / "cat" / "0.png"
    code, out, _ = run("predict", "r", str(picture), str(picture.with_name("1.png")), "--top", "5")
    assert code == 0
    assert [line.split(": ")[0] for line in out.splitlines()] == [
        str(picture),
        str(picture.with_name("1.png")),
    ]
    assert out.count("%") == 4  # two classes are all there are
    code, _, err = run("evaluate", "r", "--device", "cpu", "--data", "digits")
    assert (code, "10 classes, the network 2" in err) == (1, True)
    (tmp_path / "cats" / "cat" / "4.png").write_bytes(b"no")  # every fifth is held out
    code, _, err = run("evaluate", "r", "--device", "cpu", "--data", str(tmp_path / "cats"))
    assert (code, "1 of 3" in err, "cat/4.png" in err) == (1, True, True)


def test_evaluate_refuses_classes_in_another_order(run: Run, tmp_path: Path) -> None:
    for name, names in (("a", ["cat", "dog"]), ("b", ["dog", "cat"])):
        (tmp_path / name).mkdir()
        hub(tmp_path / name / "train.parquet", [0, 1] * 40, names)
    assert run("train", "tiny.arch", *SMALL, "--data", "a", "--set", "data.batch=8", "-o", "r")[0] == 0
    code, _, err = run("evaluate", "r", "--device", "cpu", "--data", "b")
    assert (code, "in another order" in err) == (1, True)


def pictures(place: Path, count: int) -> None:
    for label, name in enumerate(("cat", "dog")):
        (place / name).mkdir(parents=True)
        for number in range(count):
            (place / name / f"{number}.png").write_bytes(png(label, 9 + number))


def test_seeds_are_runs_of_their_own_with_their_mean(run: Run) -> None:
    code, out, _ = run("train", "tiny.arch", *SMALL, "--seeds", "0-1,4", "-o", "r")
    assert code == 0
    assert "n = 3" in out
    seeds = [json.loads(p.read_text())["seed"] for p in sorted(Path("r").glob("seed-*/result.json"))]
    assert seeds == [0, 1, 4]


def test_a_dry_run_writes_nothing(run: Run) -> None:
    code, out, err = run("train", "tiny.arch", *SMALL, "--dry-run")
    assert code == 0
    assert "epochs = 2" in out
    assert "1,438 training and 359 held-out" in err
    assert sorted(p.name for p in Path().iterdir()) == ["tiny.arch"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--set", "optim.lrr=1"], 1, "did you mean `lr`"),
        (["--data", "nowhere"], 1, "no data 'nowhere'"),
        (["-p", "classes=3"], 1, "gives 3 numbers, but the data has 10 classes"),
        (["--device", "gpu"], 1, "there is no device 'gpu' here, only cpu"),
        (["--device", "xla"], 1, "there is no device 'xla' here, only cpu"),
        (["--resume", "must"], 1, "no checkpoint"),
        (["--seeds", "x"], 2, "not seeds"),
        (["--set", "data.batch=5000"], 1, "larger than"),
        (["--set", "optim.lr=1e30", "--set", "schedule.warmup=0"], 3, "optim.lr"),
    ],
)
def test_what_goes_wrong_is_said(run: Run, arguments: list[str], code: int, words: str) -> None:
    found, _, err = run("train", "tiny.arch", *SMALL, *arguments)
    assert found == code
    assert words in err


def test_a_torch_with_cuda_trains_on_a_machine_without(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.accelerator.current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    own = [word for word in SMALL if word not in ("--device", "cpu")]
    assert run("train", "tiny.arch", *own)[0] == 0
    assert json.loads(Path("runs/tiny-quickstart/result.json").read_text())["hardware"]["device"] == "cpu"


def test_a_finished_run_and_another_recipe_are_told(run: Run) -> None:
    code, out, err = run("train", "tiny.arch", *SMALL)
    assert (code, "finished before" in out) == (0, False)
    assert "tiny: 1,438 training and 359 held-out examples (every 5th), 10 classes, 1×8×8" in err
    code, out, _ = run("train", "tiny.arch", *SMALL)
    assert (code, out.startswith("finished before: tiny: accuracy")) == (0, True)
    code, _, err = run("train", "tiny.arch", *SMALL, "--set", "optim.lr=.5")
    assert (code, "optim.lr is 0.5 and was 0.05" in err, "-o DIRECTORY" in err) == (1, True, True)


def test_two_processes_do_not_train_in_one_directory(run: Run, tmp_path: Path) -> None:
    holder = (
        "from pathlib import Path; from archc.train.session import alone; import sys\n"
        "with alone(Path('r')): print('held', flush=True); sys.stdin.read()"
    )
    Path("r").mkdir()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", holder], env=environment, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        code, _, err = run("train", "tiny.arch", *SMALL, "-o", "r")
        assert (code, "another process is training in r" in err) == (1, True)
        assert not (tmp_path / "r" / "log.jsonl").exists()
        process.kill()
    assert run("train", "tiny.arch", *SMALL, "-o", "r")[0] == 0


def test_a_full_disk_names_the_file(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("archc.train.storage.os.fsync", full)
    code, _, err = run("train", "tiny.arch", *SMALL, "-o", "r")
    assert code == 1
    assert "cannot read or write r/recipe.toml: No space left on device" in err
    assert "the same command goes on" in err


def test_options_of_other_tools_are_answered(run: Run) -> None:
    for option, guess in (("--lr", "--set optim.lr=…"), ("--output", "-o"), ("--pretrained", "--weights")):
        code, _, err = run("train", "tiny.arch", "--recipe", "quickstart", option, "1")
        assert (code, f"Did you mean '{guess}'?" in err) == (2, True), err
    assert "Did you mean '--set" not in run("count", "tiny.arch", "--lr", "1")[2]
    code, _, err = run("train", "tiny.arch")
    assert (code, "or one of: cifar10_fast, " in err) == (2, True)


def test_without_a_terminal_a_long_run_is_not_silent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archc.cli.progress.SILENCE", 0.0)
    err = run("train", "tiny.arch", *SMALL)[2]
    assert "epoch 0.5 · loss" in err


def test_evaluate_without_a_run_says_so(run: Run) -> None:
    Path("empty").mkdir()
    assert "no finished run" in run("evaluate", "empty")[2]
    assert run("runs", "empty")[0] == 1


def test_a_terminated_process_exits_75_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "tiny.arch").write_text(SPEC)
    command = [sys.executable, "-m", "archc", "train", "tiny.arch", *SMALL, "--set", "epochs=2000", "-o", "r"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "r" / "log.jsonl"
    deadline = time.monotonic() + 240
    while not (log.exists() and log.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 75
    assert "stopped after step" in err
    assert list((tmp_path / "r" / "checkpoints").glob("step-*.json"))


def test_tune_ranks_a_grid_and_does_not_run_it_twice(run: Run) -> None:
    command = ["tune", "tiny.arch", "--recipe", "quickstart", "--epochs", "1", "--device", "cpu", "-o", "t"]
    command += [
        "--grid",
        "optim.lr=.001,.03,1e30",
        "--grid",
        "data.batch=64,256",
        "--set",
        "schedule.warmup=0",
    ]
    code, out, _ = run(*command)
    assert code == 0
    rows = [line.split() for line in out.splitlines()[2:]]
    assert len(rows) == 6
    assert [r[-1] for r in rows if r[0] == "1e30"] == ["diverged"] * 2
    figures = [float(r[-1].rstrip("%")) for r in rows if r[-1] != "diverged"]
    assert figures == sorted(figures, reverse=True)
    start = {p: p.stat().st_mtime_ns for p in Path("t").rglob("result.json")}
    assert len(start) == 4
    again = run(*command)
    assert again[1] == out
    assert {p: p.stat().st_mtime_ns for p in Path("t").rglob("result.json")} == start


def test_a_cell_that_diverges_is_ranked_last_and_not_tried_again(run: Run) -> None:
    command = ["tune", "tiny.arch", "--recipe", "quickstart", "--device", "cpu", "-o", "t"]
    command += ["--set", "schedule.warmup=0", "--grid", "optim.lr=1e30,.05", "--grid", "data.batch=64,128"]
    command += ["--plot", "t.png"]
    code, out, _ = run(*command, "--epochs", "1")
    assert code == 0
    assert [line.split()[2] for line in out.splitlines()[4:6]] == ["diverged", "diverged"]
    assert Path("t.png").read_bytes().startswith(b"\x89PNG")
    told = sorted(Path("t").rglob("diverged.json"))
    times = [p.stat().st_mtime_ns for p in told]
    assert len(told) == 2
    assert run("runs", "t")[1].count("(diverged)") == 2
    code, out, _ = run(*command, "--epochs", "1", "--format", "json")
    assert [cell["accuracy"] for cell in json.loads(out)][2:] == [None, None]
    assert [p.stat().st_mtime_ns for p in told] == times
    code, _, err = run(*command, "--epochs", "2")  # another recipe in the same place
    assert (code, "another recipe" in err) == (1, True)


def test_a_wrong_grid_runs_nothing(run: Run) -> None:
    code, _, err = run(
        "tune", "tiny.arch", "--recipe", "quickstart", "--grid", "optim.lr=.1", "--grid", "data.batch=64,none"
    )
    assert code == 1
    assert "data.batch" in err
    assert not Path("runs").exists()
