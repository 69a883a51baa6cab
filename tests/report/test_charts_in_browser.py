"""The pages of runs and of searches in a real browser: tables, curves, and hostile text that stays text."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from archc.jobs.executor import InProcess
from archc.jobs.ledger import Ledger
from archc.search.engine import Budget, Search
from archc.search.outcome import summary
from archc.search.plan import Plan, prepared
from archc.search.report import report as search_page
from archc.spaces.space import Request
from archc.train.runs import RunLine
from archc.train.runs import html as runs_page
from tests.browser import Open
from tests.report.hostile import PAYLOADS, TAGS
from tests.search.small import write_space


def test_runs_are_tabled_and_drawn_and_their_names_are_inert(open_page: Open) -> None:
    """Every payload as the name, the network and a differing value of two runs, in one page each."""

    def runs(text: str) -> list[RunLine]:
        log = [
            {
                "step": n,
                "epoch": n / 2,
                "loss": 1 / (n + 1),
                "lr": 0.1,
                "eval_accuracy": n / 10,
                "ema_accuracy": n / 9,
            }
            for n in range(5)
        ]
        result = {
            "network": text, "params": 3, "seed": 0, "seconds": 1.0, "images_per_second": 2.0, "eval_accuracy": 0.4,
        }  # fmt: skip
        return [
            RunLine(text, {"optim.name": text}, result, log),
            RunLine("b", {"optim.name": "sgd"}, None, log),
        ]

    plain = Counter(open_page(html=runs_page(runs("a" * 20), "t")).page.evaluate(TAGS))
    assert (plain["TR"], plain["BUTTON"], plain["svg"], plain["circle"]) == (3, 2, 3, 40)
    for payload in PAYLOADS:
        at = open_page(html=runs_page(runs(payload), payload))
        assert Counter(at.page.evaluate(TAGS)) == plain, payload
        assert at.page.evaluate("window.pwned") is None
        cells = at.page.locator("td").all_text_contents()
        assert cells[:3] == [payload, payload, "40.00%"]
        assert payload in cells[8]
    at.page.click("button >> nth=1")
    assert at.page.locator("tr.p1").get_attribute("class") == "p1 c1 off"
    at.page.hover("circle >> nth=2")
    assert "epoch 1   loss 0.333" in str(at.page.text_content("#about"))


def test_a_search_is_shown_and_hostile_text_stays_text(open_page: Open, tmp_path: Path) -> None:
    found = prepared(Plan(
        Request(write_space(tmp_path)), "random", evaluate="figures", objectives=("-macs", "activations"),
        budget=Budget(12),
    ))  # fmt: skip
    with Ledger(":memory:", "test") as ledger:
        ledger.begin(found.identity)
        trials = Search(
            found.request, found.networks, found.strategy, found.evaluator, ledger, InProcess(), found.objectives,
            Budget(12),
        ).run()  # fmt: skip
    told = summary(found, trials, 3)

    def page_of(text: str) -> str:
        said = [replace(t, proposal=replace(t.proposal, why=text), reason=text) for t in trials]
        return search_page(found, said, {**told, text: text}, text, 3)

    plain = Counter(open_page(html=page_of("a" * 20)).page.evaluate(TAGS))
    winners = len(told["best"])
    assert (plain["H3"], plain["PRE"], plain["TR"]) == (winners, winners, len(trials) + 1)
    assert plain["svg"] == 2 + winners and plain["circle"] == 24
    for payload in PAYLOADS:
        at = open_page(html=page_of(payload))
        assert Counter(at.page.evaluate(TAGS)) == plain, payload
        assert at.page.evaluate("window.pwned") is None
        assert payload in at.page.locator("td").all_text_contents()
    at.page.hover("circle >> nth=2")
    assert re.match(r"trial \d+: .*macs", str(at.page.text_content("#about")))
    at.page.focus("th button >> text='macs'")
    at.page.keyboard.press("Enter")
    assert at.page.get_attribute("th:has-text('macs')", "aria-sort") == "descending"
    cells = at.page.locator("tbody tr td:nth-child(3)").all_text_contents()
    assert cells[0] != cells[-1]
