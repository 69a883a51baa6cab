"""Checkpoints: every damaged byte is found and named, and a full disk loses nothing."""

from __future__ import annotations

import os
import random
import resource
import signal
from pathlib import Path

import pytest
import torch

from archc.train import checkpoint, storage
from archc.train.checkpoint import Damaged, Snapshot


def snapshot(step: int) -> Snapshot:
    draw = torch.Generator().manual_seed(step)
    tensors = {"model.w": torch.randn(5, 7, generator=draw), "count": torch.tensor(step)}
    return Snapshot(step, tensors, {"log_length": step, "words": ["a", "b"]})


def same(a: Snapshot | None, b: Snapshot) -> bool:
    return (
        a is not None
        and a.step == b.step
        and a.state == b.state
        and a.tensors.keys() == b.tensors.keys()
        and all(torch.equal(a.tensors[k], b.tensors[k]) for k in b.tensors)
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, snapshot(3))
    found, problems = checkpoint.newest(tmp_path)
    assert same(found, snapshot(3))
    assert problems == []


def test_without_checkpoints_there_is_none(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path) == (None, [])
    assert checkpoint.newest(tmp_path / "missing") == (None, [])


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (1, 20, 300, 4000):
        checkpoint.save(tmp_path, snapshot(step), keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "step-000000300.json", "step-000000300.safetensors", "step-000004000.json", "step-000004000.safetensors",
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_every_flipped_or_missing_byte_is_found_and_the_previous_used(tmp_path: Path, suffix: str) -> None:
    checkpoint.save(tmp_path, snapshot(1))
    checkpoint.save(tmp_path, snapshot(2))
    path = tmp_path / f"step-000000002{suffix}"
    whole = path.read_bytes()
    draw = random.Random(5)
    for place in range(len(whole)):
        if draw.random() < 0.5:
            damaged = whole[:place] + bytes([whole[place] ^ (1 << draw.randrange(8))]) + whole[place + 1 :]
        else:
            damaged = whole[:place]
        path.write_bytes(damaged)
        found, problems = checkpoint.newest(tmp_path)
        if same(found, snapshot(2)):  # whitespace and the digits' own case are no damage
            assert suffix == ".json"
            assert place >= len(whole) - 2 or damaged[place : place + 1].isspace()
            continue
        assert same(found, snapshot(1))
        assert len(problems) == 1
        assert "step-000000002" in problems[0]


def test_a_missing_file_is_damage(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, snapshot(1))
    checkpoint.save(tmp_path, snapshot(2))
    (tmp_path / "step-000000002.safetensors").unlink()
    found, problems = checkpoint.newest(tmp_path)
    assert same(found, snapshot(1))
    assert "step-000000002.safetensors" in problems[0]


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"sha256": 3}', "\x00", '{"sha256": "0", "step": 9}']
)
def test_a_manifest_of_anything_is_damage(tmp_path: Path, text: str) -> None:
    (tmp_path / "step-000000009.json").write_text(text)
    with pytest.raises(Damaged, match="step-000000009"):
        checkpoint.load(tmp_path, "step-000000009")


def test_a_full_disk_at_any_offset_keeps_the_previous(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, snapshot(1))
    size = max(p.stat().st_size for p in tmp_path.iterdir())
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        for offset in range(size):
            resource.setrlimit(resource.RLIMIT_FSIZE, (offset, limits[1]))
            with pytest.raises(OSError, match="large"):
                checkpoint.save(tmp_path, snapshot(2))
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            found, problems = checkpoint.newest(tmp_path)
            assert same(found, snapshot(1)), offset
            assert problems == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    checkpoint.save(tmp_path, snapshot(2))
    assert same(checkpoint.newest(tmp_path)[0], snapshot(2))
    assert not list(tmp_path.glob(f"*{storage.SUFFIX}"))


def test_a_device_that_is_full_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tmp_path, snapshot(1))
    opened = Path.open

    def full(self: Path, mode: str = "r", *rest: object) -> object:
        return opened(Path("/dev/full") if self.name.endswith(storage.SUFFIX) else self, mode)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tmp_path, snapshot(2))
    monkeypatch.undo()
    assert same(checkpoint.newest(tmp_path)[0], snapshot(1))


def test_files_are_synced_before_they_are_renamed_and_the_directory_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    synced = os.fsync

    def fsync(handle: int) -> None:
        events.append("directory" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")  # noqa: PTH112 — a link of /proc
        synced(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    storage.write(tmp_path / "x", b"data", lambda name: events.append(name))
    assert events == ["written x", "file", "synced x", "renamed x", "directory", "directory synced after x"]
