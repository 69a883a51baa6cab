"""Benchmarks that keep a record and go on from it: their options, and the page that shows the record."""

from __future__ import annotations

import argparse
import re


def options(about: str | None) -> argparse.Namespace:
    """pattern: of the names to try; seconds; again; page. `about` is the help's text."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pattern", nargs="?", default="*")
    parser.add_argument(
        "--seconds", type=float, default=540.0, help="stop beginning new ones after this long"
    )
    parser.add_argument("--again", action="store_true", help="also those already in the record")
    parser.add_argument("--page", action="store_true", help="only write the page")
    return parser.parse_args()


def with_table(page: str, table: str) -> str:
    """The page with its table put in."""
    return re.sub(r"(?s)(?<=<!-- table -->\n).*?(?=<!-- end -->)", lambda _: table, page)
