"""A run killed anywhere and resumed ends with the same bits as one that was not; what breaks that is caught."""

from __future__ import annotations

import multiprocessing
import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from safetensors.torch import load_file

from archc.train import checkpoint
from tests.train.crash_child import CRASHED, SABOTEURS, train

SEED = 20260
IN_TEST, IN_ALL = 20, 200

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.train.crash_child"])


def child(place: Path, crash_at: int = 0, saboteur: str = "") -> int | None:
    """Exit code of a training in a process of its own."""
    process = context.Process(target=train, args=(str(place), crash_at, saboteur))
    process.start()
    process.join(300)
    return process.exitcode


@dataclass(frozen=True)
class Outcome:
    """Everything a run leaves: tensors of its last checkpoint as bytes, its log, its weights."""

    tensors: dict[str, bytes]
    log: bytes
    weights: dict[str, bytes]


def outcome(place: Path) -> Outcome:
    last, problems = checkpoint.newest(place / "checkpoints")
    assert last is not None
    assert problems == []
    weights = {k: v.numpy().tobytes() for k, v in load_file(place / "ema.safetensors").items()}
    tensors = {k: v.numpy().tobytes() for k, v in last.tensors.items()}
    return Outcome(tensors, (place / "log.jsonl").read_bytes(), weights)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, int]:
    """An undisturbed run, and how many milestones it passes."""
    place = tmp_path_factory.mktemp("whole")
    assert child(place) == 0
    return outcome(place), int((place / "milestones").read_text())


def survives(place: Path, crash_at: int, expected: Outcome, saboteur: str = "") -> bool:
    """Whether a run killed at a milestone leaves whole checkpoints only, and ends as it would have."""
    code = child(place, crash_at, saboteur)
    assert code == CRASHED or (saboteur and code == 0)  # a saboteur may pass fewer milestones
    _, problems = checkpoint.newest(place / "checkpoints")
    if problems or child(place, 0, saboteur) != 0:
        return False
    return outcome(place) == expected


def points(count: int, milestones: int) -> list[int]:
    return random.Random(SEED).sample(range(1, milestones + 1), min(count, milestones))


def test_the_run_has_what_can_be_lost(whole: tuple[Outcome, int]) -> None:
    found, milestones = whole
    assert milestones > IN_TEST
    for prefix in ("model.", "optim.", "ema.", "rng.cpu.", "meter"):
        assert any(name.startswith(prefix) for name in found.tensors), prefix
    assert found.log.count(b"\n") >= 7


def test_a_killed_run_resumes_to_the_same_bits(whole: tuple[Outcome, int], tmp_path: Path) -> None:
    expected, milestones = whole
    lost = [at for at in points(IN_TEST, milestones) if not survives(tmp_path / str(at), at, expected)]
    assert lost == []


@pytest.mark.slow
def test_a_run_killed_at_200_places_resumes_to_the_same_bits(
    whole: tuple[Outcome, int], tmp_path: Path
) -> None:
    expected, milestones = whole
    chosen = points(IN_ALL, milestones)
    lost = [at for at in chosen if not survives(tmp_path / str(at), at, expected)]
    assert lost == []


@pytest.mark.parametrize("saboteur", SABOTEURS)
def test_a_saboteur_is_caught(whole: tuple[Outcome, int], tmp_path: Path, saboteur: str) -> None:
    expected, milestones = whole
    chosen = points(2 * IN_TEST, milestones)
    assert any(not survives(tmp_path / str(at), at, expected, saboteur) for at in chosen)
