"""The evaluator that trains: the shared trainer for some epochs, accuracy on a validation split, never on the test's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archc.search.strategy import SearchError
from archc.search.trial import Hopeless, Job
from archc.spaces.frozen import frozen
from archc.spaces.space import Request, Space, space

if TYPE_CHECKING:
    from archc.train.datasets import Dataset
    from archc.train.recipe import Recipe

SHARE = 0.2
"""Of the training examples that are kept for validation where the recipe names no number."""


@dataclass(frozen=True)
class Training:
    """Trains by a recipe, resolved and as JSON. `accuracy` is that of the averaged weights where there are any.

    device: "" takes the accelerator where there is one. processes: of one trial, started by torchrun where there
    are several. A trial that was interrupted goes on from its checkpoint.
    """

    recipe: str
    device: str = ""
    processes: int = 1
    metrics: tuple[str, ...] = ("accuracy",)

    def __call__(self, job: Job) -> Mapping[str, float]:
        recipe = self._recipe(job.epochs)
        with one_at_a_time(job.place()):
            found = self._found(job, recipe)
            if found is None:
                found = self._together(job, recipe) if self.processes > 1 else self._alone(job, recipe)
            clear(job.place())
        if found["held_out"] != "validation":
            raise SearchError(
                f"trial {job.number} was evaluated on {found['held_out']}, not on a validation split"
            )
        accuracy = found.get("ema_accuracy", found["eval_accuracy"])
        return {"accuracy": accuracy}

    def identity(self) -> dict[str, Any]:
        return {"kind": "training", "recipe": json.loads(self.recipe)}

    def _recipe(self, epochs: float | None) -> Recipe:
        from archc.train.recipe import Recipe

        recipe = Recipe.model_validate_json(self.recipe)
        return recipe if epochs is None else recipe.model_copy(update={"epochs": epochs})

    def _found(self, job: Job, recipe: Recipe) -> dict[str, Any] | None:
        """The result of this very training, where an earlier attempt came so far."""
        from archc.ir.fingerprint import spec_hash

        for result in (job.place() / "result.json", job.place() / "run" / "result.json"):
            if result.is_file():
                found: dict[str, Any] = json.loads(result.read_text())
                same = found["recipe"] == recipe.model_dump(mode="json")
                if same and found["spec_sha256"] == spec_hash(job.graph()):
                    return found
        return None

    def _alone(self, job: Job, recipe: Recipe) -> dict[str, Any]:
        from archc.train.ranks import ranks
        from archc.train.session import run
        from archc.train.trainer import Diverged, Interrupted

        graph = job.graph()
        data = dataset(
            recipe.data.model_dump_json(), graph.inputs[0].shape, recipe.seed, recipe.augment.resized_crop
        )
        try:
            with ranks(self.device) as group:
                return run(graph, recipe, data, job.place(), group)
        except Diverged as error:
            raise Hopeless(str(error)) from None
        except Interrupted:
            raise KeyboardInterrupt from None

    def _together(self, job: Job, recipe: Recipe) -> dict[str, Any]:
        """As `torchrun … archc train SPEC`, a spec and a recipe written for it."""
        from archc.train.recipe import to_toml

        place = job.place()
        spec, recipe_file = place / "network.arch", place / "trial.toml"
        _write(spec, frozen(space(job.request), job.point, "network"))
        _write(recipe_file, to_toml(recipe))
        command = [
            sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={self.processes}",
            "-m", "archc", "train", str(spec), "--recipe", str(recipe_file), "-o", str(place / "run"),
        ]  # fmt: skip
        if self.device:
            command += ["--device", self.device]
        # workers of a cluster may have hidden devices or set ranks: torchrun sets its own
        environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        result = place / "run" / "result.json"
        if done.returncode == 3 or "Diverged" in done.stderr:
            raise Hopeless(_last_line(done.stderr))
        if done.returncode or not result.is_file():
            raise RuntimeError(f"torchrun ended with {done.returncode}: {_last_line(done.stderr)}")
        found: dict[str, Any] = json.loads(result.read_text())
        return found


@lru_cache(maxsize=2)
def dataset(data: str, shape: tuple[int, ...], seed: int, random: float = 0.0) -> Dataset:
    """The data of a recipe, read once in a process for each input size; see `load_dataset`."""
    from archc.train.loading import load_dataset
    from archc.train.recipe import Data

    return load_dataset(Data.model_validate_json(data), shape, seed, random)


def training(
    request: Request, recipe: Recipe, *, device: str = "", processes: int = 1
) -> tuple[Training, Request]:
    """An evaluator by a recipe, its validation split set, and the request with as many classes as the data has.

    Raises DataError or ArchError.
    """
    from archc.train.loading import load_dataset

    found = Space(request)
    shape = _input_shape(found)
    data = recipe.data
    found, shape = sized(found, shape, data.size)
    request = found.request
    loaded = load_dataset(data, shape, recipe.seed)
    if not data.validation:
        kept = max(1, round(SHARE * len(loaded.train)))
        data = data.model_copy(update={"validation": kept})
        recipe = recipe.model_copy(update={"data": data})
    if recipe.run.layout == "auto":  # measured, and so not the same each time
        recipe = recipe.model_copy(update={"run": recipe.run.model_copy(update={"layout": "contiguous"})})
    names = {p.name for p in found.target.arch.params}
    if "classes" in names - set(found.given) and "classes" not in found.open:
        arguments = (*request.arguments, ("classes", len(loaded.classes)))
        request = replace(request, arguments=arguments)
    return Training(recipe.model_dump_json(), device, processes), request


def sized(space: Space, shape: tuple[int, ...], size: int) -> tuple[Space, tuple[int, ...]]:
    """The space and the shape of its images, (channels, height, width), where a recipe's `data.size` asks for another."""
    if not size or space.request.input is not None:
        return space, shape
    shape = (shape[0], size, size)
    return Space(replace(space.request, input=shape)), shape


def _input_shape(found: Space) -> tuple[int, ...]:
    """Of a network of the space; those of others are brought to theirs when they are trained."""
    from archc.elaborate.choosers import Stream
    from archc.search.choices import Choices
    from archc.spaces.points import graph_of

    if found.request.input is not None:
        return found.request.input
    return graph_of(found, Choices(found).random(Stream(b"shape")).point).inputs[0].shape


@contextmanager
def one_at_a_time(place: Path) -> Iterator[None]:
    """Within it no other process is at the trial of this directory: one left behind by a killed search may be."""
    import fcntl

    with (place / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def clear(place: Path) -> None:
    """Removes the weights of a finished trial; its log and result stay."""
    for folder in (place, place / "run"):
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        for name in ("model.safetensors", "ema.safetensors"):
            (folder / name).unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    from archc.train.storage import passed, write

    write(path, text.encode(), passed)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no message"
