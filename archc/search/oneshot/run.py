"""A one-shot search from its request to a network trained from scratch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from archc.diagnostics import did_you_mean
from archc.ir.fingerprint import spec_hash
from archc.search.choices import Choices
from archc.search.oneshot import darts, enas, single_path
from archc.search.oneshot.budget import Budget
from archc.search.oneshot.course import Course
from archc.search.oneshot.feed import Feed
from archc.search.oneshot.network import OneShot
from archc.search.oneshot.outcome import OneShotResult
from archc.search.oneshot.report import report
from archc.search.strategy import SearchError
from archc.search.training import sized
from archc.spaces.frozen import frozen
from archc.spaces.point_text import to_json
from archc.spaces.points import graph_of
from archc.spaces.space import Request, Space
from archc.spaces.supernet import Supernet, supernet
from archc.train.datasets import Dataset
from archc.train.loading import load_dataset
from archc.train.ranks import Ranks
from archc.train.recipe import Recipe, load_recipe
from archc.train.seeds import seed_of
from archc.train.session import run
from archc.train.storage import write

SETTINGS: dict[str, Any] = {"darts": darts.Darts, "enas": enas.Enas, "single-path": single_path.SinglePath}
COMMON: dict[str, Any] = {"supernet_epochs": 10.0, "supernet_recipe": "darts"}
"""Options of all of them: what the supernet is trained by, and how long where no seconds are given."""

Watch = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class OneShotPlan:
    """recipe, changes: of the training from scratch, and of the data. options: of the strategy, as the user gave
    them. seconds: for the search; 0 goes by its epochs."""

    request: Request
    strategy: str
    options: Mapping[str, Any]
    recipe: str
    changes: tuple[str, ...] = ()
    seconds: float = 0


@dataclass(frozen=True)
class Found:
    """The space as it was searched, what the search ended in, and what training from scratch gave."""

    space: Space
    result: OneShotResult
    trained: dict[str, Any]


def options_of(strategy: str) -> dict[str, Any]:
    """The options of a strategy, with their defaults."""
    own = {f.name: f.default for f in fields(SETTINGS[strategy]) if f.default is not MISSING}
    return {**own, **COMMON}


def search(
    plan: OneShotPlan, directory: Path, ranks: Ranks, *, command: str = "", watch: Watch = lambda line: None
) -> Found:
    """Searches, then trains what was found; best_1.arch, its point, search.jsonl, report.html and the run lie in
    `directory`, and in its `search/` what the same search goes on from after a stop.

    command: as the user gave it, for the report. watch: told of the search's epochs. Raises SearchError, ArchError
    where the space is no supernet, and what a training raises.
    """
    options = _checked(plan)
    training = load_recipe(plan.recipe, plan.changes)
    weights = _weights_recipe(options.pop("supernet_recipe"), plan, training)
    epochs = float(options.pop("supernet_epochs"))
    budget = Budget(seconds=plan.seconds) if plan.seconds else Budget(epochs=epochs)
    space, data = _with_data(plan.request, training)
    whole = supernet(space)
    course = Course(
        budget, ranks.device, directory=directory / "search", identity=_identity(plan, space, whole, weights, training), watch=watch
    )  # fmt: skip
    torch.manual_seed(seed_of(plan.request.seed, "supernet"))
    net = OneShot(whole)
    result = course.result or _searched(
        plan, SETTINGS[plan.strategy](**options), net, data, weights, course, space
    )
    course.finish(result)
    directory.mkdir(parents=True, exist_ok=True)
    doc = f"Found by one-shot search ({plan.strategy}) of {plan.request.space}, seed {plan.request.seed}."
    spec = frozen(space, result.point, "best_1", doc, "archc search")
    write(directory / "best_1.arch", spec.encode())
    write(directory / "best_1.json", (to_json(result.point, 2) + "\n").encode())
    write(directory / "search.jsonl", "".join(f"{json.dumps(line)}\n" for line in result.history).encode())
    graph = graph_of(space, result.point)
    trained = run(graph, training, data, directory / "run", ranks)
    told = {"space": space.name, "strategy": plan.strategy, "seed": plan.request.seed, **dict(plan.options)}
    page = report(net, result, graph, spec, trained, told, command)
    write(directory / "report.html", page.encode())
    return Found(space, result, trained)


def _searched(
    plan: OneShotPlan,
    settings: Any,
    net: OneShot,
    data: Dataset,
    weights: Recipe,
    course: Course,
    space: Space,
) -> OneShotResult:
    feed, choices = Feed(data, weights, course.device), Choices(space)
    if isinstance(settings, darts.Darts):
        meets = choices.meets if space.requirements else None
        return darts.search(net, feed, weights, settings, course, meets)
    module = enas if isinstance(settings, enas.Enas) else single_path
    found: OneShotResult = module.search(net, feed, weights, settings, course, choices)
    return found


def _identity(
    plan: OneShotPlan, space: Space, whole: Supernet, weights: Recipe, training: Recipe
) -> dict[str, Any]:
    """What must be the same for a search to go on, and its training after it."""
    return {
        "space": hashlib.sha256(space.module.source.text.encode()).hexdigest()[:16],
        "network": spec_hash(whole.graph)[:16],  # with what the space imports
        "parameters": {name: str(value) for name, value in space.given.items()},
        "input": list(plan.request.input) if plan.request.input else None,
        "requirements": list(plan.request.requires),
        "strategy": plan.strategy,
        "options": dict(plan.options),
        "seed": plan.request.seed,
        "budget": plan.seconds,
        "recipe of the supernet": weights.model_dump(mode="json"),
        "recipe": training.model_dump(mode="json"),
    }


def _checked(plan: OneShotPlan) -> dict[str, Any]:
    """The options, each of its default's type. Raises SearchError."""
    known = options_of(plan.strategy)
    given = dict(plan.options)
    for key, value in given.items():
        if key not in known:
            hint = did_you_mean(key, known) or (f"it has {', '.join(known)}",)
            raise SearchError(f"{plan.strategy} has no option {key!r}: {hint[0]}")
        if isinstance(known[key], float) and type(value) is int:
            given[key] = float(value)
        elif type(given[key]) is not type(known[key]):
            raise SearchError(f"{plan.strategy}: {key} is {type(known[key]).__name__}, not {value!r}")
    return {**COMMON, **given}


def _weights_recipe(name: str, plan: OneShotPlan, training: Recipe) -> Recipe:
    """How the shared weights are trained: on the data, augmentation and precision of the training."""
    if training.run.precision == "fp16":
        raise SearchError(
            "a supernet's losses are not scaled, as fp16 would need: take --set run.precision=bf16, or fp32"
        )
    found = load_recipe(name)
    data = training.data.model_copy(update={"batch": found.data.batch})
    run_ = found.run.model_copy(update={"precision": training.run.precision})
    update = {"data": data, "run": run_, "augment": training.augment, "seed": plan.request.seed}
    return found.model_copy(update=update)


def _with_data(request: Request, recipe: Recipe) -> tuple[Space, Dataset]:
    """The space, with as many classes as the data where it has a parameter for them, and the data in its size."""
    space = Space(request)
    shape = request.input or supernet(space).graph.inputs[0].shape
    space, shape = sized(space, shape, recipe.data.size)
    data = load_dataset(recipe.data, shape, recipe.seed)
    if any(p.name == "classes" for p in space.target.arch.params) and "classes" not in space.given:
        arguments = (*request.arguments, ("classes", len(data.classes)))
        space = Space(replace(space.request, arguments=arguments))
    return space, data
