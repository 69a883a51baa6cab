"""A spec is untrusted input: bounded, hermetic, confined, and never the cause of a foreign exception."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import archc
from archc.elaborate import check
from tests.hostile.bombs import BOMBS
from tests.hostile.fuzz import chunk

ROOT = Path(__file__).parents[2]
CLEAN = "arch net() {\n  input 3 x 8 x 8\n  head relu\n}\n"
BLOCKS = "block pair(x) { return x -> relu -> relu }\n"
USES = "from {} import pair\narch net() {{\n  input 3 x 8 x 8\n  head pair\n}}\n"


def test_damaged_specs_give_only_diagnostics() -> None:
    found = chunk(seed=2026, start=0, count=400)
    assert found.count == 400
    assert found.escaped == []
    assert all(seconds >= 0 and index in range(400) for seconds, index in found.slowest)


def test_bombs_are_answered_in_bounded_memory() -> None:
    assert len(BOMBS) > 60
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.run_bombs"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(BOMBS)} bombs, 0 failed" in done.stdout


AUDIT = """
import sys
import archc, archc.elaborate, archc.syntax.parse, archc.backends.torch_source
archc.emit(archc.load("lenet5"))
seen = []
def hook(event, args):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "shutil.",
                         "ftplib", "urllib", "ctypes.", "os.remove", "os.rename", "os.mkdir", "os.chmod")):
        seen.append((event, repr(args)))
    if event == "open" and isinstance(args[0], (str, bytes)):
        writes = args[1] and set(str(args[1])) & set("wax+")
        if writes or not str(args[0]).endswith((".arch", ".py", ".pyc", ".json")):
            seen.append((event, repr(args)))
sys.addaudithook(hook)
for spec in sys.argv[1:]:
    graph = archc.load(spec)
    archc.emit(graph)
print(seen)
"""


def test_compiling_opens_nothing_but_specs(tmp_path: Path) -> None:
    """No sockets, no processes, no files but the spec, its imports and archc's own modules."""
    (tmp_path / "pair.arch").write_text(BLOCKS)
    (tmp_path / "net.arch").write_text(USES.format("pair"))
    done = subprocess.run(
        [sys.executable, "-c", AUDIT, str(tmp_path / "net.arch"), "nfnet_f0", "googlenet", "nasnetalarge"],
        capture_output=True, text=True, cwd=tmp_path, check=False, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize("module", ["a..b", ".pair", "..pair", "/etc/passwd", "pair\0", "-pair"])
def test_module_names_cannot_leave_the_folder(tmp_path: Path, module: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "pair.arch").write_text(BLOCKS)
    spec = tmp_path / "sub" / "net.arch"
    spec.write_text(USES.format(module))
    assert check(spec)
    with pytest.raises(archc.ArchError):
        archc.load(spec)


def _code(spec: Path) -> set[str]:
    return {d.code for d in check(spec)}


def test_imports_do_not_follow_links(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "pair.arch").write_text(BLOCKS)
    (inside / "soft.arch").symlink_to(outside / "pair.arch")
    (inside / "hard.arch").hardlink_to(outside / "pair.arch")
    (inside / "dir").symlink_to(outside)
    (inside / "dangling.arch").symlink_to(outside / "nothing.arch")
    for module in ("soft", "hard", "dir.pair", "dangling"):
        spec = inside / f"uses_{module.replace('.', '_')}.arch"
        spec.write_text(USES.format(module))
        assert _code(spec) & {"E0211", "E0216", "E0217"}, module


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.arch")
    (tmp_path / "folder.arch").mkdir()
    for name in ("pipe", "folder", "missing"):
        assert check(tmp_path / f"{name}.arch"), name
    assert check("/dev/zero.arch")
    assert check("nul\0.arch")


def test_import_cycles_and_depth(tmp_path: Path) -> None:
    (tmp_path / "a.arch").write_text("from b import pair\n" + CLEAN)
    (tmp_path / "b.arch").write_text("from a import pair\n")
    assert "E0212" in _code(tmp_path / "a.arch")
    for i in range(12):
        (tmp_path / f"d{i}.arch").write_text(f"import d{i + 1}\n" + BLOCKS)
    (tmp_path / "d12.arch").write_text(BLOCKS)
    assert "E0907" in _code(tmp_path / "d0.arch")


@pytest.mark.slow
def test_many_damaged_specs() -> None:
    assert chunk(seed=7, start=0, count=6000).escaped == []
