"""Every command: what it prints where, what it writes, and its exit code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.support import Run

pytestmark = pytest.mark.usefixtures("workplace")


# ---------------------------------------------------------------- count, list, emit


def test_count_prints_a_line_per_section_and_totals(run: Run, toy: str) -> None:
    code, out, err = run("count", toy)
    assert (code, err) == (0, "")
    words = [line.split() for line in out.splitlines()]
    assert ["s1", "3", "×", "residual", "16×16×16"] in [w[:5] for w in words]
    assert any(w[:2] == ["total", "10"] for w in words)


def test_count_json_adds_up(run: Run, toy: str) -> None:
    code, out, _ = run("count", f"{toy}:toy_wide", "--format", "json")
    counted = json.loads(out)
    assert code == 0
    assert counted["name"] == "toy_wide"
    assert counted["input"] == [3, 32, 32]
    assert counted["outputs"] == {"out": [10]}
    assert [s["name"] for s in counted["sections"]] == ["stem", "s1", "head"]
    assert counted["sections"][1]["repeats"] == 3
    assert counted["sections"][1]["output"] == [32, 16, 16]
    for figure in ("params", "buffers", "macs", "flops", "activations"):
        assert counted[figure] == sum(s[figure] for s in counted["sections"]) > 0
    stem_conv = 3 * 16 * 9 * 32 * 32
    assert counted["sections"][0]["macs"] == stem_conv


def test_count_takes_parameters_and_input(run: Run, toy: str) -> None:
    small = json.loads(run("count", toy, "-p", "classes=3", "--input", "1x16x20", "--format", "json")[1])
    assert small["input"] == [1, 16, 20]
    assert small["sections"][-1]["params"] == 16 * 3 + 3


def test_an_unknown_parameter_is_a_diagnostic(run: Run, toy: str) -> None:
    code, out, err = run("count", toy, "-p", "clases=3")
    assert (code, out) == (1, "")
    assert "did you mean `classes`?" in err


def test_an_unknown_spec_is_a_diagnostic_with_a_suggestion(run: Run) -> None:
    code, out, err = run("count", "nfnet_f00")
    assert (code, out) == (1, "")
    assert "did you mean `nfnet_f0`?" in err


def test_list_finds_names(run: Run) -> None:
    code, out, _ = run("list", "nfnet_f0")
    assert code == 0
    assert "arXiv:2102.06171" in out
    (entry,) = json.loads(run("list", "nfnet_f0", "--format", "json")[1])
    assert entry["params"] == 71_489_284
    assert entry["input"] == [3, 192, 192]
    assert entry["info"]["year"] == 2021


def test_list_of_nothing_is_an_error(run: Run) -> None:
    code, out, err = run("list", "no_such_*")
    assert (code, out) == (1, "")
    assert "`archc list` shows all" in err


def test_emit_prints_or_writes_the_same_source(run: Run, toy: str, workplace: Path) -> None:
    code, out, _ = run("emit", toy)
    assert code == 0
    compile(out, "toy.py", "exec")
    size = f"{len(out.encode()) / 1e3:.1f} kB"
    assert run("emit", toy, "-o", "out/toy.py") == (0, "", f"wrote out/toy.py ({size})\n")
    assert (workplace / "out/toy.py").read_text() == out


# ---------------------------------------------------------------- check, explain, fmt


@pytest.mark.parametrize("text", ["", "# to be written\n"])
def test_an_empty_file_is_an_error_of_every_command(run: Run, workplace: Path, text: str) -> None:
    (workplace / "empty.arch").write_text(text)
    for command in ("check", "count", "build"):
        code, _, err = run(command, "empty.arch")
        assert code == 1 and "error[E0501]: empty.arch declares no arch" in err


def test_check_of_sound_specs_exits_0(run: Run, toy: str) -> None:
    assert run("check", toy) == (0, "1 spec checked: all good\n", "")
    assert run("check", ".") == (0, "1 spec checked: all good\n", "")


def test_check_reports_on_stderr_and_exits_1(run: Run, toy: str, broken: str) -> None:
    code, out, err = run("check", toy, broken)
    assert code == 1
    assert out == "2 specs checked: 1 error\n"
    assert "error[E0312]" in err
    assert "broken.arch:4:" in err


def test_check_json_has_the_fields_editors_read(run: Run, broken: str) -> None:
    code, out, err = run("check", broken, "--format", "json")
    assert (code, err) == (1, "")
    (found,) = json.loads(out)["diagnostics"]
    assert found["code"] == "E0312"
    assert found["severity"] == "error"
    assert found["file"].endswith("broken.arch")
    assert (found["line"], found["end_line"]) == (4, 4)
    assert found["column"] < found["end_column"]
    assert found["help"]
    assert "groups" in found["message"]


def test_check_reports_figures_that_do_not_hold(run: Run, toy: str, workplace: Path) -> None:
    path = workplace / toy
    path.write_text(path.read_text().replace("expect params = ", "expect params = 9"))
    code, _, err = run("check", toy)
    assert code == 1
    assert "params" in err


def test_explain_prints_pages(run: Run) -> None:
    code, out, _ = run("explain", "e0701")
    assert code == 0
    assert out.startswith("# E0701: ")
    assert "## Instead" in out
    code, listed, _ = run("explain")
    assert code == 0
    assert "E0701  drawing needs Graphviz" in listed


def test_fmt_rewrites_once(run: Run, toy: str, workplace: Path) -> None:
    path = workplace / toy
    sound = path.read_text()
    path.write_text(sound.replace("stem  conv(width, 3)", "stem   conv( width,3 )"))
    untidy = path.read_text()
    assert run("fmt", "--check", toy)[0] == 1
    code, out, _ = run("fmt", "--diff", toy)
    assert code == 1
    assert "-  stem   conv( width,3 ) -> relu" in out.splitlines()
    assert path.read_text() == untidy
    assert run("fmt", toy) == (0, "1 of 1 file reformatted\n", "")
    assert path.read_text() == sound
    assert run("fmt", ".") == (0, "0 of 1 file reformatted\n", "")
    assert run("fmt", "--check", toy) == (0, "", "")


def test_fmt_reports_what_it_cannot_read(run: Run, workplace: Path) -> None:
    (workplace / "bad.arch").write_text("arch {")
    (workplace / "bytes.arch").write_bytes(b"\xff\xfe")
    code, _, err = run("fmt", "bad.arch", "bytes.arch", "missing.arch")
    assert code == 1
    assert "bad.arch:1:" in err
    assert "bytes.arch: not UTF-8" in err
    assert "cannot read missing.arch" in err
    assert (workplace / "bad.arch").read_text() == "arch {"


def test_fmt_of_stdin_prints(toy: str) -> None:
    untidy = Path(toy).read_text().replace("stem  conv", "stem    conv")
    done = subprocess.run(
        [sys.executable, "-m", "archc", "fmt", "-"], input=untidy, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, Path(toy).read_text())


# ---------------------------------------------------------------- build, draw


def test_build_writes_source_graph_and_drawing(run: Run, toy: str, workplace: Path) -> None:
    from archc.ir.json_graph import from_json

    code, out, err = run("build", toy)
    assert (code, err) == (0, "")
    directory = workplace / "build" / "toy"
    assert sorted(p.name for p in directory.iterdir()) == ["toy.json", "toy.py", "toy.svg"]
    assert "wrote build/toy/toy.py" in out.splitlines()
    graph = from_json(json.loads((directory / "toy.json").read_text()))
    assert graph.name == "toy"
    assert "<svg" in (directory / "toy.svg").read_text()
    assert run("build", f"{toy}:toy_wide", "-o", "elsewhere")[0] == 0
    assert (workplace / "elsewhere" / "toy_wide.py").exists()


def test_build_of_a_broken_spec_writes_nothing(run: Run, broken: str, workplace: Path) -> None:
    assert run("build", broken)[0] == 1
    assert not (workplace / "build").exists()


def test_build_verifies(run: Run, toy: str) -> None:
    code, out, err = run("build", toy, "--verify")
    assert (code, err) == (0, "")
    assert "all shapes, params, buffers and macs agree" in out


def test_build_exits_1_where_the_module_differs(run: Run, toy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from archc.measure import verify as measured

    real = measured.verify
    wrong = measured.Mismatch("head.linear", "params", 170, 171)
    monkeypatch.setattr(
        measured, "verify", lambda graph, module: replace(real(graph, module), mismatches=(wrong,) * 30)
    )
    code, _, err = run("build", toy, "--verify")
    assert code == 1
    assert "error: head.linear: params should be 170, is 171" in err
    assert "error: and 10 more" in err


def test_build_without_graphviz_leaves_the_drawing_out(
    run: Run, toy: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    code, _, err = run("build", toy)
    assert code == 0
    assert "error[E0701]" not in err
    assert "warning: drawing needs Graphviz, which is not installed; toy.svg is left out" in err
    assert "apt install graphviz" in err
    assert not (workplace / "build/toy/toy.svg").exists()
    code, _, err = run("draw", toy, "-o", "toy.svg")
    assert code == 1
    assert "error[E0701]" in err
    assert run("draw", toy, "-o", "toy.dot")[0] == 0


@pytest.mark.parametrize(
    ("name", "magic"), [("t.svg", b"<?xml"), ("t.png", b"\x89PNG"), ("t.pdf", b"%PDF"), ("t.dot", b"digraph")]
)
def test_draw_writes_every_format(run: Run, toy: str, workplace: Path, name: str, magic: bytes) -> None:
    code, out, err = run("draw", toy, "-o", name, "--level", "block")
    assert (code, out) == (0, "")
    assert re.fullmatch(rf"wrote {name} \([\d.]+ kB\)\n", err)
    assert (workplace / name).read_bytes().startswith(magic)


def test_draw_prints_dot(run: Run, toy: str) -> None:
    code, out, _ = run("draw", toy, "-o", "-")
    assert code == 0
    assert out.startswith("digraph toy {")
