"""Every library network with a hand-written twin."""

from __future__ import annotations

import importlib
import pkgutil

from tests.parity.twin import Twin


def all_twins() -> list[Twin]:
    """The twins that the modules beside this one list."""
    names = [f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)]
    return [twin for name in names for twin in importlib.import_module(name).TWINS]
