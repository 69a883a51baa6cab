"""Every library network with a hand-written twin equals it number for number."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import tests.parity.twins
from tests.parity.compare import Pair
from tests.parity.twin import Twin

TWINS: list[Twin] = [
    twin
    for module in pkgutil.iter_modules(tests.parity.twins.__path__)
    for twin in importlib.import_module(f"tests.parity.twins.{module.name}").TWINS
]
MARKED = [pytest.param(twin, id=twin.spec, marks=() if twin.small else pytest.mark.slow) for twin in TWINS]


def test_there_are_twins() -> None:
    assert len(TWINS) >= 60
    assert sum(t.small for t in TWINS) >= 10


@pytest.mark.parametrize("twin", MARKED)
def test_equals_its_twin(twin: Twin) -> None:
    """Eval outputs at two sizes, and the gradient of a loss in training mode."""
    pair = Pair(twin)
    pair.compare_eval()
    if twin.odd:
        pair.compare_odd()
    if twin.gradient:
        pair.compare_gradient()
