"""Run the standing comparisons and write their tables to docs/performance.md: `make bench`."""

from __future__ import annotations

import contextlib
import datetime
import importlib
import io
import os
import platform
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
TABLES = (("Counting", "benchmarks.counting"), ("Start-up", "benchmarks.startup"))


def main() -> None:
    where = f"{os.cpu_count()} CPU cores ({platform.machine()}), Python {platform.python_version()}"
    parts = [f"# Speed\n\nMade by `make bench` on {datetime.date.today()}: {where}, no GPU.\n"]
    for title, name in TABLES:
        module = importlib.import_module(name)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            module.main()
        about = (module.__doc__ or "").strip().split("\n\n")
        parts.append(f"## {title}\n\n{about[0]}\n\n`python -m {name}`\n\n{out.getvalue()}")
        print(parts[-1], flush=True)
    PAGE.write_text("\n".join(parts))


if __name__ == "__main__":
    main()
