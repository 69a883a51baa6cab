"""The compiler on damaged, grammar-drawn and raw input: only diagnostics may come out.

python -m tests.hostile.fuzz [--runs 100000] [--start 0] [--seed 0] [--jobs 2] [--keep build/fuzz]

Input i of a seed is always the same, so a long run may be done in parts: `--start` is the first of them. The slowest
inputs are listed by their index and each is run again alone; the slowest of these, and what escaped, are written to
the `--keep` folder. `--start INDEX --runs 1` runs one of them again.
"""

from __future__ import annotations

import argparse
import heapq
import random
import resource
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from archc.diagnostics import ArchError, render
from archc.elaborate import check_text
from archc.syntax.parse import source_from_bytes
from tests.hostile.mutate import corpus, mutate

CHUNK = 250
MEMORY = 2 << 30
LISTED = 10
"""How many of the slowest inputs are told."""


def written(seed: int, index: int, texts: list[str]) -> bytes:
    """Input `index` of a seed."""
    rng = random.Random(f"{seed}:{index}")
    return _raw(rng) if index % 8 == 7 else mutate(rng, texts).encode("utf-8", "surrogatepass")


def one(seed: int, index: int, texts: list[str]) -> str | None:
    """Run one input; what escaped, or None."""
    try:
        text = source_from_bytes("fuzz.arch", written(seed, index, texts)).text
        for diagnostic in check_text(text, "fuzz.arch"):
            render(diagnostic)
            diagnostic.to_dict()
    except ArchError as error:
        str(error)
    except BaseException:
        return f"run {index} of seed {seed}:\n{traceback.format_exc(limit=-4)}"
    return None


def _raw(rng: random.Random) -> bytes:
    """Random bytes, random tokens' worth of ASCII, or a spec with random bytes in it."""
    if rng.random() < 0.5:
        return rng.randbytes(rng.randrange(400))
    return bytes(
        rng.choice(b" \n\t(){}[]=,.:->+*/%~#\"'_abxyz019\\\x00\xef\xbb\xbf")
        for _ in range(rng.randrange(600))
    )


@dataclass(frozen=True)
class Chunk:
    """What a run of inputs did: what escaped and the CPU seconds of the slowest, both with their index."""

    count: int
    escaped: list[tuple[int, str]]
    slowest: list[tuple[float, int]]


def chunk(seed: int, start: int, count: int) -> Chunk:
    """A run of inputs in one process."""
    texts, escaped, spent = corpus(), [], []
    for index in range(start, start + count):
        began = time.process_time()
        found = one(seed, index, texts)
        spent.append((time.process_time() - began, index))
        if found:
            escaped.append((index, found))
    return Chunk(count, escaped, heapq.nlargest(LISTED, spent))


def _bounded() -> None:
    """Too much memory is an escaped MemoryError, not the end of a process, or of others."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"))
    options = parser.parse_args()
    done, escaped, slowest = 0, [], []
    with ProcessPoolExecutor(options.jobs, initializer=_bounded) as pool:
        stop = options.start + options.runs
        starts = range(options.start, stop, CHUNK)
        jobs = [pool.submit(chunk, options.seed, s, min(CHUNK, stop - s)) for s in starts]
        for job in jobs:
            part = job.result()
            done += part.count
            escaped += part.escaped
            slowest = heapq.nlargest(LISTED, slowest + part.slowest)
            for _, text in part.escaped:
                print(text, file=sys.stderr)
            if done % 5000 < CHUNK:
                seconds, index = slowest[0]
                print(
                    f"{done:,} inputs, {len(escaped)} escaped, slowest {index} in {seconds:.2f} s", flush=True
                )
    alone = []
    for _, index in slowest:  # in a process of its own, as what the others left behind may be what took long
        with ProcessPoolExecutor(1, initializer=_bounded) as pool:
            alone += pool.submit(chunk, options.seed, index, 1).result().slowest
    _keep(options.keep, options.seed, [max(alone)[1], *(index for index, _ in escaped)])
    print(f"slowest of seed {options.seed}: " + ", ".join(f"{i} in {s:.2f} s" for s, i in slowest))
    print("each alone: " + ", ".join(f"{i} in {s:.2f} s" for s, i in alone))
    print(f"{done:,} inputs, {len(escaped)} exceptions escaped, slowest {slowest[0][0]:.2f} s of CPU")
    return 1 if escaped else 0


def _keep(folder: Path, seed: int, indices: list[int]) -> None:
    """Write inputs to files, named by seed and index."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = corpus()
    for index in dict.fromkeys(indices):
        path = folder / f"{seed}-{index}.arch"
        path.write_bytes(written(seed, index, texts))
        print(f"kept {path}")


if __name__ == "__main__":
    raise SystemExit(main())
