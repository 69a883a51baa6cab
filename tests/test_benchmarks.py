"""The page of the benchmarks is put together section by section."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from archc.measure.bench import Row
from archc.measure.race import Race, Times, Work
from benchmarks import eager, record
from benchmarks.eager_page import body, rounds_of
from benchmarks.rounds import LEAST_ROUNDS, ROUNDS, Rounds, rounds
from benchmarks.run import HEAD, PAGE, PARTS, put
from benchmarks.twins import QUICK, Compared, line, loses, twins

LOST = Row("forward", 1, Race("cpu", Times((2.0, 2.0, 2.2)), Times((1.9, 1.9, 2.0))))
NOISY = Row("forward", 1, Race("cpu", Times((2.0, 2.0, 1.5)), Times((1.9, 1.9, 2.0))))
WON = Row("train", 16, Race("cpu", Times((1.0, 1.0)), Times((2.0, 2.0))))


def test_a_part_replaces_its_section_only() -> None:
    counting, eager = f"## {PARTS['counting']}\n\nold\n", f"## {PARTS['eager']}\n\nfirst\n"
    page = put(put(HEAD, "counting", counting), "eager", eager)
    assert page == f"{HEAD}\n{eager}\n{counting}", "in the order of the parts"
    assert put(page, "counting", counting.replace("old", "new")) == page.replace("old", "new")


def test_a_row_loses_beyond_noise_only() -> None:
    assert (loses(LOST), loses(NOISY), loses(WON)) == (True, False, False)
    assert "**1.053**" in line(Compared("net", LOST), 1.0)
    assert "| 0.500 |" in line(Compared("net", WON), 0.5)


def test_the_quick_networks_have_twins() -> None:
    assert {twin.spec for twin in twins(True)} == set(QUICK)


def found(*ratios: float, null: tuple[float, ...] = (1.01, 0.98, 1.0)) -> Rounds:
    return Rounds((1.0,), (1.0,), ratios, null)


def test_a_comparison_is_decided_beyond_what_makes_differ_by() -> None:
    assert found(1.0, 1.0, 1.0).noise == pytest.approx(0.015)
    assert found(1.02, 1.03, 1.01).verdict == 1
    assert found(0.98, 0.97, 0.9).verdict == -1
    assert found(1.01, 1.014, 1.011).verdict == 0, "within what the twin differs from itself by"
    assert found(1.02, 1.03, 0.98, 0.97).verdict == 0, "a quarter of the rounds lies below"


def test_rounds_make_both_anew_in_changing_order() -> None:
    made: list[str] = []

    def maker(name: str) -> Callable[[], Work]:
        def make() -> Work:
            made.append(name)
            return lambda: sum(range(2000))

        return make

    result = rounds(maker("ours"), maker("twin"), seconds=0.0, least=3, budget=60.0)
    assert [made[i : i + 3].count("twin") for i in range(0, len(made), 3)] == [2] * ROUNDS
    assert len({tuple(made[i : i + 3]) for i in range(0, len(made), 3)}) == 3, (
        "each place is ours at some time"
    )
    assert {len(values) for values in (result.first, result.second, result.ratios, result.null)} == {ROUNDS}
    assert len(rounds(maker("a"), maker("b"), seconds=0.0, least=1, budget=0.0).ratios) == LEAST_ROUNDS


def once(first: Callable[[], Work], second: Callable[[], Work], **_: float) -> Rounds:
    """Runs each side once instead of racing them."""
    first()()
    second()()
    return found(1.0, 1.0, 1.0)


def test_a_record_grows_row_by_row_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eager, "RECORD", tmp_path / "eager.json")
    monkeypatch.setattr(eager, "rounds", once)
    monkeypatch.setitem(eager.KINDS, ("train", 16), 0.0)
    eager.measure(["lenet5_28"], False, 0.0, again=False)
    assert record.read(eager.RECORD) == {}, "no time, no row"
    eager.measure(["lenet5_28"], False, 60.0, again=False)
    rows = record.read(eager.RECORD)
    assert list(rows) == [f"lenet5_28 {mode} {batch}" for mode, batch in eager.KINDS]
    assert [rounds_of(row) is None for row in rows.values()] == [False, False, False, True]
    eager.measure(["lenet*_28"], False, 60.0, again=False)
    assert record.read(eager.RECORD) == rows
    del rows["lenet5_28 forward 16"]
    rows["lenet5_28 forward 1"]["source"] = "of before"
    record.write(eager.RECORD, rows.values())
    eager.measure(["lenet5_28"], False, 60.0, again=False)
    after = record.read(eager.RECORD)
    assert after["lenet5_28 forward 1"]["source"] == after["lenet5_28 forward 16"]["source"] != "of before"
    assert after["lenet5_28 train 1"] == rows["lenet5_28 train 1"]


def test_the_page_tells_what_lost_failed_or_was_left_out() -> None:
    measured = {
        "first": [0.1] * 3,
        "second": [0.1] * 3,
        "null": [1.0, 1.01, 0.99],
        "made": "a day",
        "pixels": 96,
    }
    rows = [
        {"name": f"{network} forward 1", "network": network, "mode": "forward", "batch": 1, **rest}
        for network, rest in {
            "resnet50": {**measured, "ratios": [0.9, 0.91, 0.92]},
            "slow": {**measured, "ratios": [1.1, 1.12, 1.13]},
            "broken": {"pixels": 96, "made": "a day", "error": "ValueError: no"},
            "huge": {"left_out": True},
        }.items()
    ]
    text = body(rows, expected=9)
    assert "| forward | 1 | 2 | 1.010 | 1 | 0 | 1 | 1.000 | 0.010 |" in text
    assert "| slow | 96 | forward | 1 | 100.00 | 100.00 | **1.120** |" in text.partition("representative")[0]
    assert "| resnet50 | 96 | forward | 1 | 100.00 | 100.00 | 0.910 |" in text.partition("representative")[2]
    assert "Left out, as they cost too much: 1 at forward 1. Of huge all. Not made yet: 5 rows." in text
    assert "Could not be run: broken forward 1: ValueError: no." in text


def test_the_page_is_that_of_the_record() -> None:
    assert eager.page(PAGE.read_text(), record.read(eager.RECORD)) == PAGE.read_text(), (
        "run `python -m benchmarks.eager --page`"
    )
