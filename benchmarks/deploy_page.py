"""The record of the deployed comparisons, as the section of docs/performance.md that shows it."""

from __future__ import annotations

import statistics

from benchmarks.library_page import rounds_of
from benchmarks.record import Row

def line(row):
    found = rounds_of(row)
    if found is None: return f"{row}"
    return f"{row['name']} {row.get('folded')} {found.ratio:.3f} {found.noise:.3f} {[statistics.median(x)*1e3 for x in (found.first,found.second,found.third)]} {len(found.ratios)}"

def body(rows, expected): return ""
