"""Every library network with a hand-written twin equals it number for number."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import tests.parity.twins
from tests.parity.compare import compare_eval, compare_gradient
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
def test_eval_outputs_are_equal(twin: Twin) -> None:
    compare_eval(twin, twin.input)


@pytest.mark.parametrize("twin", [p for p, t in zip(MARKED, TWINS, strict=True) if t.odd])
def test_eval_outputs_are_equal_at_an_odd_size(twin: Twin) -> None:
    assert twin.odd is not None
    compare_eval(twin, twin.odd)


@pytest.mark.parametrize("twin", [p for p, t in zip(MARKED, TWINS, strict=True) if t.gradient])
def test_training_gradients_are_equal(twin: Twin) -> None:
    compare_gradient(twin, twin.input)
