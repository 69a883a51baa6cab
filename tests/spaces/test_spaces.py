"""The shipped spaces: their sizes, the published networks in them, and their tables, counted exactly."""

from __future__ import annotations

import csv
import json
from itertools import product
from pathlib import Path

import pytest

import archc
from archc.elaborate.values import Rejected
from archc.spaces.scaled import every
from archc.spaces.size import size
from archc.spaces.space import Request, Space
from archc.syntax.format import format_source
from archc.syntax.parse import source_from_bytes

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
SPACES = sorted(path.stem for path in (ROOT / "specs" / "spaces").glob("*.arch"))


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("anynetx_a", (16 * 128 * 3 * 6) ** 4),  # 1.8e18
        ("anynetx_b", (16 * 128 * 6) ** 4 * 3),  # 6.8e16
        ("anynetx_c", (16 * 128) ** 4 * 18),  # 3.2e14
        ("anynetx_d", 11_716_640 * 16**4 * 18),  # 131 over 4 orders of widths that do not fall: 1.38e13
        ("anynetx_e", 11_716_640 * 3_876 * 18),  # and 19 over 4 of depths: 8.17e11
        ("nb201", 15_625),
        ("macro", 6_561),
        ("mobile", 30),
        ("resnet_rs", 175),
        ("nasnet", (13**10 * (2 * 3 * 4 * 5 * 6) ** 2) ** 2),
        ("nb301", (7**8 * 1 * 3 * 6 * 10) ** 2),
    ],
)
def test_sizes(name: str, exact: int) -> None:
    assert size(Space(Request(name))).exact == exact


@pytest.mark.parametrize("require", ["w1 <= w2 <= w3", "w1 + w2 == 2 * w3", "w1 < w2 or w3 == 2"])
def test_exact_sizes_are_those_of_counting(require: str, tmp_path: Path) -> None:
    space = tmp_path / "mine.arch"
    space.write_text(
        f"arch mine(w1: int in 1..=6, w2: int in 1..=6, w3: int in {{1, 2, 5}}, d: int in 1..=3) {{\n"
        f"  input 3 x 8 x 8\n  require ({require}) and d < 3\n  stem conv(w1 + w2 + w3)\n}}\n"
    )
    condition = eval(f"lambda w1, w2, w3: {require}")
    counted = sum(condition(*ws) for ws in product(range(1, 7), range(1, 7), (1, 2, 5)))
    assert size(Space(Request(str(space)))).exact == 2 * counted


def test_sizes_that_cannot_be_counted_are_estimated() -> None:
    """The share of what is computed from the parameters, with an interval that holds the truth."""
    found = size(Space(Request("mobile", requires=("macs < 200M",))), draws=400)
    truth = sum(graph.cost.macs < 200e6 for graph in every("mobile"))
    assert found.exact is None
    assert found.interval[0] <= truth <= found.interval[1]


def test_every_published_regnet_is_in_the_space() -> None:
    """24 of 24, parameters, multiply-adds and activations to the unit (pycls counts biases and the head)."""
    published = json.loads((DATA / "regnet_reference.json").read_text())["models"]
    assert len(published) == 24
    for model in published:
        large = {"w0_max": 512, "g_max": 256} if "32GF" in model["name"] else {}
        keys = ("d", "w0", "wa", "wm", "g", "b")
        graph = archc.load("regnetx", se=model["se_r"], **{k: model[k] for k in keys}, **large)
        assert graph.cost.params == model["params"]
        assert graph.cost.activations == model["acts"] - 1_000
        if not model["se_r"]:
            assert graph.cost.macs == model["flops"] - 1_000


@pytest.mark.parametrize("name", [n for n in SPACES if n != "anynetx"] + [f"anynetx_{c}" for c in "abcde"])
def test_samples_are_valid_networks(name: str) -> None:
    space, accepted = Space(Request(name, seed=9)), 0
    for index in range(1_000):
        try:
            space.draw(index)
        except Rejected:
            continue
        accepted += 1
        if accepted == 3:
            return
    pytest.fail("none of 1,000 draws is accepted")


def test_the_spaces_are_canonical() -> None:
    for name in SPACES:
        path = ROOT / "specs" / "spaces" / f"{name}.arch"
        source = source_from_bytes(str(path), path.read_bytes())
        assert format_source(source) == source.text, name


def test_pycls_and_torchvision_round_as_told() -> None:
    both = [
        archc.load("regnetx", d=22, w0=24, wa=24.48, wm=2.54, g=16, rounding=rule)
        for rule in ("pycls", "torchvision")
    ]
    assert [g.cost.params for g in both] == [5_157_512, 5_495_976]


def test_extracts_of_published_tables() -> None:
    """A few rows of each; benchmarks/nas_tables.py has them all."""
    with (DATA / "nas_tables.csv").open(newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    assert {row["spec"] for row in rows} == {"macro", "nb201", "nb301"}
    for row in rows:
        cost = archc.load(row["spec"], **json.loads(row["arguments"])).cost
        assert cost.params == int(row["params"]), row
        if row["spec"] == "macro":
            assert cost.macs == int(row["macs"])
