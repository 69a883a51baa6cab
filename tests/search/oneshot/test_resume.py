"""A one-shot search stopped anywhere and begun again ends as one that was left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from archc.cli.main import main
from archc.search.choices import Choices
from archc.search.oneshot import course as course_module
from archc.search.oneshot import single_path
from archc.search.oneshot.course import Course
from archc.search.oneshot.derive import derive
from archc.search.oneshot.outcome import OneShotResult
from archc.search.strategy import SearchError
from archc.spaces.points import graph_of
from archc.spaces.space import Request, Space
from tests.search.oneshot.searching import SETTINGS, plain_feed, plain_history, searched
from tests.search.oneshot.tiny import tiny_net, tiny_space


class Stopped(Exception):
    """In the place of a kill."""


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(course_module, "SAVE_EVERY", 0.0)  # after every step


def stopped(
    folder: Path, name: str, directory: Path, stop: int = 0
) -> tuple[OneShotResult, list[torch.Tensor]]:
    """What a search ends in, and the weights then. stop: the batch of weights in whose place it stops, by count."""
    feed, taken = plain_feed(), 0
    plain = feed.weights

    def counted(step: int) -> Any:
        nonlocal taken
        taken += 1
        if taken == stop:
            raise Stopped
        return plain(step)

    feed.weights = counted  # type: ignore[method-assign]  # a stop between two steps
    return searched(folder, name, directory, feed)


@pytest.mark.parametrize("name", SETTINGS)
def test_it_goes_on_as_if_never_stopped(tmp_path: Path, name: str) -> None:
    whole, weights = searched(tmp_path, name, tmp_path / "whole")
    for stop in (1, 2, 5, 7):  # each from where the last one came to
        with pytest.raises(Stopped):
            stopped(tmp_path, name, tmp_path / "stopped", stop)
    again, same = searched(tmp_path, name, tmp_path / "stopped")
    assert again.point == whole.point and again.steps == whole.steps
    assert plain_history(again) == plain_history(whole) and again.shares == whole.shares
    assert all(torch.equal(a, b) for a, b in zip(weights, same, strict=True))


def test_an_evolution_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, note, asked = single_path.accuracy_of, Course.note, 0

    def counted(*given: Any) -> float:
        nonlocal asked
        asked += 1
        return plain(*given)

    def stopping(course: Course, **line: Any) -> None:
        if line.get("trial") == 100:
            raise Stopped
        note(course, **line)

    monkeypatch.setattr(single_path, "accuracy_of", counted)
    whole, _ = searched(tmp_path, "single-path", tmp_path / "whole")
    all_of_it = asked
    monkeypatch.setattr(Course, "note", stopping)
    with pytest.raises(Stopped):
        searched(tmp_path, "single-path", tmp_path / "stopped")
    monkeypatch.setattr(Course, "note", note)
    asked = 0
    again, _ = searched(tmp_path, "single-path", tmp_path / "stopped")
    assert again.point == whole.point and plain_history(again) == plain_history(whole)
    assert 0 < asked < all_of_it / 2  # what was known by trial 50 is not evaluated anew


def test_the_command_goes_on_and_refuses_another_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_space(tmp_path)
    words = ["search", "tiny.arch", "--strategy", "darts", "--option", "supernet_epochs=1", "--epochs", "1"]
    words += ["--device", "cpu", "-o", "out"]
    assert main(words) == 0
    first, result = Path("out/best_1.arch").read_text(), json.loads(Path("out/run/result.json").read_text())
    assert [p.suffix for p in sorted(Path("out/search").iterdir())] == [".json", ".safetensors"]
    assert next(Path("out/search").glob("*.safetensors")).stat().st_size < 100
    Path("out/best_1.arch").unlink()
    assert main(words) == 0
    assert Path("out/best_1.arch").read_text() == first
    assert json.loads(Path("out/run/result.json").read_text())["eval_accuracy"] == result["eval_accuracy"]
    capsys.readouterr()
    assert main([*words, "--option", "lr=0.1"]) == 1
    assert "holds another search, which differs in its options: take another -o" in capsys.readouterr().err


def test_what_is_derived_meets_the_requirements(tmp_path: Path) -> None:
    net, space = tiny_net(tmp_path, 3), tiny_space(tmp_path)
    free = derive(net)
    sizes = sorted({graph_of(space, p).cost.params for p in _all_points(space)})
    assert graph_of(space, free).cost.params > sizes[1]
    bound = Choices(Space(Request("tiny.arch", requires=(f"params <= {sizes[1]}",))))
    held = derive(net, bound.meets)
    assert graph_of(space, held).cost.params <= sizes[1] and held != free
    with pytest.raises(SearchError, match="likeliest networks meets"):
        derive(net, Choices(Space(Request("tiny.arch", requires=("params <= 1",)))).meets)


def _all_points(space: Space) -> list[dict[str, Any]]:
    from archc.elaborate.choosers import Stream

    return [Choices(space).random(Stream(b"%d" % i)).point for i in range(200)]
