"""One run as a user sees it: a directory with the resolved recipe, log, checkpoints, weights and result."""

from __future__ import annotations

import errno
import fcntl
import json
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import torch

from archc.ir import Graph
from archc.ir.fingerprint import spec_hash
from archc.ir.json_graph import to_json_text
from archc.train import checkpoint, storage
from archc.train.clock import peak_memory
from archc.train.datasets import Dataset
from archc.train.ranks import Ranks
from archc.train.recipe import Recipe, to_toml
from archc.train.shards import gathered
from archc.train.start import Start
from archc.train.stream import lost
from archc.train.trainer import Beat, Score, Trainer, Watch, unheard

Resume = Literal["auto", "never", "must"]


class SessionError(Exception):
    """A run cannot start where it was told to; the message says what to do."""


def run(
    graph: Graph,
    recipe: Recipe,
    data: Dataset,
    directory: Path,
    ranks: Ranks,
    *,
    start: Start | None = None,
    resume: Resume = "auto",
    stop: Callable[[], bool] = lambda: False,
    watch: Watch = lambda line: None,
    beat: Beat = unheard,
    warn: Any = lambda text: None,
    milestone: storage.Milestone = storage.passed,
) -> dict[str, Any]:
    """Trains to the end and returns what `result.json` holds; a finished run is only read.

    start: weights to begin with.
    resume: "auto" goes on from a checkpoint where there is one, "never" and "must" refuse one and none.
    stop: polled after each step beside the signals; True saves the run and raises Interrupted.
    Raises SessionError, trainer.Diverged, Interrupted, Mismatch, checkpoint.Damaged, DataError, or
    OSError.
    """
    there = any((directory / "checkpoints").glob("step-*.json"))
    if there and resume == "never":
        raise SessionError(f"{directory} holds a run: choose another directory, or resume it")
    if not there and resume == "must":
        raise SessionError(f"{directory} holds no checkpoint to resume from")
    with ExitStack() as held:
        with stopping() as asked:
            trainer = Trainer(
                graph, recipe, data, directory, ranks, start=start, stop=lambda: asked.is_set() or stop(),
                watch=watch, beat=beat, milestone=milestone,
            )  # fmt: skip
            if ranks.leads:
                directory.mkdir(parents=True, exist_ok=True)
                held.enter_context(alone(directory))
            for problem in trainer.start():
                warn(f"{problem}; going on from step {trainer.step:,}")
            if trainer.afresh and not trainer.step and ranks.leads:
                warn(f"{', '.join(trainer.afresh)} start afresh: the weights given have others, or none")
            if (directory / "result.json").exists() and trainer.step == trainer.steps:
                finished: dict[str, Any] = json.loads((directory / "result.json").read_text())
                return finished
            if ranks.leads:
                storage.write(directory / "recipe.toml", to_toml(recipe).encode(), milestone)
                storage.write(directory / "network.json", to_json_text(graph).encode(), milestone)
            begun, first = time.perf_counter(), trainer.step
            try:
                scores = trainer.train()
            except RuntimeError as error:  # torch raises it wherever the run is when a worker dies
                raise lost(error) from None
        found = _result(trainer, scores, time.perf_counter() - begun, first)
        if found["unreadable"] > len(data.bad):
            names = [*trainer.feed.bad.values(), *trainer.tests.bad.values()]
            warn(f"{found['unreadable']:,} images could not be read: {', '.join(names[-5:])}")
        weights = {"model": trainer.module.state_dict()}
        if trainer.average:
            weights["ema"] = trainer.average.state
        for name, tensors in weights.items():
            whole = gathered(tensors.items(), ranks.leads)
            if ranks.leads:
                checkpoint.save_weights(directory / f"{name}.safetensors", whole.items(), milestone)
        if ranks.leads:
            storage.write(directory / "result.json", json.dumps(found, indent=1).encode(), milestone)
        return found


def _result(trainer: Trainer, scores: dict[str, Score], seconds: float, first: int) -> dict[str, Any]:
    """What `result.json` holds of a run that went on from step `first` and took so long."""
    graph, recipe, data = trainer.graph, trainer.recipe, trainer.data
    return {
        "network": graph.name,
        "spec_sha256": spec_hash(graph),
        "params": graph.cost.params,
        "macs": graph.cost.macs,
        "recipe": recipe.model_dump(mode="json"),
        "seed": recipe.seed,
        "steps": trainer.steps,
        "held_out": data.held_out,
        "held_out_examples": len(data.test),
        "classes": list(data.classes),
        "normalisation": dict(zip(("mean", "std"), map(list, data.statistics()), strict=True)),
        "unreadable": len(data.bad) + len(trainer.feed.bad) + len(trainer.tests.bad),
        "test_shape": list(data.test_shape),
        "started_from": _origin(trainer),
        **{f"{name}_accuracy": score.accuracy for name, score in scores.items()},
        **{f"{name}_loss": score.loss for name, score in scores.items()},
        "seconds": seconds,
        "recording_seconds": trainer.recording_seconds,
        "images_per_second": (trainer.steps - first) * recipe.data.batch / seconds,
        "resumed_at": first,
        "layout": "channels_last" if trainer.layout == torch.channels_last else "contiguous",
        "versions": versions(),
        "hardware": hardware(trainer.ranks),
    }


def _origin(trainer: Trainer) -> dict[str, Any] | None:
    if trainer.begun_from is None:
        return None
    start = trainer.begun_from
    return {"file": str(start.file), "sha256": start.sha256(), "afresh": list(trainer.afresh)}


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Within it, no other process trains in the directory; it ends with this process, however that ends.

    Raises SessionError where another one does. A file system without locks goes without.
    """
    with (directory / ".lock").open("a") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise SessionError(
                    f"another process is training in {directory}: wait for it, stop it, or choose another "
                    "directory with -o"
                ) from None
        yield


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; a second SIGINT interrupts at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked  # only the main thread may handle signals
        return

    def ask(number: int, frame: Any) -> None:
        if asked.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def versions() -> dict[str, str]:
    """Of what the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in ("archc", "torch", "numpy"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "run from its source, not installed"
    return found


def hardware(ranks: Ranks) -> dict[str, Any]:
    """Device, how many, threads, and the worst memory."""
    device = ranks.device
    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else platform.processor() or platform.machine()
    )
    return {
        "device": device.type, "name": name, "processes": ranks.world, "threads": torch.get_num_threads(),
        "peak_memory_bytes": peak_memory(device),
    }  # fmt: skip
