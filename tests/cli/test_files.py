"""Results are written whole or not at all, and never through a link."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest

from archc.cli.files import OutputError, OutputPath, build_directory, check_writable, write_file
from archc.cli.main import cli


def test_replaces_a_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.py"
    write_file(path, "one")
    write_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "out", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out"
    write_file(path, "old")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_file(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("dangling", [False, True])
def test_a_symlink_is_refused(tmp_path: Path, dangling: bool) -> None:
    target = tmp_path / "target"
    if not dangling:
        target.write_text("precious")
    (tmp_path / "out").symlink_to(target)
    with pytest.raises(OutputError, match="symbolic link"):
        write_file(tmp_path / "out", "x")
    assert target.exists() != dangling


def test_a_hard_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "out").hardlink_to(tmp_path / "target")
    with pytest.raises(OutputError, match="hard link"):
        write_file(tmp_path / "out", "x")
    assert (tmp_path / "target").read_text() == "precious"


def test_a_directory_or_pipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("dir", "pipe"):
        with pytest.raises(OutputError, match="not a plain file"):
            write_file(tmp_path / name, "x")


def test_a_parent_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write_file(tmp_path / "file" / "out", "x")


@pytest.mark.parametrize("linked", ["build", "build/toy"])
def test_the_default_directory_may_not_be_a_symlink(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    Path(linked).parent.mkdir(exist_ok=True)
    Path(linked).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="symbolic link"):
        build_directory("toy")


def test_what_can_be_written_is_told_before_and_nothing_stays(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "deeper" / "out")
    check_writable(tmp_path / "new", directory=True)
    check_writable(tmp_path, directory=True)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_told_before(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    for path in (tmp_path / "file" / "out", tmp_path / "link", Path("/proc/out")):
        with pytest.raises(OutputError, match=r"cannot write|symbolic link"):
            check_writable(path)
    for path in (tmp_path / "file" / "deeper", Path("/proc/out")):
        with pytest.raises(OutputError, match="cannot write"):
            check_writable(path, directory=True)


def written_to(command: click.Command) -> list[click.Parameter]:
    """The parameters of a command that a result is written to: by their names."""
    names = {"-o", "--plot", "--html", "--save-keymap"}
    return [p for p in command.params if names.intersection(p.opts)]


@pytest.mark.parametrize("name", cli.list_commands(click.Context(cli)))
def test_every_output_is_looked_at_before_the_work(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for parameter in written_to(command):
        assert isinstance(parameter.type, OutputPath), f"{name} {parameter.opts}"


@pytest.mark.parametrize(
    "words",
    [
        ("export", "resnet50", "--to", "onnx", "-o", "/proc/x.onnx"),
        ("search", "regnetx", "--strategy", "random", "-o", "/proc/x"),
        ("search", "regnetx", "--strategy", "single"),
    ],
)
def test_what_is_plainly_wrong_is_told_before_torch_is_imported(words: tuple[str, ...]) -> None:
    code = "import sys; from archc.cli.main import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "1 False", done.stdout + done.stderr
