"""The record of the eager comparisons, as the section of docs/performance.md that shows it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence

from benchmarks.library_page import failed, made_on, rounds_of
from benchmarks.record import Row
from benchmarks.twins import QUICK

HEAD = (
    "| network | pixels | what | batch | ours, ms | twin, ms | ratio | quartiles | ± | rounds |\n"
    "|---|--:|---|--:|--:|--:|--:|--:|--:|--:|"
)


def body(rows: Iterable[Row], expected: int) -> str:
    """Of all rows what they come to, those that lose, and the representative networks in full; `expected`: how many
    rows there are when all are made."""
    rows = list(rows)
    measured = {row["name"]: found for row in rows if (found := rounds_of(row))}
    lost = [row for row in rows if row["name"] in measured and measured[row["name"]].verdict > 0]
    full = [row for row in rows if row["network"] in QUICK and not row.get("left_out")]
    parts = [
        made_on(rows),
        summary(rows),
        left_out(rows) + f" Not made yet: {expected - len(rows)} rows." * (len(rows) < expected),
        failed(rows),
        "The rows that lose:" if lost else "No row loses.",
        *([table(lost)] if lost else []),
        "The representative networks:",
        table(full),
    ]
    return "\n\n".join(part for part in parts if part)


def summary(rows: Sequence[Row]) -> str:
    """A row for each kind of run, over all networks."""
    lines = [
        "| what | batch | networks | geometric mean | win | neither | lose | twin / twin, geometric mean | median ± |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for mode, batch in dict.fromkeys((row["mode"], row["batch"]) for row in rows):
        found = [f for row in rows if (row["mode"], row["batch"]) == (mode, batch) and (f := rounds_of(row))]
        if not found:
            continue
        ratio = statistics.geometric_mean(f.ratio for f in found)
        null = statistics.geometric_mean(statistics.median(f.null) for f in found)
        verdicts = Counter(f.verdict for f in found)
        noise = statistics.median(f.noise for f in found)
        lines.append(
            f"| {mode} | {batch} | {len(found)} | {ratio:.3f} | {verdicts[-1]} | {verdicts[0]} | {verdicts[1]} | {null:.3f} |"
            f" {noise:.3f} |"
        )
    return "\n".join(lines)


def left_out(rows: Iterable[Row]) -> str:
    """How many networks of each kind of run cost too much, and those of which nothing is left."""
    rows = list(rows)
    counts = Counter(f"{row['mode']} {row['batch']}" for row in rows if row.get("left_out"))
    kept = {row["network"] for row in rows if not row.get("left_out")}
    gone = sorted({row["network"] for row in rows} - kept)
    text = f"Left out, as they cost too much: {', '.join(f'{n} at {kind}' for kind, n in counts.items()) or 'none'}."
    return text + f" Of {', '.join(gone)} all." * bool(gone)


def table(rows: Iterable[Row]) -> str:
    return "\n".join([HEAD, *map(line, rows)])


def line(row: Row) -> str:
    """One row of the table; bold where it loses."""
    found = rounds_of(row)
    about = f"| {row['network']} | {row.get('pixels', '')} | {row['mode']} | {row['batch']} |"
    if found is None:
        return f"{about} {row.get('error', 'left out')} | | | | | |"
    ratio = f"**{found.ratio:.3f}**" if found.verdict > 0 else f"{found.ratio:.3f}"
    first, second = (statistics.median(times) * 1e3 for times in (found.first, found.second))
    low, high = found.spread
    return f"{about} {first:,.2f} | {second:,.2f} | {ratio} | {low:.3f} to {high:.3f} | {found.noise:.3f} | {len(found.ratios)} |"
