"""EDFs and their bands against drawing them; where the best value lies; the report page."""

from __future__ import annotations

import hashlib
import math
import random
import re
from base64 import b64decode

import pytest

from archc.spaces.edf import best_range, binomial_interval, edf, errors_of
from archc.spaces.report import page, study


def test_the_edf_is_the_share_below() -> None:
    found = edf("some", [3.0, 1.0, 2.0, 4.0])
    assert found.errors == (1.0, 2.0, 3.0, 4.0)
    assert found.shares == (0.25, 0.5, 0.75, 1.0)
    assert [found.below(e) for e in (1.0, 2.5, 9.0)] == [0.0, 0.5, 1.0]
    assert (found.median, found.mean) == (2.0, 2.5)


def test_no_errors_are_no_edf() -> None:
    with pytest.raises(ValueError, match="some: no network has an error"):
        edf("some", [])


def test_bands_are_those_of_resampling() -> None:
    rng = random.Random(0)
    errors = [rng.gauss(40, 5) for _ in range(60)]
    found = edf("some", errors)
    resamples = [sorted(rng.choices(errors, k=60)) for _ in range(4_000)]
    for i in (5, 20, 45):
        shares = sorted(sum(e <= found.errors[i] for e in sample) / 60 for sample in resamples)
        assert abs(shares[100] - found.low[i]) <= 1 / 60
        assert abs(shares[3_899] - found.high[i]) <= 1 / 60


@pytest.mark.parametrize(("n", "share"), [(1, 0.5), (10, 0.1), (200, 0.37), (500, 0.998), (7, 1.0)])
def test_binomial_intervals(n: int, share: float) -> None:
    low, high = binomial_interval(n, share)

    def up_to(k: int) -> float:
        return math.fsum(math.comb(n, j) * share**j * (1 - share) ** (n - j) for j in range(k + 1))

    assert up_to(low) >= 0.025 - 1e-9 and (low == 0 or up_to(low - 1) < 0.025 + 1e-9)
    assert up_to(high) >= 0.975 - 1e-9 and (high == 0 or up_to(high - 1) < 0.975 + 1e-9)


def test_best_ranges_are_those_of_resampling() -> None:
    rng = random.Random(0)
    values = [rng.uniform(0, 10) for _ in range(80)]
    errors = [(v - 6) ** 2 + rng.gauss(0, 2) for v in values]
    found = best_range(values, errors)
    bests = []
    for _ in range(10_000):
        drawn = rng.choices(range(80), k=20)
        bests.append(values[min(drawn, key=errors.__getitem__)])
    bests.sort()
    assert found.low <= found.median <= found.high
    assert abs(found.median - bests[5_000]) < 0.3
    assert abs(found.low - bests[250]) < 0.5 and abs(found.high - bests[9_750]) < 0.5


def test_rows_without_an_error_are_left_out() -> None:
    rows = [{"error": 1.5}, {"error": ""}, {"error": 2}, {}]
    assert [error for _, error in errors_of(rows, "error")] == [1.5, 2.0]


ROWS = [
    {
        "name": f"net_{i}",
        "draw": i,
        "params": 10 * i,
        "macs": 100 * i,
        "activations": i,
        "d": i % 5,
        "error": 40.0 - i,
    }
    for i in range(1, 21)
]


def test_a_study_asks_about_parameters_only() -> None:
    found = study("some", ROWS, "error")
    assert set(found.parameters) == {"d"}
    assert found.edf is not None and len(found.edf.errors) == 20
    assert study("untrained", ROWS, "top5").edf is None


def test_the_page_is_inert_and_runs_its_own_script_only() -> None:
    hostile = [{**ROWS[0], "name": "</script><script>alert(1)</script>"}]
    text = page([study("<img src=x onerror=alert(1)>", hostile, "error")], "error")
    assert "<img" not in text and text.count("</script>") == 2
    policy = re.search(r'content="(default-src[^"]*)"', text)
    assert policy is not None and "default-src 'none'" in policy[1]
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = re.search(r"script-src 'sha256-([^']*)'", policy[1])
    assert script is not None and digest is not None
    assert b64decode(digest[1]) == hashlib.sha256(script[1].encode()).digest()
