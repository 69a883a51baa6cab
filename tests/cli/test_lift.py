"""`archc lift`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archc.cli.main import main
from tests.cli.test_parity import NETS


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "lift_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_file_that_checks_and_a_keymap(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--input", "3x16x16", "-o", "tiny.arch", "--save-keymap", "tiny.json", "--kwargs", "classes=7"]
    assert main(["lift", "lift_nets:tiny", *words]) == 0
    assert main(["check", "tiny.arch"]) == 0
    assert main(["fmt", "--check", "tiny.arch"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("wrote tiny.arch\n")
    assert "equal to lift_nets:tiny: largest difference of the outputs 0" in err
    text = (folder / "tiny.arch").read_text()
    assert "head  global_avg_pool -> linear(7)" in text
    assert "arch tiny() {" in text
    assert json.loads((folder / "tiny.json").read_text())["keys"]["0.weight"] == "stem.conv1.weight"


def test_stdout_and_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lift", "lift_nets:tiny", "--input", "3x16x16", "--name", "mine"]) == 0
    assert "arch mine() {" in capsys.readouterr().out


def test_what_goes_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lift", "lift_nets:nothing", "--input", "3x16x16"]) == 1
    assert "E0607" in capsys.readouterr().err
    assert main(["lift", "lift_nets:Flag", "--input", "3x16x16"]) == 1
    assert "error[E0631]" in capsys.readouterr().err
    assert main(["lift", "lift_nets:tiny", "--name", "2nd"]) == 2
