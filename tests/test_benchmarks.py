"""The page of the benchmarks is put together section by section."""

from __future__ import annotations

from archc.measure.bench import Row
from archc.measure.race import Race, Times
from benchmarks.run import HEAD, PARTS, put
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
