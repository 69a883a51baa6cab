"""Strategies by name, each in a module of its own."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from archc.diagnostics import did_you_mean
from archc.search.choices import Choices
from archc.search.strategy import SearchError, Strategy

STRATEGIES = {
    "random": ("random", "Random"),
    "grid": ("grid", "Grid"),
    "local": ("local", "Local"),
    "evolution": ("evolution", "Evolution"),
    "reinforce": ("controller", "Reinforce"),
    "ppo": ("controller", "Ppo"),
    "nsga2": ("samplers", "NsgaTwo"),
    "tpe": ("samplers", "Tpe"),
}
ONE_SHOT = ("darts", "enas", "single-path")
"""Those that train one supernet, by `archc.search.oneshot.run.search`, and so are not made here."""
SEVERAL = frozenset({"random", "grid", "nsga2", "tpe"})
"""Those that take several objectives."""


def make(
    name: str,
    choices: Choices,
    *,
    seed: int = 0,
    objectives: int = 1,
    options: Mapping[str, Any] | None = None,
) -> Strategy:
    """The strategy of that name. options: its own, as `parameters` tells. Raises SearchError."""
    if name in ONE_SHOT:
        raise SearchError(f"{name} trains one supernet: call archc.search.oneshot.run.search")
    check_name(name)
    if objectives > 1 and name not in SEVERAL:
        raise SearchError(
            f"{name} follows one objective, and {objectives} are given: take nsga2, or make one of them, such as "
            "'accuracy * (latency / 0.01) ** -0.07'"
        )
    known = parameters(name)
    given = dict(options or {})
    for key, value in given.items():
        if key not in known:
            hint = did_you_mean(key, known) or (f"it has {', '.join(known) or 'none'}",)
            raise SearchError(f"{name} has no option {key!r}: {hint[0]}")
        if type(known[key]) is float and type(value) is int:
            given[key] = float(value)
        elif known[key] is not None and type(given[key]) is not type(known[key]):
            raise SearchError(f"{name}: {key} is {type(known[key]).__name__}, not {value!r}")
    made: Strategy = _class(name)(choices, seed, objectives, **given)
    return made


def check_name(name: str) -> None:
    """Raises SearchError where there is no strategy of that name, one-shot ones counted."""
    names = (*STRATEGIES, *ONE_SHOT)
    if name not in names:
        hint = did_you_mean(name, names) or (f"there are {', '.join(names)}",)
        raise SearchError(f"no strategy {name!r}: {hint[0]}")


def parameters(name: str) -> dict[str, Any]:
    """A strategy's options with their defaults, those it hands on to what it is derived from among them."""
    return {
        key: parameter.default
        for cls in reversed(_class(name).__mro__[:-1])
        for key, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }


def _class(name: str) -> Any:
    module, attribute = STRATEGIES[name]
    try:
        return getattr(import_module(f"archc.search.strategies.{module}"), attribute)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("archc"):
            raise
        extra = "search" if error.name == "optuna" else "train"
        raise SearchError(f"{name} needs {error.name}: pip install 'archc[{extra}]'") from None
