"""The commands about numbers: what they print, what they refuse, and their exit codes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from archc.analyses.conventions import conventions, styles
from archc.cli.count_command import CONVENTIONS
from archc.cli.main import main
from archc.diagnostics import ArchError
from tests.cli.support import Run
from tests.peers import peer


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs one command line in process, in an empty directory: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run_one(*args: str) -> tuple[int, str, str]:
        code = main(list(args))
        out, err = capsys.readouterr()
        return code, out, err

    yield run_one


# ---------------------------------------------------------------- count


def test_every_convention_is_offered() -> None:
    assert set(CONVENTIONS) == set(conventions())
    assert set(styles()) == {"emitted", "torchvision", "timm"}


def test_count_as_explains_the_difference(run: Run) -> None:
    code, out, _ = run("count", "nfnet_f0", "--as", "thop", "--explain")
    assert code == 0
    assert "thop prints 25,285,632 multiply-adds" in out
    assert "missed: a subclass of nn.Conv2d" in out
    code, out, _ = run("count", "nfnet_f0", "--as", "thop", "--format", "json")
    found = json.loads(out)
    assert (found["total"], found["macs"], found["written"]) == (25_285_632, 6_977_003_520, "timm")
    assert sum(t["tool"] for t in found["terms"]) == found["total"]
    code, out, _ = run("count", "resnet50", "--as", "ptflops", "--written", "emitted")
    assert "as archc emits it: ptflops prints 4,121,824,744" in out
    code, out, _ = run("count", "regnetx_002", "--as", "pycls")
    assert "2,164,056 activations" in out


def test_explain_without_a_tool_is_misuse(run: Run) -> None:
    code, _, err = run("count", "resnet50", "--explain")
    assert code == 2
    assert "--as" in err


def test_count_by_block(run: Run) -> None:
    code, out, _ = run("count", "resnet50", "--by", "block")
    assert code == 0
    assert out.splitlines()[2].split()[:2] == ["bottleneck", "16"]


# ---------------------------------------------------------------- compare, sweep, fit


def test_compare_prints_figures_and_changes(run: Run) -> None:
    code, out, _ = run("compare", "resnet50", "resnext50_32x4d", "resnet101")
    assert code == 0
    assert "4,230,479,872 (1.03×)" in out
    assert "    groups 1 → 32\n" in out
    assert "  the same: stem, head" in out
    assert "  s3: 6 × bottleneck → 23 × bottleneck" in out
    code, out, _ = run("compare", "resnet50", "resnet101", "--format", "json")
    found = json.loads(out)
    assert [n["name"] for n in found["networks"]] == ["resnet50", "resnet101"]
    assert [c["name"] for c in found["changes"][0]] == ["stem", "s1", "s2", "s3", "s4", "head"]
    assert run("compare", "resnet50")[0] == 2


def test_sweep_tabulates_a_grid(run: Run) -> None:
    code, out, _ = run(
        "sweep", "mobilenet_v2", "-p", "width=0.5,1.0", "-p", "classes=10,1000", "--format", "csv"
    )
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(r["width"], r["classes"]) for r in rows] == [
        ("0.5", "10"), ("0.5", "1000"), ("1.0", "10"), ("1.0", "1000"),
    ]  # fmt: skip
    assert int(rows[-1]["params"]) == 3_504_872
    code, out, _ = run("sweep", "mobilenet_v2", "-p", "classes=10..=30:10", "--format", "json")
    assert [row["arguments"]["classes"] for row in json.loads(out)] == [10, 20, 30]


def test_sweep_goes_on_after_what_cannot_be_built(run: Run) -> None:
    code, out, err = run(
        "sweep", "regnet", "-p", "d=13", "-p", "w0=24,-1", "-p", "wa=36", "-p", "wm=2.5", "-p", "g=8"
    )
    assert code == 1
    assert len(out.splitlines()) == 4
    assert "w0 = -1" in err


@pytest.mark.parametrize("values", ["width", "width=", "width=a+", "width=3..1", "width=1..=2:0", "1x=3"])
def test_sweep_refuses_what_are_no_values(run: Run, values: str) -> None:
    assert run("sweep", "mobilenet_v2", "-p", values)[0] == 2


def test_sweep_of_an_unknown_parameter_is_the_specs_error(run: Run) -> None:
    code, _, err = run("sweep", "mobilenet_v2", "-p", "widht=1,2")
    assert code == 1
    assert "widht" in err


def test_fit_solves_for_a_budget(run: Run) -> None:
    code, out, _ = run("fit", "mobilenet_v2", "-p", "width", "--macs", "300M", "--format", "json")
    assert code == 0
    found = json.loads(out)
    assert found["macs"] == pytest.approx(300e6, rel=0.002)  # the full width has 300,774,272
    assert found["below"][1] <= 300_000_000 < found["above"][1]
    code, out, _ = run("fit", "resnet50", "-p", "classes", "--params", "24M")
    assert code == 0
    assert out.startswith("classes = ")
    assert "params 24," in out or "params 23,9" in out


def test_fit_says_what_it_cannot_do(run: Run) -> None:
    code, _, err = run("fit", "mobilenet_v2", "-p", "width", "--macs", "200K")
    assert code == 1
    assert "unreachable by width" in err
    for args in (
        ("-p", "width"),
        ("-p", "width", "--macs", "1M", "--params", "1M"),
        ("-p", "width=1", "--macs", "1M"),
        ("-p", "widht", "--macs", "1M"),
        ("-p", "width", "--macs", "lots"),
    ):
        assert run("fit", "mobilenet_v2", *args)[0] == 2, args


# ---------------------------------------------------------------- why, memory, field, roofline, signal


def test_why_prints_the_way_back(run: Run) -> None:
    code, out, _ = run("why", "nfnet_f0", "s3.0.conv2.groups")
    assert code == 0
    assert out.startswith("s3.0.conv2.groups = 6")
    assert "round: to the nearest, halves to even" in out
    code, out, _ = run("why", "nfnet_f0", "s3.0.conv2.groups", "--format", "json")
    assert json.loads(out)[1]["at"].startswith("std/nfnet.arch:")
    code, _, err = run("why", "nfnet_f0", "s3.0.conv22.groups")
    assert code == 1
    assert "did you mean `s3.0.conv2`" in err


def test_memory(run: Run) -> None:
    code, out, _ = run(
        "memory", "resnet50", "--batch", "4", "--dtype", "bfloat16", "--optimiser", "adam", "--format", "json"
    )
    assert code == 0
    training = json.loads(out)["training"]
    assert training["state"] == 2 * training["params"] == 4 * 25_557_032
    code, out, _ = run("memory", "squeezenet1_1", "--input", "3x64x64", "--measure")
    assert "measured saved for backward" in out
    assert "predicted +0.00%" in out


def test_field(run: Run) -> None:
    code, out, _ = run("field", "resnet50")
    assert code == 0
    assert out.splitlines()[-2].split() == ["s4", "2048×7×7", "427", "32", "213"]
    assert json.loads(run("field", "resnet50", "--format", "json")[1])["sections"][-1]["size"] == [None, None]


def test_roofline(run: Run) -> None:
    code, out, _ = run("roofline", "resnet50", "--device", "h200", "--batch", "64", "--dtype", "bfloat16")
    assert code == 0
    assert "at least" in out
    code, out, _ = run("roofline", "squeezenet1_1", "--input", "3x64x64", "--measure", "--format", "json")
    found = json.loads(out)
    assert found["measured_seconds"] > 0
    assert found["seconds"] == pytest.approx(sum(op["seconds"] for op in found["ops"]))
    code, _, err = run("roofline", "resnet50", "--device", "gtx9000")
    assert code == 1
    assert "E0811" in err


def test_signal_prints_plots_and_warns(run: Run, tmp_path: Path) -> None:
    peer("matplotlib")
    code, out, err = run("signal", "nf_regnet_b1", "--plot", "spp.svg")
    assert code == 0
    assert "1.2800" in out
    assert "warning" not in err
    assert "<svg" in (tmp_path / "spp.svg").read_text(encoding="utf-8")
    (tmp_path / "bad.arch").write_text(
        "arch bad() {\n  input 16 x 8 x 8\n  stem ws_conv(16, 3)\n  x = x + (x -> relu -> ws_conv(16, 3))\n}\n",
        encoding="utf-8",
    )
    code, out, err = run("signal", "bad.arch", "--measure")
    assert code == 0
    assert "warning[W0211]: relu at relu does not preserve the variance" in err
    assert len(json.loads(run("signal", "bad.arch", "--format", "json")[1])["warnings"]) == 1


def test_a_plot_without_matplotlib_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import sys

    from archc.analyses.signal_plot import draw

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ArchError, match=r"archc\[report\]"):
        draw("x", (), None, tmp_path / "x.svg")
