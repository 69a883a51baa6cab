"""Draws are functions of (space, seed, index); populations are the same whatever drew them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from pathlib import Path

import pytest

import archc
from archc.diagnostics import ArchError
from archc.elaborate.choosers import PowerOfTwoOrLog, RangeValues, Stream
from archc.elaborate.library import Library
from archc.elaborate.values import Rejected
from archc.ir.json_graph import to_json_text
from archc.jobs.processes import LocalProcesses
from archc.spaces.files import csv_text, files, read_rows, row
from archc.spaces.sample import Population, sample
from archc.spaces.space import Request, Space

MACS = ("macs in 360M..=400M",)


@pytest.fixture(scope="module")
def population() -> Population:
    return sample(Request("regnet", seed=1, requires=MACS), 6)


def test_a_draw_depends_on_space_seed_and_index_alone(population: Population) -> None:
    alone = Space(population.request)
    assert [alone.draw(d.index) for d in reversed(population.draws)] == population.draws[::-1]
    other = sample(Request("regnet", seed=2, requires=MACS), 6)
    assert not {d.arguments for d in other.draws} & {d.arguments for d in population.draws}


def test_any_number_of_workers_draws_the_same(population: Population) -> None:
    with LocalProcesses(2) as executor:
        elsewhere = sample(population.request, 6, mapper=executor.map)
    assert elsewhere == population
    assert dict(files(elsewhere)) == dict(files(population))


def test_the_tally_accounts_for_every_draw(population: Population) -> None:
    rejected = sum(population.rejected.values())
    assert population.drawn == rejected + population.duplicates + len(population.draws)
    assert population.drawn == population.draws[-1].index + 1
    assert list(population.rejected) and set(population.rejected) <= set(
        Space(population.request).requirements
    )


def test_requirements_hold(population: Population) -> None:
    assert all(360e6 <= d.macs <= 400e6 and len(d.widths) == 4 for d in population.draws)


def test_requirements_are_met_in_the_order_they_are_known() -> None:
    """One on parameters rejects before one on figures is even computed."""
    found = sample(Request("regnet", requires=("macs < 1", "d > 20")), 1, most=200)
    space = Space(found.request)
    assert found.draws == [] and {"macs < 1", "d > 20"} < set(found.rejected) <= {*space.requirements}
    assert list(space.requirements)[-2:] == ["macs < 1", "d > 20"]
    for index in range(50):
        with pytest.raises(Rejected):
            space.draw(index)
    drawn = [Space(Request("regnet"))._draw(i, False).arguments["d"] for i in range(200) if _possible(i)]
    assert found.rejected["macs < 1"] == sum(d > 20 for d in drawn)


def _possible(index: int) -> bool:
    try:
        Space(Request("regnet")).possible(index)
    except Rejected:
        return False
    return True


def test_equal_networks_are_drawn_once() -> None:
    found = sample(Request("mobile"), 31, most=300)
    assert len(found.draws) == 30  # 6 widths x 5 resolutions
    assert found.duplicates == 270


def test_given_parameters_are_not_drawn() -> None:
    found = sample(Request("nb201", arguments=(("repeats", 1), ("width", 8))), 3)
    for draw in found.draws:
        assert dict(draw.arguments)["repeats"] == "1"
        assert draw.depths == (1, 1, 1, 1, 1)


def test_a_spec_without_choices_is_no_space() -> None:
    with pytest.raises(ArchError) as caught:
        Space(Request("resnet50"))
    assert "leaves nothing to draw" in str(caught.value)


def test_a_requirement_with_a_typo_is_told() -> None:
    with pytest.raises(ArchError) as caught:
        sample(Request("regnet", requires=("mac < 1",)), 1)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0201" and diagnostic.span.source.name == "--require"


# ---------------------------------------------------------------- what is written


@pytest.mark.parametrize("space", ["regnety", "anynetx_c", "nasnet", "nb301", "macro", "resnet_rs"])
@pytest.mark.parametrize("expand", [False, True])
def test_a_written_spec_is_the_network_drawn(space: str, expand: bool, tmp_path: Path) -> None:
    found = sample(Request(space, seed=4), 2)
    for name, content in files(found, expand=expand):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    for draw in found.draws:
        spec = tmp_path / f"{row(Space(found.request), draw)['name']}.arch"
        assert archc.check(str(spec)) == []
        written, drawn = archc.load(spec), Space(found.request).graph(draw.index)
        assert written.cost == drawn.cost
        assert [(n.op, n.inputs, n.shape) for n in written.nodes] == [
            (n.op, n.inputs, n.shape) for n in drawn.nodes
        ]


def test_a_space_of_ones_own_travels_with_its_samples(tmp_path: Path) -> None:
    space = tmp_path / "mine.arch"
    space.write_text(
        "arch mine(width: int in 8..=64 step 8, kernel: int = pick([1, 3, 5])) {\n"
        "  input 3 x 32 x 32\n  stem conv(width, kernel)\n  require params < 2_000\n}\n"
    )
    found = sample(Request(str(space)), 4)
    out = tmp_path / "out"
    out.mkdir()
    for name, content in files(found):
        (out / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    space.unlink()
    specs = sorted(out.glob("mine_*.arch"))
    assert len(specs) == 4
    for spec, draw in zip(specs, found.draws, strict=True):
        assert archc.load(spec).cost.params == draw.params < 2_000


def test_picks_in_the_body_are_written_flat(tmp_path: Path) -> None:
    space = tmp_path / "mine.arch"
    space.write_text("arch mine() {\n  input 3 x 32 x 32\n  stem conv(pick([8, 16, 24]), pick([1, 3]))\n}\n")
    found = sample(Request(str(space)), 3)
    for name, content in files(found):
        if name.startswith("mine_"):
            assert "import" not in str(content)
            (tmp_path / name).write_text(str(content))
            assert archc.load(tmp_path / name).cost.params in {d.params for d in found.draws}


def test_the_table_reads_back(population: Population, tmp_path: Path) -> None:
    space = Space(population.request)
    rows = [row(space, draw) for draw in population.draws]
    (tmp_path / "population.csv").write_text(csv_text(rows))
    assert read_rows(tmp_path) == rows
    contents = dict(files(population))
    assert json.loads(str(contents["population.json"]))["drawn"] == population.drawn
    pyarrow = pytest.importorskip("pyarrow.parquet", reason="an extra: CSV does without")
    parquet = contents["population.parquet"]
    assert isinstance(parquet, bytes)
    assert pyarrow.read_table(io.BytesIO(parquet)).to_pylist() == rows
    names = [line["name"] for line in csv.DictReader(io.StringIO(csv_text(rows)))]
    assert names == [r["name"] for r in rows]


def test_a_sample_loads_by_its_seed_too() -> None:
    """`--sample SEED` is the first accepted draw."""
    first = sample(Request("nb201", seed=5), 1).draws[0]
    assert to_json_text(archc.load("nb201", sample=5)) == to_json_text(
        Space(Request("nb201", 5)).graph(first.index)
    )


# ---------------------------------------------------------------- distributions


def test_streams_differ_by_key_and_not_by_run() -> None:
    one, again, other = Stream(b"0:1"), Stream(b"0:1"), Stream(b"0:2")
    numbers = [one.uniform() for _ in range(100)]
    assert numbers == [again.uniform() for _ in range(100)]
    assert not set(numbers) & {other.uniform() for _ in range(100)}


def test_a_stream_is_uniform() -> None:
    stream = Stream(b"any")
    counts = Counter(stream.below(10) for _ in range(20_000))
    assert set(counts) == set(range(10))
    chi = sum((c - 2_000) ** 2 / 2_000 for c in counts.values())
    assert chi < 27.9  # 9 degrees of freedom, one in a thousand


def test_log_ranges_are_drawn_as_pycls_does() -> None:
    """Uniform in the log over (low - min(step, low/2), high], rounded up: P(v) = log(v / (v - step)) / length."""
    values, stream = RangeValues(8, 64, 8, True, True), Stream(b"log")
    counts = Counter(values.draw(stream) for _ in range(20_000))
    length = math.log(64 / 4)
    for value in range(8, 65, 8):
        expected = 20_000 * math.log(value / max(value - 8, 4)) / length
        assert abs(counts[value] - expected) < 5 * math.sqrt(expected)


def test_steps_are_decimal() -> None:
    values, stream = RangeValues(8, 256, 0.1, True, False), Stream(b"tenths")
    assert all(v == round(v, 1) and 8 <= v <= 256 for v in (values.draw(stream) for _ in range(2_000)))
    assert [values.at(i) for i in (0, 1, values.count() - 1)] == [8.0, 8.1, 256.0]


def test_powers_of_two_below_the_step() -> None:
    values, stream = PowerOfTwoOrLog(1, 32, 8), Stream(b"powers")
    assert {values.draw(stream) for _ in range(3_000)} == {1, 2, 4, 8, 16, 24, 32}
    assert [values.at(i) for i in range(values.count())] == [1, 2, 4, 8, 16, 24, 32]


@pytest.mark.parametrize(
    "path", ["specs/spaces/regnet.arch", str(Path("specs/spaces/regnet.arch").resolve())]
)
def test_a_space_opened_by_its_path_is_imported_by_its_name(path: str) -> None:
    found = Library()
    assert found.import_name(found.locate(path)[0].source.name) == "spaces.regnet"
