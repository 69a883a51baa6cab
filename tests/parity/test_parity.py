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


@pytest.fixture(scope="module", params=MARKED)
def pair(request: pytest.FixtureRequest) -> Pair:
    """Made once for the tests of a twin, which the scope makes run one after the other."""
    return Pair(request.param)


def test_there_are_twins() -> None:
    assert len(TWINS) >= 60
    assert sum(t.small for t in TWINS) >= 10


def test_eval_outputs_are_equal(pair: Pair) -> None:
    pair.compare_eval()


def test_eval_outputs_are_equal_at_an_odd_size(pair: Pair) -> None:
    if pair.twin.odd is not None:  # networks without one are of a fixed size
        pair.compare_odd()


def test_training_gradients_are_equal(pair: Pair) -> None:
    if pair.twin.gradient:  # the others draw random numbers that cannot be switched off
        pair.compare_gradient()
