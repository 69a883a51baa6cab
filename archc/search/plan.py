"""A search as a user states it, and what it takes to run it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archc.diagnostics import did_you_mean
from archc.ir import Graph
from archc.search.choices import Choices
from archc.search.engine import Budget
from archc.search.evaluators import Nothing, TableLookup, UserCallable, resolve
from archc.search.networks import FIGURES, Counted, Networks, Tabled
from archc.search.objectives import Condition, Objective, objectives, split_conditions
from archc.search.strategies import make
from archc.search.strategies.hyperband import Hyperband
from archc.search.strategy import SearchError, Strategy
from archc.search.table import table
from archc.search.trial import Evaluator
from archc.spaces.space import Request, Space


@dataclass(frozen=True)
class TablePlan:
    """Look results up: `metric` is searched by, `report` shown for what is found."""

    path: Path
    metric: str
    report: str = ""
    key: str = ""
    same: str = ""


@dataclass(frozen=True)
class TrainPlan:
    """Train by a recipe with changes; see archc.search.training."""

    recipe: str = "search"
    changes: tuple[str, ...] = ()
    device: str = ""
    processes: int = 1


@dataclass(frozen=True)
class Plan:
    """evaluate: a TablePlan, a TrainPlan, `figures`, `zero-cost:NAME`, or package.module:callable.

    train: where the data of zero-cost scores is named. metrics: that a callable gives. latency: a table of
    `archc latency-table`. shortest: epochs of the first rung of `halving`.
    """

    request: Request
    strategy: str = "evolution"
    options: Mapping[str, Any] = field(default_factory=dict)
    evaluate: TablePlan | TrainPlan | str = TrainPlan()
    train: TrainPlan = TrainPlan()
    metrics: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    latency: Path | None = None
    budget: Budget = field(default_factory=lambda: Budget(30))
    window: int = 1
    halving: str = "none"
    shortest: float = 1.0
    eta: int = 3


@dataclass(frozen=True)
class Prepared:
    """What an engine needs. report: the metric shown for what is found, beside the objectives."""

    request: Request
    space: Space
    choices: Choices
    networks: Networks
    strategy: Strategy
    evaluator: Evaluator
    objectives: tuple[Objective, ...]
    conditions: tuple[Condition, ...]
    identity: dict[str, Any]
    report: str = ""
    longest: float | None = None


def prepared(plan: Plan) -> Prepared:
    """Everything of a search but its ledger and executor. Raises SearchError, ArchError, and what data raises."""
    latency = _latency(plan.latency)
    figures: tuple[str, ...] = (*FIGURES, *(("latency",) if latency else ()))
    own: tuple[str, ...] = ("latency",) if latency else ()
    if isinstance(plan.evaluate, TablePlan):
        found = table(plan.evaluate.path, plan.evaluate.key, plan.evaluate.same)
        figures = own = found.columns
    requires, conditions = split_conditions(plan.request.requires, own, figures)
    request = Request(
        plan.request.space, plan.request.seed, requires, plan.request.arguments, plan.request.input
    )
    evaluator, request = _evaluator(plan, request)
    space = Space(request)
    networks: Networks = (
        Tabled(space, table(plan.evaluate.path, plan.evaluate.key, plan.evaluate.same))
        if isinstance(plan.evaluate, TablePlan)
        else Counted(space, latency)
    )
    metrics = tuple(dict.fromkeys((*evaluator.metrics, *networks.figures)))
    texts = plan.objectives or (_default_objective(evaluator),)
    aims = objectives(texts, metrics)
    choices = Choices(space)
    strategy = make(plan.strategy, choices, seed=request.seed, objectives=len(aims), options=plan.options)
    longest = None
    if plan.halving != "none":
        if len(aims) > 1:
            raise SearchError(
                f"halving keeps the best by one objective, and {len(aims)} are given: make one of them, such as "
                "'accuracy * (latency / 0.01) ** -0.07'"
            )
        longest = _epochs(evaluator)
        strategy = Hyperband(
            strategy, longest, shortest=plan.shortest, eta=plan.eta, only_halving=plan.halving == "halving"
        )
    report = plan.evaluate.report if isinstance(plan.evaluate, TablePlan) else ""
    identity = {
        "space": space.name,
        "text": hashlib.sha256(space.module.source.text.encode()).hexdigest()[:16],
        "arguments": {name: str(value) for name, value in request.arguments},
        "input": list(request.input) if request.input else None,
        "requires": [*request.requires, *(c.text for c in conditions)],
        "strategy": plan.strategy,
        "options": dict(plan.options),
        "halving": [plan.halving, plan.shortest, plan.eta] if plan.halving != "none" else None,
        "seed": request.seed,
        "workers": plan.window,
        "objectives": [o.text for o in aims],
        "evaluator": evaluator.identity(),
        "latency": hashlib.sha256(plan.latency.read_bytes()).hexdigest()[:16] if plan.latency else None,
        "copies count": plan.budget.copies_count,
    }  # fmt: skip
    return Prepared(
        request, space, choices, networks, strategy, evaluator, aims, conditions, identity, report, longest
    )


def _evaluator(plan: Plan, request: Request) -> tuple[Evaluator, Request]:
    how = plan.evaluate
    if isinstance(how, TablePlan):
        found = table(how.path, how.key, how.same)
        for column in (how.metric, *([how.report] if how.report else [])):
            found.need(column)
        return TableLookup(str(how.path), how.metric, how.key, how.same), request
    if isinstance(how, TrainPlan):
        from archc.search.training import training
        from archc.train.recipe import load_recipe

        return training(
            request, load_recipe(how.recipe, how.changes), device=how.device, processes=how.processes
        )
    if how.startswith("zero-cost"):
        return _zero_cost(how.partition(":")[2], plan.train, request)
    if how == "figures":
        return Nothing(), request
    resolve(how)
    return UserCallable(how, plan.metrics or ("score",)), request


def _zero_cost(name: str, how: TrainPlan, request: Request) -> tuple[Evaluator, Request]:
    from archc.search.training import training
    from archc.search.zero_cost import SCORES, ZeroCost
    from archc.train.recipe import load_recipe

    if name not in SCORES:
        hint = did_you_mean(name, SCORES) or (f"there are {', '.join(SCORES)}",)
        raise SearchError(f"no score zero-cost:{name}: {hint[0]}")
    trained, request = training(request, load_recipe(how.recipe, how.changes))
    return ZeroCost(name, trained.recipe), request


def _default_objective(evaluator: Evaluator) -> str:
    if not evaluator.metrics:
        raise SearchError("nothing is evaluated: say what to search for, such as --objective '-macs'")
    return evaluator.metrics[0]


def _epochs(evaluator: Evaluator) -> float:
    import json

    recipe = getattr(evaluator, "recipe", None)
    if recipe is None:
        raise SearchError("halving shares out epochs of training: it needs an evaluator that trains")
    return float(json.loads(recipe)["epochs"])


def _latency(path: Path | None) -> Callable[[Graph], float] | None:
    if path is None:
        return None
    from archc.measure.latency_table import LatencyError, LatencyTable

    try:
        measured = LatencyTable.read(path)
    except LatencyError as error:
        raise SearchError(str(error)) from None

    def predict(graph: Graph) -> float:
        try:
            return measured.predict(graph)
        except LatencyError as error:
            raise SearchError(str(error)) from None

    return predict
