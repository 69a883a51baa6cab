"""A folder with a toy network, and commands run in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from archc.cli.main import main
from tests.cli.support import Run

SPEC = '''"""A toy of residual blocks."""

block residual(x, width: int, stride: int = 1) {
  branch = x -> conv(width, 3, stride) -> batch_norm -> relu -> conv(width, 3) -> batch_norm
  skip = (x -> conv(width, 1, stride)) if stride != 1 or x.channels != width else x
  return skip + branch -> relu
}

arch toy(classes: int = 10, width: int = 8) {
  input 3 x 32 x 32
  info year = 2021
  stem  conv(width, 3) -> relu
  stage 3 x residual(2 * width, stride = 2)
  head  global_avg_pool -> linear(classes)
  expect params = PARAMS
}

variant toy_wide = toy(width = 16)
'''


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory holding toy.arch."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs one command line in process: exit code, stdout, stderr."""

    def run_one(*args: str) -> tuple[int, str, str]:
        code = main(list(args))
        out, err = capsys.readouterr()
        return code, out, err

    yield run_one


@pytest.fixture
def toy(workplace: Path, run: Run) -> str:
    """The path of a sound spec, whose expected params are what archc counts."""
    path = workplace / "toy.arch"
    path.write_text(SPEC.replace("  expect params = PARAMS\n", ""))
    params = json.loads(run("count", "toy.arch", "--format", "json")[1])["params"]
    path.write_text(SPEC.replace("PARAMS", str(params)))
    return "toy.arch"


@pytest.fixture
def broken(workplace: Path) -> str:
    """A spec with one mistake, in line 4."""
    text = SPEC.replace("conv(width, 3) -> batch_norm\n", "conv(width, 3, groups = 7) -> batch_norm\n", 1)
    text = text.replace("  expect params = PARAMS\n", "").partition("variant")[0]
    (workplace / "broken.arch").write_text(text)
    return "broken.arch"
