"""`archc search` and `archc latency-table`, as a user has them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from archc.cli.main import main
from archc.elaborate import load
from archc.jobs.ledger import Ledger
from archc.search.engine import entries
from tests.search.small import write_space


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_space(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    out, err = capsys.readouterr()
    return code, out, err


def found(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, out, err = run(capsys, *words, "--format", "json")
    assert code == 0, err
    told: dict[str, Any] = json.loads(out)
    return told


CALLABLE = ("--evaluate", "tests.search.small:quick", "--metric", "accuracy")


def test_what_is_found_builds_and_says_where_it_is_from(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "search", "small.arch", *CALLABLE, "--trials", "12", "-o", "out")
    assert code == 0 and "12 evaluated" in out and "trial 0: accuracy 0." in err
    names = {p.name for p in Path("out").iterdir() if not p.name.startswith("ledger")}
    assert names == {
        *(f"best_{i}.{kind}" for i in (1, 2, 3) for kind in ("arch", "json")), "trials.csv", "report.html",
    }  # fmt: skip
    with Path("out/trials.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["state"] == "evaluated"]
    best = max(rows, key=lambda row: float(row["accuracy"]))
    graph = load("out/best_1.arch")
    assert str(graph.cost.macs) == best["macs"] and dict(graph.info)["space"] == "small.arch"
    assert f"Trial {best['trial']} of `archc search" in Path("out/best_1.arch").read_text()
    assert main(["check", "out/best_1.arch"]) == 0
    assert json.loads(best["point"]).keys() == json.loads(Path("out/best_1.json").read_text()).keys()


def test_the_same_command_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("search", "small.arch", *CALLABLE, "-o", "out")
    first = found(capsys, *words, "--trials", "5")
    again = found(capsys, *words, "--trials", "5")
    more = found(capsys, *words, "--trials", "9")
    assert first == again and (first["evaluated"], more["evaluated"]) == (5, 9)
    code, _, err = run(capsys, *words, "--trials", "9", "--seed", "1")
    assert code == 1 and "seed: 0 then, 1 now" in err


def test_workers_give_what_they_give_in_any_order(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ("one", "two"):
        words = ("search", "small.arch", *CALLABLE, "--workers", "3", "--trials", "10", "-o", name)
        assert found(capsys, *words)["evaluated"] == 10
    ledgers = []
    for name in ("one", "two"):
        with Ledger(str(tmp_path / name / "ledger.sqlite"), "search") as ledger:
            ledgers.append(entries(ledger.history()))
    assert ledgers[0] == ledgers[1]


def test_several_objectives_have_a_front(capsys: pytest.CaptureFixture[str]) -> None:
    told = found(
        capsys, "search", "small.arch", "--evaluate", "figures", "--objective", "-macs", "--objective", "activations",
        "--strategy", "nsga2", "--trials", "30", "-o", "out",
    )  # fmt: skip
    pairs = [(b["macs"], b["activations"]) for b in told["best"]]
    assert len(pairs) > 1 and pairs == sorted(pairs) and sorted(a for _, a in pairs) == [a for _, a in pairs]
    with Path("out/front.csv").open() as file:
        assert [(float(r["macs"]), float(r["activations"])) for r in csv.DictReader(file)] == pairs
    assert Path("out/front.png").read_bytes()[:4] == b"\x89PNG"


def test_requirements_hold(capsys: pytest.CaptureFixture[str]) -> None:
    told = found(
        capsys, "search", "small.arch", *CALLABLE, "--require", "macs <= 100K", "--trials", "15", "--strategy", "random"
    )  # fmt: skip
    assert all(b["figures"]["macs"] <= 100_000 for b in told["best"])
    assert told["not proposed"]["macs <= 100K"] > 0


def test_a_table_is_searched(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["code,val,test"] + [f"{a}{b},{a + b},{a * b}" for a in range(5) for b in range(5)]
    Path("table.csv").write_text("\n".join(lines))
    Path("pair.arch").write_text(
        "arch pair(code: list[int] = [pick(0..5) for i in 0..2]) {\n  input 3 x 8 x 8\n"
        "  for c in code { x = x -> conv(8 * (c + 1), 3) }\n  head global_avg_pool -> linear(10)\n}\n"
    )
    words = ("search", "pair.arch", "--table", "table.csv", "--metric", "val", "--report-metric", "test")
    told = found(capsys, *words, "--strategy", "local", "--trials", "25", "-o", "out")
    assert (told["best"][0]["accuracy"], told["best"][0]["test"], told["evaluated"]) == (8, 16, 25)
    code, _, err = run(capsys, "search", "pair.arch", "--table", "table.csv", "--metric", "vall")
    assert code == 1 and "did you mean `val`" in err
    code, _, err = run(capsys, "search", "pair.arch", "--table", "table.csv")
    assert code == 2 and "--table needs --metric" in err


def test_training_is_on_a_validation_split(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("search", "small.arch", "--data", "digits", "--epochs", "1", "--trials", "2", "-o", "out")
    told = found(capsys, *words)
    assert told["evaluated"] == 2 and 0 < told["best"][0]["accuracy"] <= 1
    result = json.loads(Path("out/trials/00000/result.json").read_text())
    assert result["held_out"] == "validation" and result["held_out_examples"] == 288
    assert not list(Path("out/trials").rglob("*.safetensors"))


def test_halving_trains_longer(capsys: pytest.CaptureFixture[str]) -> None:
    told = found(
        capsys, "search", "small.arch", "--data", "digits", "--epochs", "2", "--halving", "halving", "--eta", "2",
        "--strategy", "random", "--trials", "3", "-o", "out",
    )  # fmt: skip
    with Path("out/trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epochs"] for row in rows] == ["1.0", "1.0", "2.0"]
    assert told["best"][0]["trial"] == 2 and rows[2]["why"].endswith("trained longer")


def test_a_latency_table_predicts_and_constrains(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(
        capsys, "latency-table", "small.arch", "--n", "80", "--check", "3", "--runs", "1", "-o", "here.json"
    )
    assert code == 0 and "of 80 networks on cpu" in out, err
    table = json.loads(Path("here.json").read_text())
    assert all(seconds > 0 for seconds in table["ops"].values())
    words = ("search", "small.arch", *CALLABLE, "--latency", "here.json", "--trials", "8")
    told = found(capsys, *words, "--objective", "accuracy * (latency / 0.001) ** -0.07")
    limit = round(max(b["figures"]["latency"] for b in told["best"]), 7)
    held = found(capsys, *words, "--require", f"latency < {limit:.7f}")
    assert held["rejected"] > 0 and all(b["figures"]["latency"] < limit for b in held["best"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--strategy", "evolve"], "no strategy 'evolve': there are random, grid, "),
        (["--strategy", "evolve"], "darts, enas, single-path"),
        (["--strategy", "single_path"], "did you mean `single-path`"),
        (["--option", "sampel=3"], "did you mean `sample`"),
        (["--objective", "acc"], "no metric `acc`"),
        (["--evaluate", "tests.search.small:nothing"], "cannot import tests.search.small:nothing"),
        (["--evaluate", "nothing"], "not package.module:callable"),
        (["--recipe", "quickstrat"], "quickstart"),
        (["--data", "nowhere"], "no data 'nowhere'"),
        (["--halving", "hyperband", "--shortest", "50"], "halving needs"),
        (
            ["--halving", "halving", "--strategy", "nsga2", "--objective", "accuracy", "--objective", "-macs"],
            "halving keeps the best by one objective, and 2 are given",
        ),
        (["--require", "depth > 5"], "met no requirement"),
        (["--evaluate", "zero-cost:synflo"], "did you mean `synflow`"),
        (["--latency", "small.arch"], "small.arch is no table of `archc latency-table`"),
    ],
)  # fmt: skip
def test_mistakes_are_told(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr("archc.search.choices.TRIES", 50)
    code, _, err = run(capsys, "search", "small.arch", "--trials", "1", *words)
    assert code == 1 and message in err


def test_a_search_without_results_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(
        capsys, "search", "small.arch", "--evaluate", "tests.search.small:broken", "--metric", "accuracy",
        "--trials", "2",
    )  # fmt: skip
    assert code == 1 and "no trial came to a result: the evaluator gave accuracy = nan" in err


@pytest.mark.parametrize("name", ["synflow", "naswot", "jacob_cov", "grad_norm"])
def test_a_score_without_training(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("search", "small.arch", "--evaluate", f"zero-cost:{name}", "--data", "digits", "--trials", "3")
    first = found(capsys, *words)
    assert first == {**found(capsys, *words), "seconds": first["seconds"]}
    scores = [b[name] for b in first["best"]]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) > 1


def test_an_interrupted_search_says_how_it_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: object) -> None:
        raise KeyboardInterrupt

    words = ["search", "small.arch", *CALLABLE, "--trials", "2", "-o", "o"]
    with monkeypatch.context() as patch:
        patch.setattr("archc.search.engine.Search.run", interrupted)
        code, _, err = run(capsys, *words)
    assert (code, "the same command goes on from there" in err) == (130, True)
    assert run(capsys, *words)[0] == 0
