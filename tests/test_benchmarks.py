"""The page of the benchmarks is put together section by section."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from archc.measure.bench import Row
from archc.measure.race import Race, Times, Work
from archc.measure.weights import randomise
from benchmarks import deploy, deploy_page, eager, record
from benchmarks.eager_page import body
from benchmarks.library import Comparison
from benchmarks.library_page import rounds_of
from benchmarks.rounds import LEAST_ROUNDS, ROUNDS, Rounds, rounds
from benchmarks.run import HEAD, PAGE, PARTS, put
from benchmarks.twins import QUICK, Compared, graph_of, line, loses, twins

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


def test_rounds_run_a_third_beside_both() -> None:
    made: list[str] = []

    def maker(name: str) -> Callable[[], Work]:
        return lambda: made.append(name) or (lambda: sum(range(2000)))  # type: ignore[func-returns-value]  # None, so the work

    makers = [maker(name) for name in ("ours", "folded", "eager")]
    result = rounds(*makers, seconds=0.0, least=1, budget=0.0, fewest=2)
    assert sorted(made) == ["eager"] * 2 + ["folded"] * 4 + ["ours"] * 2
    assert len(result.third) == len(result.ratios) == 2


def once(*makers: Callable[[], Work], **_: float) -> Rounds:
    """Runs each side once instead of racing them."""
    for make in makers:
        make()()
    return Rounds(
        (1.0,) * 3, (1.0,) * 3, (1.0,) * 3, (1.01, 0.98, 1.0), (2.0,) * 3 if len(makers) > 2 else ()
    )


@pytest.fixture(params=[eager.EAGER, deploy.DEPLOYED])
def comparison(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Comparison:
    """Each comparison with an empty record; nothing is timed."""
    for module in (eager, deploy):
        monkeypatch.setattr(module, "rounds", once)
    found: Comparison = request.param
    monkeypatch.setattr(found, "record", tmp_path / "record.json")
    return found


def test_a_record_grows_row_by_row_and_goes_on(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "kinds", {**comparison.kinds, ("forward", 16): (0.0, 0.0)})
    twin = next(twin for twin in twins(quick=False) if twin.spec == "lenet5_28")
    names = {f"lenet5_28 {mode} {batch}" for mode, batch in comparison.kinds_of(twin)}
    comparison.measure(["lenet5_28"], False, 0.0, again=False)
    assert record.read(comparison.record) == {}, "no time, no row"
    comparison.measure(["lenet5_28 forward 1"], False, 60.0, again=False)
    assert list(record.read(comparison.record)) == ["lenet5_28 forward 1"], "patterns may name a row"
    comparison.measure(["lenet5_28"], False, 60.0, again=False)
    rows = record.read(comparison.record)
    assert rows.keys() == names
    assert {name for name, row in rows.items() if rounds_of(row) is None} == {"lenet5_28 forward 16"}
    comparison.measure(["lenet*_28"], False, 60.0, again=False)
    assert record.read(comparison.record) == rows
    known = rows["lenet5_28 forward 1"]
    record.write(comparison.record, [{**known, "source": "of before"}])
    comparison.measure(["lenet5_28"], False, 60.0, again=False)
    assert record.read(comparison.record).keys() == names
    assert record.read(comparison.record)["lenet5_28 forward 1"]["source"] == known["source"]


def test_deployed_rows_are_of_the_deployed_the_folded_and_the_eager_network(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {("train", 2): (1e9, 1e9), ("forward", 1): (1e9, 1e9)}
    monkeypatch.setattr(comparison, "kinds", kinds)
    comparison.measure(["nf_regnet_b1"], False, 60.0, again=False)
    rows = record.read(comparison.record)
    assert list(rows) == ["nf_regnet_b1 forward 1", "nf_regnet_b1 train 2"], "from the cheapest on"
    deployed = comparison is deploy.DEPLOYED
    assert [row.get("third") for row in rows.values()] == [[2.0] * 3 if deployed else None] * 2
    assert [row.get("folded") for row in rows.values()] == ["fx + channels_last" if deployed else None, None]


def test_the_page_tells_what_lost_failed_or_was_left_out() -> None:
    measured: record.Row = {
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


def test_the_deployed_page_tells_where_the_rows_lie() -> None:
    times: record.Row = {
        "first": [0.1],
        "second": [0.1],
        "third": [0.2],
        "null": [1.05],
        "made": "a day",
        "pixels": 96,
    }
    rows: list[record.Row] = [
        {"name": f"{network} {mode} {batch}", "network": network, "mode": mode, "batch": batch, **rest}
        for network, mode, batch, rest in [
            ("resnet50", "forward", 1, {**times, "ratios": [0.9], "folded": "fx"}),
            ("resnet18", "forward", 1, {**times, "ratios": [0.94], "folded": "fx"}),
            ("lenet5_28", "forward", 1, {**times, "ratios": [1.1], "folded": "fx"}),
            ("nfnet_f0", "forward", 1, {**times, "third": [0.125], "ratios": [0.5], "folded": "nothing"}),
            ("nfnet_f0", "train", 8, {**times, "ratios": [0.82]}),
            ("nfnet_f6", "forward", 16, {"left_out": True}),
        ]
    ]
    text = deploy_page.body(rows, expected=9)
    assert "| 1 | 4 | 0.826 | 2 | 1 | 1 | 0.562 | 1.050 | 0.050 |" in text
    assert "too much: 1 at forward 16 (nfnet_f6). Not made yet: 3 rows." in text
    assert "| resnet | 0.920 | 1 | 1 | 0 |" in text
    above = text.partition("Of 4 rows 2 are above 0.90, 1 of them by more than ±; of")[2].partition(
        "The repr"
    )[0]
    assert [line.split(" | ")[0] for line in above.splitlines()[4:-1]] == ["| lenet5_28", "| resnet18"]
    assert "| **1.100** | 0.050 | 1 | 0.500 | fx |" in above
    assert "| nfnet_f0 | 96 | 1 | 100.00 | 100.00 | 0.500 | 0.050 | 1 | **0.800** | nothing |" in text
    assert "| nfnet_f0 | 96 | 8 | 100.00 | 100.00 | **0.820** | 0.050 | 1 | 2.000 |" in text


def test_fusion_leaves_no_normalisation_behind_a_convolution() -> None:
    twin = next(twin for twin in twins(quick=False) if twin.spec == "mobilenetv1_025")
    graph = graph_of(twin)
    peer, folded, how = deploy.folded_twin(twin, graph)
    randomise(peer)
    assert how == "fx + channels_last"
    assert not [m for m in folded.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    x = torch.randn(2, *graph.inputs[0].shape)
    fused = deploy.fused(peer)
    with torch.inference_mode():
        torch.testing.assert_close(fused(x), peer(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("module", "made"), [(eager, eager.EAGER), (deploy, deploy.DEPLOYED)])
def test_the_page_is_that_of_the_record(module: ModuleType, made: Comparison) -> None:
    assert module.page(PAGE.read_text(), record.read(made.record)) == PAGE.read_text(), (
        f"run `python -m {module.__name__} --page`"
    )
