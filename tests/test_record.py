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


WRONG = [((), {}), ((1, 2, [], 4), {}), ((1,), {"z": 2}), ((1,), {"x": 2})]


@pytest.mark.parametrize(("args", "kwargs"), WRONG)
def test_refuses_what_a_dataclass_refuses(args: Any, kwargs: Any) -> None:
    @record
    class New:
        x: int
        y: int = 2
        seen: list[int] = field(default_factory=list)

    for made in (New, Point):
        for _ in range(2):
            with pytest.raises(TypeError, match="argument"):
                made(*args, **kwargs)
    assert New(1) == New(1)


def test_an_init_of_its_own_fields_only() -> None:
    for _ in range(2):
        value = Open(3)
        assert (value.left, value.right) == (3, -3)
        with pytest.raises(TypeError, match="argument"):
            Open(3, right=4)  # type: ignore[call-arg]  # what is tested


def test_inherited_fields_stay_by_name() -> None:
    assert (Deep("a", at=3).at, Deep("a").at) == (3, 0)
    with pytest.raises(TypeError, match="argument"):
        Deep("a", 3)  # type: ignore[misc]  # what is tested


def test_without_equality_each_is_itself() -> None:
    one = Same()
    assert (one == one, one == Same(), Same.__doc__) == (True, False, "Kept.")
