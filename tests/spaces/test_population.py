"""Populations trained from the command line: resumed, stopped, and going on past networks that fail."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from archc.cli.main import main
from archc.cli.population import population_networks, trained_rows
from archc.jobs.executor import InProcess
from archc.jobs.population import Network, OtherRecipe, Trained, interleaved, outcome, train
from archc.spaces.files import read_rows
from archc.train.packed import reader
from archc.train.recipe import Data, Recipe, parse_recipe

SPACE = """arch tiny(width: int in 4..=32 step 4, kernel: int in {1, 3}) {
  input 1 x 8 x 8
  stem conv(width, kernel) -> batch_norm -> relu
  head global_avg_pool -> linear(10)
}
"""
QUICK = ("--train", "quickstart", "--set", "epochs=6", "--set", "run.layout=contiguous", "--device", "cpu")
RECIPE = parse_recipe({"epochs": 0.2, "run": {"layout": "contiguous"}})


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("tiny.arch").write_text(SPACE)
    return tmp_path


def sampled(*words: str, n: int = 3) -> int:
    return main(["sample", "tiny.arch", "--n", str(n), "-o", "pop", *words])


def networks(recipe: Recipe = RECIPE, n: int = 3) -> list[Network]:
    assert sampled(n=n) == 0
    return population_networks(Path("pop"), read_rows(Path("pop")), recipe, "cpu")


def test_a_population_is_trained_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert sampled(*QUICK) == 0
    rows = read_rows(Path("pop"))
    assert [r["status"] for r in rows] == ["trained"] * 3
    assert min(r["error"] for r in rows) < 80
    assert all(0 <= r["error"] < 100 and r["seconds"] > 0 and r["failure"] == "" for r in rows)
    assert read_rows(Path("pop/population.parquet"))[0]["error"] == rows[0]["error"]
    written = {p: p.stat().st_mtime_ns for p in Path("pop/runs").rglob("result.json")}
    assert len(written) == 3 and not list(Path("pop/runs").rglob("checkpoints"))
    assert sampled(*QUICK, n=4) == 0  # one more: the others are as they were
    assert read_rows(Path("pop"))[:3] == rows
    assert written.items() < {p: p.stat().st_mtime_ns for p in Path("pop/runs").rglob("result.json")}.items()
    capsys.readouterr()
    assert main(["edf", "pop"]) == 0 and main(["space-report", "pop"]) == 0
    assert capsys.readouterr().out.splitlines()[2].split()[:2] == ["pop", "4"]


def test_another_recipe_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert sampled(*QUICK, n=1) == 0
    assert sampled(*QUICK, "--set", "optim.lr=.03", n=1) == 1
    assert "was trained by another recipe: optim.lr differ" in capsys.readouterr().err


def test_a_network_that_diverges_or_fails_stops_no_other() -> None:
    (first, second, third) = networks()
    wild = parse_recipe(
        {"epochs": 1, "optim": {"lr": 1e30, "nesterov": False}, "run": {"layout": "contiguous"}}
    )
    broken = Network(second.name, "nowhere.arch", second.directory, RECIPE, second.cache, "cpu")
    diverging = Network(first.name, first.spec, first.directory, wild, first.cache, "cpu")
    told: list[Trained] = []
    assert train([diverging, broken, third], InProcess(), watch=lambda _, t: told.append(t)) == "finished"
    assert [t.status for t in told] == ["diverged", "failed", "trained"]
    assert told[0].error == 100 and "the loss" in told[0].message
    assert told[1].error is None and told[1].message.startswith("ArchError")
    # what diverged stays so; what failed is tried again
    again: list[str] = []
    train([diverging, second, third], InProcess(), watch=lambda network, _: again.append(network.name))
    assert again == [second.name] and outcome(second).status == "trained"


def test_a_stopped_population_goes_on_where_it_was() -> None:
    long = parse_recipe({"epochs": 150, "run": {"layout": "contiguous"}})
    few = networks(long, 2)
    assert train(few, InProcess(), until=time.time() + 2) == "out of time"
    assert [outcome(n).status for n in few] == ["waiting", "waiting"]
    steps = [int(p.stem.split("-")[1]) for p in Path(few[0].directory, "checkpoints").glob("step-*.json")]
    assert steps and 0 < max(steps) < 150 * 22
    assert not Path(few[1].directory).exists()
    assert [r["status"] for r in trained_rows([{}, {}], few)] == ["waiting", "waiting"]
    assert train(few[:1], InProcess(), until=time.time() + 300) == "finished"
    assert json.loads(Path(few[0].directory, "result.json").read_text())["resumed_at"] == max(steps)


def test_finished_networks_are_refused_to_another_recipe() -> None:
    (one,) = networks(n=1)
    train([one], InProcess())
    with pytest.raises(OtherRecipe, match="epochs differ"):
        outcome(
            Network(one.name, one.spec, one.directory, RECIPE.model_copy(update={"epochs": 3}), one.cache)
        )


def test_several_populations_advance_together() -> None:
    def named(letter: str, n: int) -> list[Network]:
        return [Network(f"{letter}{i}", "", "", RECIPE, "") for i in range(n)]

    order = interleaved([named("a", 3), named("b", 1)])
    assert [n.name for n in order] == ["a0", "b0", "a1", "a2"]


def test_packed_data_are_the_data(tmp_path: Path) -> None:
    from archc.train.loading import load_dataset

    data, shape = Data(validation=100), (1, 8, 8)
    plain, packed = load_dataset(data, shape), reader(tmp_path / "cache")(data, shape, 0)
    for a, b in ((plain.train, packed.train), (plain.test, packed.test)):
        assert a.images.equal(b.images) and a.labels.equal(b.labels)
    assert (plain.classes, plain.held_out, plain.statistics()) == (
        packed.classes, packed.held_out, packed.statistics()
    )  # fmt: skip
    stamps: dict[Any, int] = {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").rglob("*.npy")}
    reader(tmp_path / "cache")(data, shape, 0)
    assert stamps == {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").rglob("*.npy")}
    reader(tmp_path / "cache")(data, (3, 8, 8), 0)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_training_needs_a_directory(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", "tiny.arch", *QUICK]) == 2
    assert "give one with -o" in capsys.readouterr().err
    assert main(["sample", "tiny.arch", "--data", "digits"]) == 2


@pytest.mark.slow
def test_a_signal_saves_what_several_processes_train() -> None:
    """SIGTERM to the command alone: its workers save, it exits with 75, none is left, and the same command goes on."""
    words = ["sample", "tiny.arch", "--n", "3", "-o", "pop", *QUICK, "--set", "epochs=2000", "--jobs", "2"]
    process = subprocess.Popen([sys.executable, "-m", "archc", *words], stderr=subprocess.PIPE, text=True)
    logs: list[Path] = []
    while len([log for log in logs if log.stat().st_size]) < 2:
        time.sleep(0.5)
        assert process.poll() is None
        logs = list(Path("pop/runs").glob("*/log.jsonl"))
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 75 and "the same command goes on" in err
    saved = list(Path("pop/runs").glob("*/checkpoints/step-*.json"))
    assert len({path.parent for path in saved}) == 2
    assert [r["status"] for r in read_rows(Path("pop"))] == ["waiting"] * 3
    steps = {path.parent: path.stem for path in saved}
    for budget in (
        "30",
        "120",
        "480",
    ):  # on a busy machine the workers may not have begun when the first is over
        assert main([*words, "--budget", budget]) == 0
        later = {p.parent: p.stem for p in sorted(Path("pop/runs").glob("*/checkpoints/step-*.json"))}
        if all(later[place] > step for place, step in steps.items()):
            break
    assert all(later[place] > step for place, step in steps.items())
