"""The record of the deployed comparisons, as the section of docs/performance.md that shows it."""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from archc.elaborate import library
from benchmarks.library_page import failed, made_on, rounds_of
from benchmarks.record import Row
from benchmarks.rounds import Rounds
from benchmarks.twins import QUICK

MOST, MOST_TRAINED = 0.9, 0.8  # of the folded twin's time, and of the twin's training step
MOST_OF_EAGER = {"nfnet_f0": 0.6}  # at a batch of 1, of the time of the twin as it is
HEAD = (
    "| network | pixels | batch | deployed, ms | folded twin, ms | ratio | ± | rounds | deployed / twin as it is | folded by |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|"
)
TRAIN_HEAD = (
    "| network | pixels | batch | ours, ms | twin, ms | ratio | ± | rounds | in the twin's layout |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def body(rows: Iterable[Row], expected: int) -> str:
    """Of all rows what they come to, by batch and by family, those above 0.90, the representative networks and the
    training steps in full; `expected`: how many rows there are when all are made."""
    rows = list(rows)
    forward = [row for row in rows if row["mode"] == "forward"]
    found = [(row, rounds) for row in forward if (rounds := rounds_of(row))]
    above = sorted((pair for pair in found if pair[1].ratio > MOST), key=lambda pair: -pair[1].ratio)
    clear = sum(rounds.ratio - MOST > rounds.noise for _, rounds in above)
    of_faster = sum(max(rounds.ratio, of_eager(rounds)) > MOST for _, rounds in found)
    full = [row for row in forward if row["network"] in QUICK and not row.get("left_out")]
    trained = [row for row in rows if row["mode"] == "train" and "ratios" in row]
    parts = [
        made_on(rows),
        by_batch(found),
        left_out(rows) + f" Not made yet: {expected - len(rows)} rows." * (len(rows) < expected),
        failed(rows),
        "By the file of the library:",
        by_family(found),
        f"Of {len(found)} rows {len(above)} are above {MOST:.2f}, {clear} of them by more than ±; of the faster of the folded"
        f" twin and the twin as it is {of_faster}:",
        "\n".join([HEAD, *(line(row) for row, _ in above)]),
        "The representative networks:",
        "\n".join([HEAD, *map(line, full)]),
        "A training step of networks that standardise their kernels, ours as `archc train` runs it: channels_last, SGD fused.",
        "\n".join([TRAIN_HEAD, *map(line, trained)]),
    ]
    return "\n\n".join(part for part in parts if part)


def bands(ratios: Iterable[float]) -> list[int]:
    """How many are at most 0.90, above that and at most 1, and above 1."""
    counts = Counter(bisect_left((MOST, 1.0), ratio) for ratio in ratios)
    return [counts[band] for band in range(3)]


def by_batch(found: Sequence[tuple[Row, Rounds]]) -> str:
    """A row for each batch, over all networks."""
    lines = [
        "| batch | networks | geometric mean | at most 0.90 | to 1 | above 1 | of the twin as it is, geometric mean |"
        " twin / twin, geometric mean | median ± |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for batch in sorted({row["batch"] for row, _ in found}):
        these = [rounds for row, rounds in found if row["batch"] == batch]
        ratios = [rounds.ratio for rounds in these]
        eager = statistics.geometric_mean(of_eager(rounds) for rounds in these)
        null = statistics.geometric_mean(statistics.median(rounds.null) for rounds in these)
        noise = statistics.median(rounds.noise for rounds in these)
        counts = " | ".join(map(str, bands(ratios)))
        lines.append(
            f"| {batch} | {len(these)} | {statistics.geometric_mean(ratios):.3f} | {counts} | {eager:.3f} | {null:.3f} |"
            f" {noise:.3f} |"
        )
    return "\n".join(lines)


def by_family(found: Sequence[tuple[Row, Rounds]]) -> str:
    """A row for each file of the library: the geometric mean at each batch and how many rows lie where."""
    batches = sorted({row["batch"] for row, _ in found})
    files = library().names()
    families: defaultdict[str, defaultdict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row, rounds in found:
        families[files[row["network"]].stem][row["batch"]].append(rounds.ratio)
    columns = [f"at {batch} | at most 0.90 | to 1 | above 1" for batch in batches]
    lines = [f"| {' | '.join(['file', *columns])} |", "|---|" + "--:|" * 4 * len(batches)]
    for family, of_batch in sorted(families.items()):
        cells = [family]
        for ratios in map(of_batch.__getitem__, batches):
            counts = bands(ratios)
            cells += [f"{statistics.geometric_mean(ratios):.3f}", *map(str, counts)] if ratios else [""] * 4
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def left_out(rows: Iterable[Row]) -> str:
    """The networks of each kind of run that cost too much."""
    gone: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for row in rows:
        if row.get("left_out"):
            gone[row["mode"], row["batch"]].append(row["network"])
    kinds = [
        f"{len(names)} at {mode} {batch} ({', '.join(names)})"
        for (mode, batch), names in sorted(gone.items())
    ]
    return f"Left out, as they cost too much: {'; '.join(kinds) or 'none'}."


def of_eager(found: Rounds) -> float:
    """Time of the deployed network by that of the twin as it is."""
    return statistics.median(a / c for a, c in zip(found.first, found.third, strict=True))


def line(row: Row) -> str:
    """One row of its table; bold where it takes more than it should."""
    found, training = rounds_of(row), row["mode"] == "train"
    about = f"| {row['network']} | {row.get('pixels', '')} | {row['batch']} |"
    if found is None:
        return f"{about} {row.get('error', 'left out')} |" + " |" * (5 if training else 6)
    first, second, third = (statistics.median(times) for times in (found.first, found.second, found.third))
    ratio = bold(found.ratio, MOST_TRAINED if training else MOST)
    if training:
        last = f"{third / second:.3f}"
    else:
        most = MOST_OF_EAGER.get(row["network"], float("inf")) if row["batch"] == 1 else float("inf")
        last = f"{bold(of_eager(found), most)} | {row['folded']}"
    return f"{about} {first * 1e3:,.2f} | {second * 1e3:,.2f} | {ratio} | {found.noise:.3f} | {len(found.ratios)} | {last} |"


def bold(ratio: float, most: float) -> str:
    return f"**{ratio:.3f}**" if ratio > most else f"{ratio:.3f}"
