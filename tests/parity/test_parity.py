"""Every library network with a hand-written twin equals it number for number."""

from __future__ import annotations

import pytest

from tests.parity.compare import Pair
from tests.parity.twin import Twin
from tests.parity.twins import all_twins

TWINS = all_twins()
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
