"""Training a population: every network is a run of its own in a directory of its own, on any executor.

What became of a network is what its directory says, so that a population goes on where it was stopped, and one that
fails stops no other.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from archc.jobs.executor import Executor, Unfit, WorkerLost
from archc.train import storage
from archc.train.recipe import Recipe, parse_recipe

Status = Literal["trained", "diverged", "failed", "waiting"]
"""waiting: not begun, or stopped before its end."""

Ending = Literal["finished", "out of time", "interrupted"]

CHANCE = 100.0
"""The error of a network that diverged: no bound on errors is met."""
MARGIN = 1.1
"""Room for a network to take longer than the longest so far, before it is begun near the end of the time."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network to train. spec: its file; directory: of its run; cache: where decoded data is shared.

    until: the time (`time.time()`) at which it is stopped, to go on later.
    """

    name: str
    spec: str
    directory: str
    recipe: Recipe
    cache: str
    device: str = ""
    until: float = float("inf")


@dataclass(frozen=True, slots=True)
class Trained:
    """What became of a network: its error in percent (CHANCE where it diverged, None where there is none), the
    seconds its last session took, and what went wrong."""

    status: Status
    error: float | None = None
    seconds: float | None = None
    message: str = ""

    @property
    def columns(self) -> dict[str, Any]:
        """Of the population's table."""
        return {"error": self.error, "status": self.status, "seconds": self.seconds, "failure": self.message}


class OtherRecipe(Exception):
    """A population was trained by another recipe; the message names the keys."""


def outcome(network: Network) -> Trained:
    """What the directory of a network says. Raises OtherRecipe."""
    place = Path(network.directory)
    result, failure = place / "result.json", place / "failed.json"
    if result.exists():
        found = json.loads(result.read_text())
        before = parse_recipe(found["recipe"], str(place)).model_dump(mode="json")
        changed = _differences(before, network.recipe.model_dump(mode="json"))
        if changed:
            raise OtherRecipe(f"{place} was trained by another recipe: {', '.join(changed)} differ")
        accuracy = found.get("ema_accuracy", found["eval_accuracy"])
        return Trained("trained", round(100 * (1 - accuracy), 4), round(found["seconds"], 3))
    if failure.exists():
        found = json.loads(failure.read_text())
        return Trained(
            found["status"], CHANCE if found["status"] == "diverged" else None, None, found["message"]
        )
    return Trained("waiting")


def train(
    networks: Sequence[Network],
    executor: Executor,
    *,
    until: float = float("inf"),
    watch: Callable[[Network, Trained], None] = lambda network, trained: None,
) -> Ending:
    """Trains those that are not trained yet, in their order, and says why it ended.

    until: the time at which those that run are saved and stopped; none is begun that would likely not be done by
    then. Diverged networks stay so; others that failed are tried again. Raises OtherRecipe, or DataError and the
    like where nothing can be trained.
    """
    left = [network for network in networks if outcome(network).status not in ("trained", "diverged")]
    began: dict[str, float] = {}
    longest = 0.0
    ending: Ending = "finished"

    def due() -> Iterator[Network]:
        nonlocal ending
        for network in left:
            if time.time() + MARGIN * longest >= until:
                ending = "out of time"
            if ending != "finished":
                return
            began[network.directory] = time.time()
            yield Network(
                network.name,
                network.spec,
                network.directory,
                network.recipe,
                network.cache,
                network.device,
                until,
            )

    for done in executor.run(train_one, due()):
        longest = max(longest, time.time() - began[done.item.directory])
        if done.error is not None:
            # of a call that should have told by itself what went wrong: its worker died
            _record(Path(done.item.directory), "failed", _message(done.error))
        trained = outcome(done.item)
        if trained.status == "waiting" and ending == "finished":
            ending = "out of time" if time.time() >= until else "interrupted"
        watch(done.item, trained)
    return ending


def train_one(network: Network) -> None:
    """Trains a network to its end, or `until`; its directory tells the rest. Raises Unfit after a fault of the device."""
    from archc.diagnostics import ArchError
    from archc.train.accelerators import is_fault, release
    from archc.train.checkpoint import Damaged
    from archc.train.faults import DataError
    from archc.train.packed import reader
    from archc.train.prepare import prepare
    from archc.train.ranks import ranks
    from archc.train.session import run
    from archc.train.trainer import Diverged, Interrupted, Mismatch

    place = Path(network.directory)
    place.mkdir(parents=True, exist_ok=True)
    (place / "failed.json").unlink(missing_ok=True)
    try:
        with ranks(network.device) as group:
            ready = prepare(network.spec, network.recipe, {}, read=reader(Path(network.cache)))
            run(
                ready.graph,
                network.recipe,
                ready.data,
                place,
                group,
                stop=lambda: time.time() >= network.until,
            )
        shutil.rmtree(place / "checkpoints", ignore_errors=True)  # the weights are in model.safetensors
    except Interrupted:
        pass
    except Diverged as error:
        _record(place, "diverged", str(error))
    except (ArchError, DataError, Damaged, Mismatch, OSError, RuntimeError) as error:
        _record(place, "failed", _message(error))
        if is_fault(error):
            raise Unfit(_message(error)) from None
    finally:
        release()


def interleaved(populations: Iterable[Sequence[Network]]) -> list[Network]:
    """The first network of each population, the second of each, …: stopped at any time, all are as far."""
    columns = [list(p) for p in populations]
    return [c[i] for i in range(max(map(len, columns), default=0)) for c in columns if i < len(c)]


def _record(place: Path, status: Status, message: str) -> None:
    place.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"status": status, "message": message})
    storage.write(place / "failed.json", text.encode())


def _message(error: Exception) -> str:
    """The first line of what went wrong, and its kind where the words alone do not tell."""
    text = next(iter(str(error).strip().splitlines()), "")
    known = isinstance(error, WorkerLost | Unfit)
    return text if known and text else f"{type(error).__name__}: {text}"[:300]


def _differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Keys of nested tables whose values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        below = f"{path}." if path else ""
        return [
            d
            for key in sorted({*one, *other})
            for d in _differences(one.get(key), other.get(key), below + key)
        ]
    return [] if one == other else [path]
