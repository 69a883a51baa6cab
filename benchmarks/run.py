"""Run the standing comparisons and write their tables to docs/performance.md: `make bench`.

    python -m benchmarks.run [PART …] [--quick]

Parts: eager, deploy, construct, counting, startup. A part that is run takes the place of its section in the page; the
others stay as they are. --quick: representative networks and fewer runs, some ten minutes a part at most. The eager and
deploy parts go on from their records, which takes an hour or more each for all networks.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib
import io
import os
import platform
import re
import sys
import time
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
PARTS = {
    "eager": "The emitted module beside its hand-written twin",
    "deploy": "The deployed module beside the folded twin",
    "construct": "Constructing",
    "counting": "Counting",
    "startup": "Start-up",
}
RECORDED = frozenset({"eager", "deploy"})
"""Parts that go on from a record, whose rows say when and where each was made."""
HEAD = (
    "# Speed\n\nMade by `make bench`, part by part. All figures are ratios or times on the machine named.\n"
)


class Both(io.StringIO):
    """Keeps what is written, and shows it as it comes."""

    def write(self, text: str) -> int:
        sys.__stdout__.write(text)
        sys.__stdout__.flush()
        return super().write(text)


def section(part: str, quick: bool) -> str:
    """Runs a part and returns its section."""
    module = importlib.import_module(f"benchmarks.{part}")
    out, start = Both(), time.monotonic()
    with contextlib.redirect_stdout(out):
        module.main(quick)
    head = heading(part, module.__doc__)
    if part not in RECORDED:
        command = f"python -m benchmarks.run {part}{' --quick' * quick}"
        head += f"\n\n`{command}`, {where()}, {time.monotonic() - start:.0f} s"
    return f"{head}\n\n{out.getvalue()}"


def heading(part: str, about: str | None) -> str:
    """The title of a section and the first paragraph of what its module says."""
    return f"## {PARTS[part]}\n\n{(about or '').strip().split(chr(10) * 2)[0]}"


def where() -> str:
    """The day and the machine."""
    import torch

    cores = f"{os.cpu_count()} CPU cores ({platform.machine()})"
    return f"{datetime.date.today()}: {cores}, Python {platform.python_version()}, torch {torch.__version__}"


def put(page: str, part: str, text: str) -> str:
    """The page with the section of a part put in or replaced, sections in the order of `PARTS`."""
    head, *rest = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    sections = {body.split("\n", 1)[0].removeprefix("## "): body.rstrip("\n") + "\n" for body in rest}
    sections[PARTS[part]] = text.rstrip("\n") + "\n"
    known = [title for title in PARTS.values() if title in sections]
    others = [title for title in sections if title not in known]
    return "\n".join([(head or HEAD).rstrip("\n") + "\n", *(sections[title] for title in [*known, *others])])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    for part in arguments.parts or PARTS:
        text = section(part, arguments.quick)
        PAGE.write_text(put(PAGE.read_text() if PAGE.exists() else HEAD, part, text))


if __name__ == "__main__":
    main()
