"""Runs side by side: what is found, in which order, and what their recipes differ in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archc.cli.main import main
from archc.train.recipe import Recipe, parse_recipe, to_toml
from archc.train.runs import find_runs, html, side_by_side


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two finished runs and one that is not, with other rates and one other batch."""
    for name, accuracy, rate, batch in (("a", 0.5, 0.1, 64), ("deep/b", 0.7, 0.2, 64), ("c", None, 0.1, 32)):
        place = tmp_path / name
        place.mkdir(parents=True)
        recipe: Recipe = parse_recipe({"optim": {"lr": rate}, "data": {"batch": batch}, "seed": batch})
        (place / "recipe.toml").write_text(to_toml(recipe))
        lines = [{"step": 1, "epoch": 0.5, "loss": 2.0, "accuracy": 0.1, "lr": rate}]
        (place / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"cut sh')
        if accuracy:
            result = {
                "network": "net", "params": 1234, "seed": batch, "seconds": 2.0, "images_per_second": 99.0,
                "eval_accuracy": accuracy,
            }  # fmt: skip
            (place / "result.json").write_text(json.dumps(result))
    return tmp_path


def test_runs_stand_side_by_side_with_what_they_differ_in(runs: Path) -> None:
    columns, rows = side_by_side(find_runs(runs))
    assert columns[8:] == ("data.batch", "optim.lr")  # not the seed, which has a column of its own
    assert rows == [
        ("deep/b", "net", "70.00%", "0.5", "1,234", "64", "2 s", "99", "64", "0.2"),
        ("a", "net", "50.00%", "0.5", "1,234", "64", "2 s", "99", "64", "0.1"),
        ("c", "(unfinished)", "", "0.5", "", "32", "", "", "32", "0.1"),
    ]


def test_the_page_holds_the_curves(runs: Path) -> None:
    page = html(find_runs(runs), "title")
    assert "default-src 'none'" in page
    assert '"loss":[[0.5,2.0]]' in page


def test_the_command_writes_table_picture_and_page(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture, page = runs / "r.png", runs / "r.html"
    assert main(["runs", str(runs), "--plot", str(picture), "--html", str(page)]) == 0
    out = capsys.readouterr().out
    assert "data.batch" in out
    assert out.count("wrote ") == 2
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert page.read_text().startswith("<!doctype html>")
