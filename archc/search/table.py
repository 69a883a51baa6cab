"""A table of results, a row for each network of a space: NAS benchmarks, or networks trained before."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from archc.diagnostics import did_you_mean
from archc.search.strategy import SearchError

KEYS = ("code", "hash", "arch", "name")
SAME = ("canon_id", "hash")


@dataclass(frozen=True, slots=True)
class Row:
    """same: equal for networks that are the same function. figures: the numbers of the row."""

    same: str
    figures: Mapping[str, float]


class Table:
    """Rows by the argument that names them: `code = [4, 2, 1, 2, 1, 1]` finds the row whose code is 421211.

    key: the column, and the argument of the space of that name. same: the column equal for networks that are the
    same. Raises SearchError.
    """

    def __init__(self, path: Path, key: str = "", same: str = "") -> None:
        self.path = path
        columns, rows = read(path)
        self.key = key or next((k for k in KEYS if k in columns), "")
        if self.key not in columns:
            hint = did_you_mean(key, columns) or (f"it has {', '.join(columns)}",)
            wanted = f"column {key!r}" if key else f"column of names ({', '.join(KEYS)})"
            raise SearchError(f"{path} has no {wanted}: {hint[0]}")
        self.same = same or next((c for c in SAME if c in columns), self.key)
        if self.same not in columns:
            raise SearchError(f"{path} has no column {same!r}: it has {', '.join(columns)}")
        texts = {self.key, self.same}
        self.columns = tuple(c for c in columns if c not in texts and rows and _is_number(rows[0][c]))
        self.rows: dict[str, Row] = {}
        for row in rows:
            key_text = code(row[self.key])
            if key_text in self.rows:
                raise SearchError(f"{path} has two rows whose {self.key} is {key_text}")
            self.rows[key_text] = Row(str(row[self.same]), {c: float(row[c]) for c in self.columns})

    def row(self, arguments: Mapping[str, Any]) -> Row:
        """The row of a network by the arguments of its space."""
        if self.key not in arguments:
            hint = f"the space has {', '.join(arguments)}"
            raise SearchError(
                f"no parameter `{self.key}` names the rows of {self.path}: {hint}; --key names another"
            )
        wanted = code(arguments[self.key])
        if wanted not in self.rows:
            raise SearchError(f"{self.path} has no row whose {self.key} is {wanted}")
        return self.rows[wanted]

    def need(self, column: str) -> str:
        """The column, if there is one of numbers."""
        if column not in self.columns:
            hint = did_you_mean(column, self.columns) or (f"it has {', '.join(self.columns)}",)
            raise SearchError(f"{self.path} has no numbers in a column {column!r}: {hint[0]}")
        return column


def code(value: Any) -> str:
    """How a table writes an argument: [4, 2, 1] as 421, and as 4 2 1 where a number has two digits."""
    if isinstance(value, list | tuple):
        parts = [code(item) for item in value]
        return ("" if all(len(part) == 1 for part in parts) else " ").join(parts)
    return str(value)


def read(path: Path) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """The columns and rows of a .csv, .csv.gz or .parquet file. Raises SearchError."""
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            found = pq.read_table(path)
            return tuple(found.column_names), found.to_pylist()
        return _read_csv(path)
    except (OSError, ValueError) as error:
        raise SearchError(f"cannot read the table {path}: {error}") from None
    except ModuleNotFoundError as error:
        raise SearchError(f"a parquet table needs {error.name}: pip install 'archc[train]'") from None


def _read_csv(path: Path) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    import gzip

    def rows(lines: Iterable[str]) -> tuple[Sequence[str], list[dict[str, Any]]]:
        reader = csv.DictReader(lines)
        return reader.fieldnames or (), list(reader)

    if path.suffix == ".gz":
        with gzip.open(path, "rt", newline="") as file:
            names, found = rows(file)
    else:
        with path.open(newline="") as file:
            names, found = rows(file)
    return tuple(names), found


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


@lru_cache(maxsize=4)
def table(path: Path, key: str = "", same: str = "") -> Table:
    """A table, read once in a process."""
    return Table(path, key, same)
