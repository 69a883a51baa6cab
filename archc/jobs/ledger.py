"""The ledger of a study: what was asked, what came of it, append-only, in SQLite or PostgreSQL.

Every number is asked once and finished once. Any number of processes may write: the first to finish a trial is
believed, and a later one is told what stands. Nothing is ever changed or removed; the databases refuse it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

WAIT = 60.0
"""Seconds a writer waits for others."""

TABLES = (
    "CREATE TABLE IF NOT EXISTS studies (study TEXT PRIMARY KEY, identity TEXT NOT NULL, at {real} NOT NULL)",
    "CREATE TABLE IF NOT EXISTS asked (study TEXT NOT NULL, number INTEGER NOT NULL, payload TEXT NOT NULL,"
    " at {real} NOT NULL, PRIMARY KEY (study, number))",
    "CREATE TABLE IF NOT EXISTS finished (study TEXT NOT NULL, number INTEGER NOT NULL, payload TEXT NOT NULL,"
    " seconds {real} NOT NULL, at {real} NOT NULL, PRIMARY KEY (study, number))",
    "CREATE TABLE IF NOT EXISTS failures (study TEXT NOT NULL, number INTEGER NOT NULL, attempt INTEGER NOT NULL,"
    " error TEXT NOT NULL, at {real} NOT NULL, PRIMARY KEY (study, number, attempt))",
)
NAMES = ("studies", "asked", "finished", "failures")
POSTGRES_GUARD = """CREATE OR REPLACE FUNCTION archc_append_only() RETURNS trigger AS $$
BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$ LANGUAGE plpgsql"""


class LedgerError(Exception):
    """The ledger cannot be used as asked; the message says why and what to do."""


@dataclass(frozen=True)
class Finished:
    """The end of a trial. payload: what came of it. seconds: it took, on its worker."""

    payload: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class History:
    """All of a study, by trial number. failures: messages by attempt."""

    asked: dict[int, dict[str, Any]] = field(default_factory=dict)
    finished: dict[int, Finished] = field(default_factory=dict)
    failures: dict[int, dict[int, str]] = field(default_factory=dict)


class Ledger:
    """One study in a database: a file, `:memory:`, or `postgresql://…`. A context; raises LedgerError."""

    def __init__(self, url: str, study: str) -> None:
        self.url, self.study = url, study
        self.postgres = is_postgres(url)
        self._lock: Any = None
        self._connection: Any = _postgres(url) if self.postgres else _sqlite(url)

    # ------------------------------------------------------------ writing

    def begin(self, identity: dict[str, Any]) -> None:
        """Opens the study, or makes it; raises LedgerError where it is of another search, naming what differs."""
        with self._transaction():
            self._insert("studies", ("study", "identity", "at"), (self.study, _json(identity), time.time()))
            (stored,) = self._rows("SELECT identity FROM studies WHERE study = ?", self.study)[0]
        before = json.loads(stored)
        now = json.loads(_json(identity))
        if before != now:
            from archc.train.recipe import leaves

            old, new = leaves(before), leaves(now)
            differing = [
                f"{key}: {old.get(key)!r} then, {new.get(key)!r} now"
                for key in {**old, **new}
                if old.get(key) != new.get(key)
            ]
            raise LedgerError(
                f"the study {self.study!r} in {shown(self.url)} is of another search:\n  "
                + "\n  ".join(differing)
                + "\ngive the options it was begun with, or another directory"
            )

    def ask(self, number: int, payload: dict[str, Any]) -> dict[str, Any]:
        """Notes what is asked under a number; returns what the ledger holds, which may be what was asked before."""
        with self._transaction():
            self._insert(
                "asked",
                ("study", "number", "payload", "at"),
                (self.study, number, _json(payload), time.time()),
            )
            (stored,) = self._rows(
                "SELECT payload FROM asked WHERE study = ? AND number = ?", self.study, number
            )[0]
        found: dict[str, Any] = json.loads(stored)
        return found

    def finish(self, number: int, finished: Finished) -> Finished:
        """Notes what came of a trial; returns what the ledger holds, the first that was noted."""
        with self._transaction():
            self._insert(
                "finished",
                ("study", "number", "payload", "seconds", "at"),
                (self.study, number, _json(finished.payload), finished.seconds, time.time()),
            )
            (row,) = self._rows(
                "SELECT payload, seconds FROM finished WHERE study = ? AND number = ?", self.study, number
            )
        return Finished(json.loads(row[0]), row[1])

    def fail(self, number: int, attempt: int, error: str) -> None:
        """Notes that an attempt at a trial came to nothing."""
        with self._transaction():
            self._insert(
                "failures",
                ("study", "number", "attempt", "error", "at"),
                (self.study, number, attempt, error, time.time()),
            )

    # ------------------------------------------------------------ reading

    def history(self) -> History:
        """All there is of the study."""
        with self._transaction():
            asked = self._rows(
                "SELECT number, payload FROM asked WHERE study = ? ORDER BY number", self.study
            )
            done = self._rows(
                "SELECT number, payload, seconds FROM finished WHERE study = ? ORDER BY number", self.study
            )
            failed = self._rows("SELECT number, attempt, error FROM failures WHERE study = ?", self.study)
        found = History(
            {n: json.loads(p) for n, p in asked}, {n: Finished(json.loads(p), s) for n, p, s in done}
        )
        for number, attempt, error in failed:
            found.failures.setdefault(number, {})[attempt] = error
        return found

    # ------------------------------------------------------------ one search at a time

    def lock(self) -> None:
        """Keeps other searches from this study until it is closed; raises LedgerError where one is at it."""
        if self.postgres:
            with self._transaction():
                (taken,) = self._rows("SELECT pg_try_advisory_lock(hashtext(?))", f"archc:{self.study}")[0]
        elif self.url == ":memory:":
            return
        else:
            self._lock, taken = _locked(Path(f"{self.url}.lock"))
        if not taken:
            raise LedgerError(f"another search is at work on the study {self.study!r} in {shown(self.url)}")

    def close(self) -> None:
        self._connection.close()
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------ what differs between databases

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of what is done within, or none; raises LedgerError for what the database refuses."""
        try:
            if not self.postgres:
                self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.commit()
        except self._connection.Error as error:
            raise LedgerError(f"the ledger {shown(self.url)} failed: {error}") from None

    def _insert(self, table: str, columns: tuple[str, ...], values: tuple[Any, ...]) -> None:
        marks = ", ".join("?" * len(columns))
        self._execute(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING", *values
        )

    def _rows(self, text: str, *values: Any) -> list[Any]:
        return list(self._execute(text, *values).fetchall())

    def _execute(self, text: str, *values: Any) -> Any:
        return self._connection.execute(text.replace("?", "%s") if self.postgres else text, values)


def is_postgres(url: str) -> bool:
    """Whether a ledger's URL is PostgreSQL's."""
    return url.startswith(("postgresql://", "postgres://"))


def shown(url: str) -> str:
    """The URL without its password."""
    if not is_postgres(url):
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{host}" if parts.username else host))


def _sqlite(url: str) -> Any:
    import sqlite3

    try:
        if url != ":memory:":
            Path(url).parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(url, timeout=WAIT, isolation_level=None)
        _to_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")  # a finished trial outlives a loss of power
        connection.execute("BEGIN IMMEDIATE")
        for table in TABLES:
            connection.execute(table.format(real="REAL"))
        for name in NAMES:
            for change in ("UPDATE", "DELETE"):
                connection.execute(
                    f"CREATE TRIGGER IF NOT EXISTS {name}_{change.lower()} BEFORE {change} ON {name}"
                    " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
                )
        connection.commit()
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(f"cannot open the ledger {url}: {error}") from None
    return connection


def _to_wal(connection: Any) -> None:
    """Asks until others that open a new file at the same time have done so: SQLite refuses this at once, not after WAIT."""
    import sqlite3

    last = time.monotonic() + WAIT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > last:
                raise
        time.sleep(0.005)


def _postgres(url: str) -> Any:
    try:
        import psycopg
    except ImportError:
        raise LedgerError("a ledger in PostgreSQL needs psycopg: pip install 'archc[postgres]'") from None
    try:
        connection = psycopg.connect(url, connect_timeout=int(WAIT))
        # one at a time, as two who make the same table at once collide
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('archc:tables'))")
        for table in TABLES:
            connection.execute(table.format(real="DOUBLE PRECISION"))
        connection.execute(POSTGRES_GUARD)
        for name in NAMES:
            connection.execute(
                f"CREATE OR REPLACE TRIGGER {name}_fixed BEFORE UPDATE OR DELETE ON {name}"
                " FOR EACH ROW EXECUTE FUNCTION archc_append_only()"
            )
        connection.commit()
    except psycopg.Error as error:
        raise LedgerError(f"cannot open the ledger {shown(url)}: {error}") from None
    return connection


def _locked(path: Path) -> tuple[Any, bool]:
    """A file locked for as long as it is open, and whether it could be."""
    import fcntl

    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None, False
    return file, True


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)
