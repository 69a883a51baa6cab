"""The compiler on damaged, grammar-drawn and raw input: only diagnostics may come out.

python -m tests.hostile.fuzz [--runs 100000] [--start 0] [--seed 0] [--jobs 2]

Input i of a seed is always the same, so a long run may be done in parts: `--start` is the first of them.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor

from archc.diagnostics import ArchError, render
from archc.elaborate import check_text
from archc.syntax.parse import source_from_bytes
from tests.hostile.mutate import corpus, mutate

CHUNK = 250
MEMORY = 2 << 30


def one(seed: int, index: int, texts: list[str]) -> str | None:
    """Run one input; what escaped, or None."""
    rng = random.Random(f"{seed}:{index}")
    raw = _raw(rng) if index % 8 == 7 else mutate(rng, texts).encode("utf-8", "surrogatepass")
    try:
        text = source_from_bytes("fuzz.arch", raw).text
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


def chunk(seed: int, start: int, count: int) -> tuple[int, list[str], float]:
    """A run of inputs in one process: how many, what escaped, the slowest one's CPU seconds."""
    texts, escaped, slowest = corpus(), [], 0.0
    for index in range(start, start + count):
        began = time.process_time()
        found = one(seed, index, texts)
        slowest = max(slowest, time.process_time() - began)
        if found:
            escaped.append(found)
    return count, escaped, slowest


def _bounded() -> None:
    """Too much memory is an escaped MemoryError, not the end of a process, or of others."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    done, escaped, slowest = 0, 0, 0.0
    with ProcessPoolExecutor(options.jobs, initializer=_bounded) as pool:
        stop = options.start + options.runs
        starts = range(options.start, stop, CHUNK)
        jobs = [pool.submit(chunk, options.seed, s, min(CHUNK, stop - s)) for s in starts]
        for job in jobs:
            count, found, slow = job.result()
            done, slowest = done + count, max(slowest, slow)
            for text in found:
                escaped += 1
                print(text, file=sys.stderr)
            if done % 5000 < CHUNK:
                print(f"{done:,} inputs, {escaped} escaped, slowest {slowest:.2f} s", flush=True)
    print(f"{done:,} inputs, {escaped} exceptions escaped, slowest {slowest:.2f} s of CPU")
    return 1 if escaped else 0


if __name__ == "__main__":
    raise SystemExit(main())
