"""Checkpoints: tensors as safetensors, the rest as JSON; atomic, verified, the previous one at hand.

A checkpoint is `step-N.json`, written last: it holds the state, its own digest, and that of the tensors in
`step-N.safetensors`. What lacks it, or does not match it, is not a checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from archc.train import storage
from archc.train.storage import Milestone


class Damaged(Exception):
    """A checkpoint is not what was saved; the message names the file."""


@dataclass(frozen=True)
class Snapshot:
    """What a run is at a step: tensors by name, and a JSON value."""

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]


def save(directory: Path, snapshot: Snapshot, keep: int = 2, milestone: Milestone = storage.passed) -> None:
    """Saves, then removes all but the `keep` newest. Raises OSError; older checkpoints stay as they are."""
    directory.mkdir(parents=True, exist_ok=True)
    name = f"step-{snapshot.step:09d}"
    milestone("before save")
    whole = {k: v.detach().cpu().contiguous() for k, v in snapshot.tensors.items()}
    sha = storage.write(directory / f"{name}.safetensors", safetensors.torch.save(whole), milestone)
    body = {"step": snapshot.step, "tensors_sha256": sha, "state": snapshot.state}
    text = json.dumps({**body, "sha256": _digest(body)}, indent=1)
    storage.write(directory / f"{name}.json", text.encode(), milestone)
    for old in _steps(directory)[keep:]:
        (directory / f"{old}.json").unlink()
        milestone(f"removed {old}.json")
    kept = set(_steps(directory))
    for path in directory.iterdir():
        if path.name.endswith(storage.SUFFIX) or (path.suffix == ".safetensors" and path.stem not in kept):
            path.unlink()
    milestone("after save")


def load(directory: Path, name: str) -> Snapshot:
    """The checkpoint `step-N`. Raises Damaged."""
    manifest, tensors = directory / f"{name}.json", directory / f"{name}.safetensors"
    try:
        body = json.loads(manifest.read_bytes())
        claimed = body.pop("sha256")
        if claimed != _digest(body):
            raise Damaged(f"{manifest} is damaged: its SHA-256 is not what it says")
        data = tensors.read_bytes()
        if storage.digest(data) != body["tensors_sha256"]:
            raise Damaged(f"{tensors} is damaged: its SHA-256 is not that in {manifest.name}")
        return Snapshot(body["step"], safetensors.torch.load(data), body["state"])
    except OSError as error:
        raise Damaged(f"{error.filename} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, AttributeError, TypeError, SafetensorError) as error:
        raise Damaged(f"{manifest} is damaged: {error}") from None


def newest(directory: Path) -> tuple[Snapshot | None, list[str]]:
    """The newest checkpoint that is whole, or None, and what is wrong with the newer ones."""
    problems: list[str] = []
    for name in _steps(directory):
        try:
            return load(directory, name), problems
        except Damaged as damage:
            problems.append(str(damage))
    return None, problems


def save_weights(
    path: Path, tensors: Iterable[tuple[str, Tensor]], milestone: Milestone = storage.passed
) -> None:
    """Writes weights alone, as a user ships them."""
    whole = {k: v.detach().cpu().contiguous() for k, v in tensors}
    storage.write(path, safetensors.torch.save(whole), milestone)


def _digest(body: dict[str, Any]) -> str:
    return storage.digest(json.dumps(body, sort_keys=True).encode())


def _steps(directory: Path) -> list[str]:
    """Names of the checkpoints, newest first."""
    return sorted((p.stem for p in directory.glob("step-*.json")), reverse=True)
