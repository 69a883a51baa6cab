"""The wheel, in a clean environment away from the checkout, does what the checkout does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """stdout of a command that must succeed, in an environment that knows nothing of this checkout."""
    outside = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**outside, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", target, ROOT, cwd=ROOT)
    (found,) = target.glob("archc-*.whl")
    return found


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a virtual environment `env` that has the wheel and its dependencies: no torch."""
    place = tmp_path_factory.mktemp("clean")
    venv.create(place / "env", with_pip=True)
    run(ROOT / "tools" / "install.sh", wheel, cwd=place, VENV=str(place / "env"))
    return place


def test_the_wheel_carries_what_the_code_reads(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    shipped = {
        f"archc/_data/{p.relative_to(ROOT)}" for d in ("grammar", "specs") for p in (ROOT / d).rglob("*.*")
    }
    pages = {str(p.relative_to(ROOT)) for p in (ROOT / "archc" / "diagnostics" / "pages").glob("*.md")}
    web = {str(p.relative_to(ROOT)) for p in (ROOT / "archc" / "backends" / "web").iterdir()}
    assert len(shipped) > 2
    assert {"archc/backends/web/dagre.min.js", "archc/backends/web/dagre.LICENSE"} <= web
    assert len(pages) > 2
    assert shipped | pages | web <= inside
    assert {name.split("/")[0].split("-")[0] for name in inside} == {"archc"}


def test_it_runs_without_torch_and_without_the_checkout(clean: Path) -> None:
    archc = clean / "env" / "bin" / "archc"
    counted = json.loads(run(archc, "count", "resnet50", "--format", "json", cwd=clean))
    assert counted["params"] == 25_557_032
    assert counted["macs"] == 4_089_184_256
    assert run(archc, "check", "nfnet_f0", cwd=clean) == "1 spec checked: all good\n"
    source = run(archc, "emit", "resnet50", cwd=clean)
    compile(source, "resnet50.py", "exec")
    assert "import archc" not in source
    assert run(archc, "explain", "E0701", cwd=clean).startswith("# E0701")
    assert "digraph" in run(archc, "draw", "resnet50", "-o", "-", cwd=clean)
    where = run(clean / "env/bin/python", "-c", "import archc; print(archc.__file__)", cwd=clean)
    assert str(ROOT) not in where
    missing = "import importlib.util as u; print([m for m in ('torch', 'numpy') if u.find_spec(m)])"
    assert run(clean / "env/bin/python", "-c", missing, cwd=clean) == "[]\n"


def test_graph_json_reads_back_there(clean: Path) -> None:
    run(clean / "env/bin/archc", "build", "resnet50", "-o", "out", cwd=clean)
    code = (
        "import json, pathlib; from archc.ir.json_graph import from_json; "
        "print(from_json(json.loads(pathlib.Path('out/resnet50.json').read_text())).cost.params)"
    )
    assert run(clean / "env/bin/python", "-c", code, cwd=clean) == "25557032\n"


@pytest.mark.parametrize(
    "words",
    [
        "build resnet18 --verify", "train lenet5 --recipe quickstart", "search nb201 --trials 2",
        "search nb201 --strategy darts", "bench resnet18", "export resnet18 --to onnx",
    ],
)  # fmt: skip
def test_what_runs_networks_says_that_it_needs_torch(clean: Path, words: str) -> None:
    done = subprocess.run(
        [clean / "env/bin/archc", *words.split()],
        cwd=clean,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "needs torch: pip install 'archc[train]'" in done.stderr
