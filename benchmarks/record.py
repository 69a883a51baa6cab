"""Benchmarks that keep a record and go on from it: their options, and the page that shows the record."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def options(about: str | None, *, quick: bool = False) -> argparse.Namespace:
    """patterns: of the names to try; seconds; again; page. `about` is the help's text; quick: whether there is `--quick`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", default=["*"], metavar="GLOB")
    parser.add_argument(
        "--seconds", type=float, default=540.0, help="stop beginning new ones after this long"
    )
    parser.add_argument("--again", action="store_true", help="also those already in the record")
    parser.add_argument("--page", action="store_true", help="only write the page")
    if quick:
        parser.add_argument("--quick", action="store_true", help="only the representative networks")
    return parser.parse_args()


def asked_for(name: str, patterns: Iterable[str]) -> bool:
    """Whether any of the patterns fits a name."""
    return any(fnmatch(name, pattern) for pattern in patterns)


def read(record: Path) -> dict[str, Row]:
    """The rows of a record, by name."""
    return {row["name"]: row for row in json.loads(record.read_text())} if record.exists() else {}


def write(record: Path, rows: Iterable[Row]) -> None:
    """Writes a record, a row a line."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    record.write_text(f"[\n{lines}\n]\n")


def with_table(page: str, table: str) -> str:
    """The page with its table put in."""
    return re.sub(r"(?s)(?<=<!-- table -->\n).*?(?=<!-- end -->)", lambda _: table, page)
