"""`record` declares what `dataclass` would."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import dataclass, field
from typing import Any

import pytest

from archc.diagnostics.record import record


@record
class Point:
    x: int
    y: int = 2
    seen: list[int] = field(default_factory=list, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Plain:
    x: int
    y: int = 2
    seen: list[int] = field(default_factory=list, compare=False, repr=False)


@record(kw_only=True)
class Named:
    at: int = 0


@record
class Deep(Named):
    value: str


@record(frozen=False)
class Open:
    left: int
    right: int = field(init=False)

    def __post_init__(self) -> None:
        self.right = -self.left


@record(slots=False, eq=False)
class Same:
    """Kept."""


@pytest.mark.parametrize("arguments", [((1,), {}), ((1, 3), {}), ((), {"x": 1, "seen": [4]})])
def test_behaves_as_a_dataclass(arguments: Any) -> None:
    args, kwargs = arguments
    ours, theirs = Point(*args, **kwargs), Plain(*args, **kwargs)
    assert repr(ours) == repr(theirs).replace("Plain", "Point")
    assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert hash(ours) == hash(theirs)
    assert ours == Point(*args, **kwargs)
    assert ours != Point(7)
    assert ours != theirs
    assert dataclasses.replace(ours, x=5) == Point(5, ours.y)
    assert copy.deepcopy(ours) == ours
    assert pickle.loads(pickle.dumps(ours)) == ours  # its own bytes: processes exchange records so


@pytest.mark.parametrize("call", [lambda: Point(), lambda: Point(1, 2, [], 4), lambda: Point(1, z=2)])
def test_refuses_what_a_dataclass_refuses(call: Any) -> None:
    with pytest.raises(TypeError, match="argument"):
        call()


def test_is_frozen() -> None:
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 2  # type: ignore[misc]  # what is tested
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    assert not hasattr(point, "__dict__")


def test_inherits_and_orders_parameters() -> None:
    assert Deep("a", at=3) == Deep(at=3, value="a")
    assert Deep("a").at == 0
    with pytest.raises(TypeError, match="positional"):
        Deep("a", 3)  # type: ignore[misc]  # what is tested


def test_what_is_not_frozen_is_not_hashable() -> None:
    value = Open(3)
    value.left = 4
    assert (value.left, value.right) == (4, -3)
    assert value != Open(4)
    with pytest.raises(TypeError, match="unhashable"):
        hash(value)


def test_identity_where_equality_is_not_asked_for() -> None:
    one = Same()
    assert one == one
    assert one != Same()
    assert Same.__doc__ == "Kept."
