"""Finding ops: every module of this package is imported once; a name defined twice raises."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import archc.ops
from archc.ops.base import Op


@cache
def registry() -> dict[str, type[Op]]:
    """All ops by the name specs write."""
    found: dict[str, type[Op]] = {}
    for module in pkgutil.iter_modules(archc.ops.__path__):
        for value in vars(importlib.import_module(f"archc.ops.{module.name}")).values():
            if not (isinstance(value, type) and issubclass(value, Op) and value.name):
                continue
            if found.setdefault(value.name, value) is not value:
                raise ValueError(f"op {value.name!r} is defined by {value!r} and {found[value.name]!r}")
    return found
