"""The ledger: append-only, one search at a time, and nothing lost when its writers are killed."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from archc.jobs.ledger import Finished, Ledger, LedgerError, shown
from tests.jobs.writer import result
from tests.postgres import server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with server() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return (
        request.getfixturevalue("postgres")
        if request.param == "postgres"
        else str(tmp_path / "ledger.sqlite")
    )


@pytest.fixture
def study(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


def test_what_was_noted_first_stands(url: str, study: str) -> None:
    with Ledger(url, study) as one, Ledger(url, study) as two:
        assert one.ask(0, {"point": {"a": [1]}}) == {"point": {"a": [1]}}
        assert two.ask(0, {"point": {"a": [2]}}) == {"point": {"a": [1]}}
        assert two.finish(0, Finished({"accuracy": 0.5}, 1.5)) == Finished({"accuracy": 0.5}, 1.5)
        assert one.finish(0, Finished({"accuracy": 0.7}, 2.5)) == Finished({"accuracy": 0.5}, 1.5)
        one.fail(1, 1, "lost")
        one.fail(1, 2, "lost again")
        found = two.history()
    assert found.asked == {0: {"point": {"a": [1]}}}
    assert found.finished == {0: Finished({"accuracy": 0.5}, 1.5)}
    assert found.failures == {1: {1: "lost", 2: "lost again"}}


def test_studies_do_not_mix(url: str, study: str) -> None:
    with Ledger(url, f"{study}-a") as one, Ledger(url, f"{study}-b") as two:
        one.ask(0, {"point": 1})
        assert two.history().asked == {}


def test_nothing_can_be_changed_or_removed(url: str, study: str) -> None:
    with Ledger(url, study) as ledger:
        ledger.ask(0, {"point": 1})
        for text in ("UPDATE asked SET payload = '{}'", "DELETE FROM asked"):
            with pytest.raises(LedgerError, match="append-only"), ledger._transaction():
                ledger._execute(text)
        assert ledger.history().asked == {0: {"point": 1}}


def test_another_search_is_told_what_differs(url: str, study: str) -> None:
    with Ledger(url, study) as ledger:
        own = {"strategy": "random", "seed": 0, "recipe": {"epochs": 1, "optim": {"lr": 0.1}}}
        ledger.begin(own)
        ledger.begin(own)
        with pytest.raises(LedgerError, match="seed: 0 then, 1 now"):
            ledger.begin({**own, "seed": 1})
        with pytest.raises(LedgerError) as told:
            ledger.begin({**own, "recipe": {"epochs": 1, "optim": {"lr": 0.2}}})
        assert str(told.value).splitlines()[1:-1] == ["  recipe.optim.lr: 0.1 then, 0.2 now"]


def test_one_search_at_a_time(url: str, study: str) -> None:
    with Ledger(url, study) as one, Ledger(url, study) as two:
        one.lock()
        with pytest.raises(LedgerError, match="another search"):
            two.lock()
    with Ledger(url, study) as three:
        three.lock()


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a database, but long enough to be taken for one " * 20)
    with pytest.raises(LedgerError, match="cannot open"):
        Ledger(str(tmp_path / "file"), "x")
    with pytest.raises(LedgerError, match="cannot open"):
        Ledger(str(tmp_path / "file" / "below"), "x")
    with pytest.raises(LedgerError, match="cannot open the ledger postgresql://me@"):
        Ledger("postgresql://me:secret@127.0.0.1:1/none?connect_timeout=1", "x")


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    with Ledger(str(tmp_path / "ledger.sqlite"), "x") as ledger:
        ledger.ask(0, {"point": 1})
        (pages,) = ledger._rows("PRAGMA page_count")[0]
        ledger._execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(LedgerError, match=r"ledger\.sqlite failed: database or disk is full"):
            ledger.ask(1, {"point": "x" * 100_000})
        assert ledger.history().asked == {0: {"point": 1}}


def test_a_password_is_not_shown() -> None:
    assert shown("postgresql://me:secret@host:5432/studies") == "postgresql://me@host:5432/studies"


def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    def opened(url: Path) -> None:
        with Ledger(str(url), "together"):
            pass

    with ThreadPoolExecutor(8) as pool:
        for number in range(40):
            list(pool.map(opened, [tmp_path / f"{number}.sqlite"] * 8))


def test_the_file_is_in_wal_mode(tmp_path: Path) -> None:
    with Ledger(str(tmp_path / "a.sqlite"), "x"):
        pass
    found = sqlite3.connect(tmp_path / "a.sqlite")
    assert found.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    found.close()


def kill_writers(url: str, place: Path, *, writers: int, kills: int, trials: int) -> None:
    """Lets writers finish trials while they are killed and begun again, and checks what the ledger holds."""
    rng = random.Random(0)

    def begin(share: int) -> subprocess.Popen[bytes]:
        words = [url, str(trials), str(share), str(writers), str(place / f"{share}.txt")]
        return subprocess.Popen([sys.executable, "-m", "tests.jobs.writer", *words], cwd=ROOT)

    running = [begin(share) for share in range(writers)]
    killed = 0
    while killed < kills and any(process.poll() is None for process in running):
        time.sleep(rng.uniform(0.0, 0.06))
        share = rng.randrange(writers)
        if running[share].poll() is None and (place / f"{share}.txt").exists():
            running[share].kill()
            assert running[share].wait(60) == -9
            killed += 1
            running[share] = begin(share)
    assert killed == kills, f"the writers were done after {killed} kills: give them more trials"
    assert [process.wait(300) for process in running] == [0] * writers
    with Ledger(url, "kills") as ledger:
        found = ledger.history()
        rows: list[Any] = ledger._rows("SELECT number FROM finished WHERE study = ?", "kills")
    assert sorted(n for (n,) in rows) == list(range(trials))
    assert {n: f.payload for n, f in found.finished.items()} == {n: result(n) for n in range(trials)}
    told = [int(n) for path in place.glob("*.txt") for n in path.read_text().split()]
    assert len(told) == len(set(told)) and set(told) <= set(found.finished)


def test_killed_writers_lose_nothing(tmp_path: Path) -> None:
    kill_writers(str(tmp_path / "ledger.sqlite"), tmp_path, writers=3, kills=6, trials=1_500)


@pytest.mark.slow
def test_200_kills_of_8_writers(url: str, tmp_path: Path) -> None:
    kill_writers(url, tmp_path, writers=8, kills=200, trials=16_000)
