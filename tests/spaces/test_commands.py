"""sample, space, edf, space-report and scale: what they print, what they write, and their exit codes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from archc.cli.main import main


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    out, err = capsys.readouterr()
    return code, out, err


def trained(name: str, errors: list[float]) -> None:
    """A population of the mobile space with errors."""
    assert main(["sample", "mobile", "--n", str(len(errors)), "-o", name]) == 0
    path = Path(name, "population.csv")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    with path.open("w") as file:
        writer = csv.DictWriter(file, [*rows[0], "error"])
        writer.writeheader()
        writer.writerows({**row, "error": e} for row, e in zip(rows, errors, strict=True))


def test_sample_prints_and_writes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "sample", "regnet", "--n", "2", "--require", "macs < 1G", "-o", "out")
    assert code == 0
    assert "2 accepted" in out and "did not meet `macs < 1G`" in out and "wrote" in out
    specs = sorted(path.name for path in Path("out").glob("*.arch"))
    assert len(specs) == 2
    assert main(["check", "out"]) == 0
    assert main(["count", f"out/{specs[0]}"]) == 0
    capsys.readouterr()
    code, out, _ = run(capsys, "sample", "regnet", "--n", "2", "--require", "macs < 1G", "--format", "json")
    assert code == 0
    assert [f"{s['name']}.arch" for s in json.loads(out)["samples"]] == specs


def test_sample_gives_up(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "sample", "mobile", "--n", "40", "--most", "500")
    assert code == 1
    assert "only 30 of 40 networks in 500 draws" in err


def test_sample_of_no_space(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "sample", "resnet50")
    assert code == 1 and "leaves nothing to draw" in err


def test_space_counts(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "space", "anynetx_e")
    assert code == 0
    assert "8.17e+11 networks (817,446,539,520)" in out and "published: 5.5e11" in out
    code, out, _ = run(capsys, "space", "mobile", "--require", "width < 1", "--format", "json")
    assert (code, json.loads(out)["networks"]) == (0, 15)


def test_edf_compares(capsys: pytest.CaptureFixture[str]) -> None:
    trained("good", [20.0, 22.0, 24.0])
    trained("bad", [40.0, 44.0, 42.0])
    capsys.readouterr()
    code, out, _ = run(capsys, "edf", "good", "bad/population.csv", "-o", "edf.csv")
    assert code == 0
    assert [line.split() for line in out.splitlines()[2:4]] == [
        ["good", "3", "20.00", "22.00", "22.00", "24.00"],
        ["bad", "3", "40.00", "42.00", "42.00", "44.00"],
    ]
    with Path("edf.csv").open() as file:
        assert [row["share"] for row in csv.DictReader(file)][2] == "1.0"


def test_edf_without_errors_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", "mobile", "--n", "2", "-o", "raw"]) == 0
    capsys.readouterr()
    code, _, err = run(capsys, "edf", "raw")
    assert code == 1 and "no numbers in a column `error`; it has name, space" in err
    code, _, err = run(capsys, "edf", "nowhere.csv")
    assert code == 1 and "cannot read nowhere.csv" in err


def test_space_report_writes_pictures_and_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    trained("one", [20.0, 22.0, 24.0, 21.0])
    capsys.readouterr()
    code, out, _ = run(capsys, "space-report", "one", "-o", "report")
    assert code == 0
    names = {"space_report.html", "edf.png", "parameters.png", "complexity.png"}
    assert {path.name for path in Path("report").iterdir()} == names
    assert all(Path("report", n).read_bytes()[:4] == b"\x89PNG" for n in names if n.endswith("png"))
    assert out.count("wrote") == 4


def test_scale_prints_the_deviation(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "scale", "efficientnet_b0", "--phi", "3", "-o", "b3.arch")
    assert code == 0
    assert "from the published B3: width +10.9%, depth +23.4%, resolution +13.6%" in out
    assert main(["check", "b3.arch"]) == 0


def test_scale_searches(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys,
        "scale",
        "efficientnet_b0",
        "--search",
        "--score",
        "-macs",
        "--step",
        "0.1",
        "--format",
        "json",
    )
    found = json.loads(out)
    assert code == 0 and len(found) > 3
    assert [c["score"] for c in found] == sorted((c["score"] for c in found), reverse=True)


def test_scale_counts_a_grid(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "scale", "mobile", "--grid", "--format", "json")
    assert code == 0 and len(json.loads(out)) == 30
