"""AnyNetX-A against RegNetX: as many networks of each as there is time for, trained alike, and their errors compared.

    python -m benchmarks.population --data cifar10:DIRECTORY -o out/population --jobs 16 --budget 540

Draws `--networks` of each space within `--macs`, trains them in turn by the recipe population_cifar10 (`--epochs`,
`--set`), and stops at `--budget` seconds from the start, which counts drawing and decoding too; the same command goes
on where it stopped. Several jobs share a GPU. Compared are the networks before the first of either space that is
neither trained nor diverged, so that slow ones are not left out. Writes both populations (which `archc edf` and
`archc space-report` take), edf.png, and prints a Markdown table.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archc.cli.population import population_networks, stops_by_signal, tell, train_networks, trained_rows
from archc.jobs.processes import local
from archc.spaces.edf import edf, errors_of
from archc.spaces.files import files, rows
from archc.spaces.plots import edf_figure
from archc.spaces.sample import sample
from archc.spaces.space import Request
from archc.train.prepare import data_changes
from archc.train.recipe import load_recipe

SPACES = ("anynetx_a_cifar", "regnetx_cifar")


def drawn(space: str, arguments: argparse.Namespace, directory: Path) -> list[dict[str, Any]]:
    """The table of a population, its specs written."""
    request = Request(space, arguments.seed, (f"macs in {arguments.macs}",), (("size", arguments.size),))
    with local(min(arguments.jobs, 4)) as executor:
        mapper = executor.map if arguments.jobs > 1 else None
        population = sample(request, arguments.networks, mapper=mapper, most=2_000_000)
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files(population):
        (directory / name).write_bytes(content.encode() if isinstance(content, str) else content)
    print(
        f"{space}: {len(population.draws)} of {population.drawn:,} draws ({population.acceptance:.2%})",
        flush=True,
    )
    return rows(population)


def compared(tables: Sequence[list[dict[str, Any]]]) -> int:
    """How many networks of each space, from the first on, are done in all of them."""
    done = 0
    for across in zip(*tables, strict=False):
        if any(row["status"] not in ("trained", "diverged") for row in across):
            break
        done += 1
    return done


def higher_mean(one: Sequence[float], other: Sequence[float], resamples: int = 10_000) -> float:
    """The share of bootstrap resamples in which the mean of `one` is the higher."""
    rng = random.Random(0)
    return sum(
        sum(rng.choices(one, k=len(one))) / len(one) > sum(rng.choices(other, k=len(other))) / len(other)
        for _ in range(resamples)
    ) / resamples  # fmt: skip


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--networks", type=int, default=50, help="of each space")
    parser.add_argument("--epochs", type=float, default=10)
    parser.add_argument("--macs", default="36M..=44M")
    parser.add_argument("--size", type=int, default=32, help="pixels of a side that images are resized to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--device", default="")
    parser.add_argument("--set", dest="changes", action="append", default=[])
    return parser.parse_args()


def main() -> int:
    began = time.time()
    arguments = parsed()
    changes = [*data_changes(arguments.data), f"epochs={arguments.epochs}", *arguments.changes]
    recipe = load_recipe("population_cifar10", changes)
    populations = {}
    for space in SPACES:
        place = arguments.output / space
        table = drawn(space, arguments, place)
        networks = population_networks(place, table, recipe, arguments.device, arguments.output / "data")
        populations[place] = (table, networks)
    print(f"drawn after {time.time() - began:.0f} s", flush=True)
    with stops_by_signal():
        ending = train_networks(
            populations, device=arguments.device, jobs=arguments.jobs, until=began + arguments.budget
        )
    tables = [trained_rows(*pair) for pair in populations.values()]
    for place, table in zip(populations, tables, strict=True):
        tell(place.name, table)
    number = compared(tables)
    print(f"\n{ending} after {time.time() - began:.0f} s: the first {number} networks of each are compared\n")
    if not number:
        return 1
    errors = [[error for _, error in errors_of(table[:number], "error")] for table in tables]
    found = [edf(name, values) for name, values in zip(SPACES, errors, strict=True)]
    (arguments.output / "edf.png").write_bytes(edf_figure(found, "error", "png"))
    print("| space | networks | diverged | best | median | mean | worst | seconds a network |")
    print("|---|---|---|---|---|---|---|---|")
    for e, table in zip(found, tables, strict=True):
        seconds = [row["seconds"] for row in table[:number] if row["seconds"] is not None]
        diverged = sum(row["status"] == "diverged" for row in table[:number])
        figures = " | ".join(f"{v:.2f}" for v in (e.errors[0], e.median, e.mean, e.errors[-1]))
        print(f"| {e.name} | {number} | {diverged} | {figures} | {sum(seconds) / max(1, len(seconds)):.1f} |")
    print(
        f"\nThe mean error of {SPACES[0]} is the higher in {higher_mean(*errors):.1%} of bootstrap resamples."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
