"""Racing two networks: what is timed, in which order, and what is told when one cannot run."""

from __future__ import annotations

import gc
import time

import pytest
import torch
from torch import Tensor, nn

import archc
from archc.diagnostics import ArchError
from archc.measure.bench import MODES, Row, Setting, Subject, bench, ours, theirs
from archc.measure.deploy import settle
from archc.measure.race import Race, Times, Work, clock_for, quartiles, race
from tests.peers import import_torchvision

SHAPE = (3, 32, 32)
HOW = Setting(seconds=0.01, least=3)


def small() -> Subject:
    return ours(archc.load("squeezenet1_1", input=SHAPE))


def test_pairs_alternate_and_garbage_waits() -> None:
    order: list[str] = []
    collecting = []

    def work(name: str) -> None:
        order.append(name)
        collecting.append(gc.isenabled())

    found = race(lambda: work("a"), lambda: work("b"), seconds=0.0, least=4, warm=1)
    assert order == ["a", "b", "a", "b", "b", "a", "a", "b", "b", "a"]
    assert collecting[:2] == [True, True]
    assert not any(collecting[2:])
    assert gc.isenabled()
    assert found.second
    assert (len(found.first.seconds), len(found.second.seconds)) == (4, 4)


def test_cpu_time_leaves_out_sleep() -> None:
    slept = race(lambda: time.sleep(0.02), clock="cpu", seconds=0, least=2, warm=0)
    assert slept.first.median < 0.01
    assert race(lambda: time.sleep(0.02), clock="wall", seconds=0, least=2, warm=0).first.median >= 0.02
    assert (slept.second, slept.ratio, slept.spread, slept.ratios) == (None, None, None, ())


def test_ratios_are_of_pairs() -> None:
    found = Race("cpu", Times((1.0, 4.0, 9.0)), Times((2.0, 2.0, 3.0)))
    assert found.ratios == (0.5, 2.0, 3.0)
    assert (found.ratio, found.spread) == (2.0, (1.25, 2.5))
    assert found.first.median == 4.0
    assert quartiles((7.0,)) == (7.0, 7.0)


def test_the_clock_fits_the_device() -> None:
    assert [clock_for("cpu", 1), clock_for("cpu", 2), clock_for("cuda", 1)] == ["cpu", "wall", "cuda"]


def test_all_modes_beside_a_peer() -> None:
    import_torchvision()
    before = torch.get_num_threads()
    rows = list(bench([small(), theirs("torchvision:squeezenet1_1")], [SHAPE], MODES, (1, 2), HOW))
    assert [(r.mode, r.batch) for r in rows] == [
        ("forward", 1), ("forward", 2), ("train", 1), ("train", 2), ("build", None), ("meta", None),
    ]  # fmt: skip
    assert not any(r.error for r in rows)
    assert all(r.race and r.race.second and len(r.race.ratios) >= 3 for r in rows)
    one, two = (r.memory for r in rows[2:4])
    assert len(set(one)) == 1, "the same network saves the same bytes for its backward pass"
    assert 1.9 * one[0] < two[0] < 2.1 * one[0]
    assert torch.get_num_threads() == before


class Choosy(nn.Module):
    """Takes no batch but 1, and no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            raise ValueError("one at a time")
        made: Tensor = self.layer(x)
        return made


def test_what_a_network_raises_is_a_row() -> None:
    rows: list[Row] = list(bench([Subject("choosy", Choosy)], [SHAPE], ("forward", "train"), (1, 2), HOW))
    assert [r.error for r in rows] == ["", "choosy: ValueError: one at a time"] * 2


def test_settings_reach_the_run() -> None:
    seen = []

    class Spy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            seen.append((x.dtype, x.is_contiguous(memory_format=torch.channels_last), self.training))
            seen.append((self.layer.weight.dtype, torch.is_inference_mode_enabled()))
            made: Tensor = self.layer(x)
            return made

    how = Setting(dtype="float64", layout="channels_last", seconds=0.0, least=1)
    list(bench([Subject("spy", Spy)], [SHAPE], ("forward",), (2,), how))
    assert seen[-2:] == [(torch.float64, True, False), (torch.float64, True)]


def test_a_peer_that_is_not_there() -> None:
    with pytest.raises(ArchError, match="no_such_package"):
        theirs("no_such_package:net")


def test_a_deployed_module_has_chosen_before_it_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = archc.load("squeezenet1_1", input=SHAPE)
    made = archc.deploy(graph, archc.compile(graph).state_dict())
    seen = []
    real = settle

    def watched(module: nn.Module, work: Work, most: int = 200) -> int:
        seen.append(real(module, work, most))
        return seen[-1]

    monkeypatch.setattr("archc.measure.bench.settle", watched)
    list(bench([Subject("deployed", lambda: made), small()], [SHAPE], ("forward",), (2,), HOW))
    assert 6 < seen[0] < 60
    assert seen[1] == 1
    assert not any(m.packed.choosing for m in made.modules() if getattr(m, "packed", None))
