"""Evaluators that need no training: a table, figures, and any callable of the user's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from archc.search.strategy import SearchError
from archc.search.table import table
from archc.search.trial import Job
from archc.spaces.points import answered
from archc.spaces.space import space


@dataclass(frozen=True)
class TableLookup:
    """All figures of the network's row; `accuracy` is column `metric`."""

    path: str
    metric: str
    key: str = ""
    same: str = ""
    metrics: tuple[str, ...] = ("accuracy",)

    def __call__(self, job: Job) -> Mapping[str, float]:
        arguments = answered(space(job.request), job.point, cost=False).arguments
        figures = table(Path(self.path), self.key, self.same).row(arguments).figures
        return {**figures, "accuracy": figures[self.metric]}

    def identity(self) -> dict[str, Any]:
        return {"kind": "table", "table": Path(self.path).name, "metric": self.metric}


@dataclass(frozen=True)
class Nothing:
    """No metric beside the figures every network has: for searches by params, macs or a latency table."""

    metrics: tuple[str, ...] = ()

    def __call__(self, job: Job) -> Mapping[str, float]:
        return {}

    def identity(self) -> dict[str, Any]:
        return {"kind": "figures"}


@dataclass(frozen=True)
class UserCallable:
    """`package.module:callable`, called with the Job: returns a number, which becomes `score`, or a dict of them."""

    name: str
    metrics: tuple[str, ...] = ()

    def __call__(self, job: Job) -> Mapping[str, float]:
        found = resolve(self.name)(job)
        return dict(found) if isinstance(found, Mapping) else {"score": float(found)}

    def identity(self) -> dict[str, Any]:
        return {"kind": "callable", "callable": self.name}


@lru_cache(maxsize=8)
def resolve(name: str) -> Callable[[Job], Any]:
    """The callable of that name; the current directory counts as a place for modules. Raises SearchError."""
    module, colon, attribute = name.partition(":")
    if not colon:
        raise SearchError(f"{name!r} is not package.module:callable")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise SearchError(f"cannot import {name}: {error}") from None
    if not callable(found):
        raise SearchError(f"{name} cannot be called")
    return found  # type: ignore[no-any-return]  # whatever the user's callable returns
