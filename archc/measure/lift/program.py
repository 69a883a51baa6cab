"""What a traced network is: applications of primitives in order, each at the path of the module that ran it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from archc.ops.base import Op, Shape


@dataclass(frozen=True, slots=True)
class Step:
    """A primitive applied to values; `id` is the value it makes. path: of the module, with its classes."""

    id: int
    op: Op
    inputs: tuple[int, ...]
    shape: Shape
    path: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """Steps after those they read; values that come in and go out; the shapes of all; keys of the weights read."""

    inputs: tuple[int, ...]
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    shapes: dict[int, Shape]
    weights: frozenset[str]


@dataclass(slots=True, eq=False)
class Scope:
    """One run of a module: steps and runs of its own modules, in order. `name` is its own, `path` the whole.

    home: path of the module it belongs to, when it stands for one that holds nothing else.
    """

    name: str
    kind: str
    path: tuple[str, ...]
    items: list[Step | Scope] = field(default_factory=list)
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    home: tuple[str, ...] = ()

    def steps(self) -> Iterator[Step]:
        """All steps in it."""
        for item in self.items:
            if isinstance(item, Step):
                yield item
            else:
                yield from item.steps()


Item = Step | Scope


def inputs_of(item: Item) -> tuple[int, ...]:
    """The values an item reads."""
    return item.inputs


def outputs_of(item: Item) -> tuple[int, ...]:
    """The values it makes that others read."""
    return (item.id,) if isinstance(item, Step) else item.outputs


def arguments_of(step: Step) -> dict[str, Any]:
    """The op's arguments, pairs of one number written as that number."""
    return {name: single(value) for name, value in step.op.arguments().items()}


def single(value: Any) -> Any:
    """A pair of one number as that number."""
    same = isinstance(value, tuple) and len(value) == 2 and value[0] == value[1]
    return value[0] if same else value
