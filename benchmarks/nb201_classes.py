"""Which of NAS-Bench-201's cells are the same network: by their graphs, by the benchmark's rule, and by what they compute.

    python -m benchmarks.nb201_classes [--pairs 100] [--codes 15625] [--table nb201_table.csv.gz]

Counts the classes of all 15,625 strings by the canonical hash and by the benchmark's own rule. Then takes random pairs
that one of the two holds to be equal and the other not, gives both cells the same weights under every assignment of the
one's convolutions to the other's, and compares what they compute in float64, with the running statistics and, in
training, with those of the batch, and the gradient of the input. Shifts of batch norms are random, as trained ones are.
TABLE, with columns `code` and `canon_id`, holds the published classes: the rule must be these, class for class.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import random
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

import archc
from archc.spaces.canonical import canonical_hash
from archc.spaces.classes import nb201_string

Code = tuple[int, ...]
CODES = list(itertools.product(range(5), repeat=6))
EDGE = re.compile(r"s\d\.0\.(edge_conv\d*)\.(.+)")


def graph(code: Code) -> archc.Graph:
    return archc.load("nb201", code=list(code), repeats=1, width=4, input=(3, 12, 12))


def module(code: Code) -> nn.Module:
    """The network with random weights, gains and shifts, in float64."""
    made = archc.compile(graph(code)).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_()
    return made


def edges(made: nn.Module) -> list[str]:
    """The cell's convolutions that are part of the network."""
    found = (EDGE.fullmatch(name) for name, _ in made.named_parameters())
    return sorted({match[1] for match in found if match})


def share(one: nn.Module, other: nn.Module, assigned: dict[str, str]) -> None:
    """Copies the weights of `one` to `other`; assigned: of each convolution of `other`, the one of `one`."""
    theirs = dict(one.named_parameters())
    with torch.no_grad():
        for name, parameter in other.named_parameters():
            match = EDGE.fullmatch(name)
            source = name if match is None else name.replace(match[1], assigned[match[1]], 1)
            if (
                source in theirs and theirs[source].shape == parameter.shape
            ):  # another kernel may see zeros only
                parameter.copy_(theirs[source])
            else:
                parameter.normal_()  # not what an assignment before left there


def computed(made: nn.Module, images: torch.Tensor, training: bool) -> torch.Tensor:
    """Outputs and the gradient of the input, in one row."""
    images = images.clone().requires_grad_()
    outputs = made.train(training)(images)
    (outputs.square().sum()).backward()
    gradient = torch.zeros_like(images) if images.grad is None else images.grad  # none reaches the output
    return torch.cat([outputs.detach().flatten(), gradient.flatten()])


def same(one: Code, other: Code) -> bool:
    """Whether some assignment of weights makes both compute the same."""
    a, b = module(one), module(other)
    mine, theirs = edges(a), edges(b)
    mine += [""] * (
        len(theirs) - len(mine)
    )  # one whose results nothing but a `none` takes has weights of its own
    images = torch.randn(4, 3, 12, 12, dtype=torch.float64)
    expected = [computed(a, images, training) for training in (False, True)]
    for order in set(itertools.permutations(mine, len(theirs))):
        share(a, b, dict(zip(theirs, order, strict=True)))
        for made in (a, b):  # statistics as if never trained
            for buffer_module in made.modules():
                if isinstance(buffer_module, nn.BatchNorm2d):
                    buffer_module.reset_running_stats()
        found = [computed(b, images, training) for training in (False, True)]
        if all(torch.allclose(x, y, rtol=1e-7, atol=1e-7) for x, y in zip(expected, found, strict=True)):
            return True
    return False


def pairs(
    codes: list[Code], merged: Callable[[Code], str], apart: Callable[[Code], str], number: int
) -> Iterator[tuple[Code, Code]]:
    """Random pairs that are equal by one rule and different by another."""
    rng = random.Random(0)
    groups: dict[str, list[Code]] = defaultdict(list)
    for code in codes:
        groups[merged(code)].append(code)
    mixed = [group for group in groups.values() if len({apart(c) for c in group}) > 1]
    for _ in range(number):
        group = rng.choice(mixed)
        one = rng.choice(group)
        yield one, rng.choice([c for c in group if apart(c) != apart(one)])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--codes", type=int, default=len(CODES), help="strings to look at, drawn at random")
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    strings = {code: nb201_string({"code": code}) for code in CODES}
    if arguments.table:
        with gzip.open(arguments.table, "rt") as file:
            rows = {tuple(map(int, r["code"])): r["canon_id"] for r in csv.DictReader(file)}
        both = len({(strings[c], rows[c]) for c in CODES})
        print(
            f"{len(set(rows.values())):,} classes in the table, {both:,} of table and rule together",
            flush=True,
        )
    codes = random.Random(2).sample(CODES, arguments.codes)
    hashes = {code: canonical_hash(graph(code)) for code in codes}
    rule, hashed = len({strings[code] for code in codes}), len(set(hashes.values()))
    print(f"{len(codes):,} strings: {rule:,} classes by the benchmark's rule, {hashed:,} by hash", flush=True)
    for name, merged, apart in (("hash", hashes, strings), ("rule", strings, hashes)):
        taken = list(pairs(codes, merged.__getitem__, apart.__getitem__, arguments.pairs))
        equal = sum(same(one, other) for one, other in taken)
        print(f"merged by the {name} alone: {equal} of {len(taken)} pairs compute the same", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
