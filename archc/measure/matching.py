"""Finding, for each module of ours that runs, the module of another network that does the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from archc.measure.recording import Call
from archc.measure.weights import COUNTER, Keymap, Target

TOLERANCE = 1e-6
"""Largest relative error that counts as equal, in float64."""

NEAR = 0.2  # relative error up to which a differing input still tells which module is meant

ATTRIBUTES = {
    "kernel_size": "kernel", "stride": "stride", "padding": "padding", "dilation": "dilation", "groups": "groups",
    "output_padding": "output_padding", "eps": "eps", "momentum": "momentum", "num_groups": "groups",
    "affine": "affine",
}  # fmt: skip
"""Attributes of torch modules that are compared, and the parameters of ops they stand for."""

Signature = tuple[tuple[str, tuple[int, ...], bool], ...]
"""Name, shape without ones, and whether it holds floats, of every tensor of a module."""


@dataclass
class Matching:
    """Their calls not yet spoken for, and what the matched ones gave.

    keymap: their keys to ours. pairs: our call and theirs. errors: by our module's name, how far apart what
    the two read is.
    """

    waiting: list[Call]
    keymap: Keymap = field(default_factory=dict)
    pairs: list[tuple[Call, Call]] = field(default_factory=list)
    errors: dict[str, float] = field(default_factory=dict)
    _known: dict[tuple[Signature, Signature], dict[str, str] | None] = field(default_factory=dict)
    _signatures: dict[int, Signature] = field(default_factory=dict)

    def take(self, ours: Call) -> None:
        """Match one of our modules about to run, and copy the weights into it."""
        found = self._find(ours)
        if found is None:
            return
        error, theirs, assigned = found
        for mine, other in assigned.items():
            here, there = ours.tensors[mine], theirs.tensors.pop(other)
            with torch.no_grad():
                here.copy_(there.reshape(here.shape))
            target = Target(_key(ours, mine), None if here.shape == there.shape else tuple(here.shape))
            self.keymap[_key(theirs, other)] = target
        self._signatures.pop(id(theirs), None)
        if theirs.leaf or not theirs.tensors:
            self.waiting.remove(theirs)
        self.pairs.append((ours, theirs))
        self.errors[ours.name] = error

    def _find(self, ours: Call) -> tuple[float, Call, dict[str, str]] | None:
        """Their module that read what ours reads, else the nearest, else the next of the same tensors."""
        wanted = signature(ours.tensors)
        fits = [(t, a) for t in self.waiting if (a := self._fit(wanted, t)) is not None]
        scored = [(ours.read.distance(t.read), t, a) for t, a in fits if ours.read and t.read]
        # branches may begin with tensors of one shape (RegNet's projection): their attributes tell them apart, and
        # what would be left over (a depthwise 1×1 beside a normalisation)
        equals = [row for row in scored if row[0] <= TOLERANCE]
        equal = min(equals, key=lambda row: _strangeness(ours, *row[1:]), default=None)
        # a parameter of a module around others (a layer scale): what that module read says nothing
        outer = next(((0.0, t, a) for t, a in fits if not t.leaf), None)
        nearest = min(scored, key=lambda row: row[0], default=None)
        close = nearest if nearest and nearest[0] <= NEAR else None
        apart = nearest[0] if nearest else float("inf")
        return equal or outer or close or next(((apart, t, a) for t, a in fits), None)

    def _fit(self, wanted: Signature, theirs: Call) -> dict[str, str] | None:
        offered = self._signatures.get(id(theirs))
        if offered is None:
            offered = self._signatures[id(theirs)] = signature(theirs.tensors)
        key = (wanted, offered)
        if key not in self._known:
            self._known[key] = assign(*key)
        return self._known[key]


def _strangeness(ours: Call, theirs: Call, assigned: dict[str, str]) -> tuple[int, int]:
    """How many attributes two modules do not share, and how many tensors of theirs would be left."""
    return len(list(unlike(ours, theirs))), len(theirs.tensors) - len(assigned)


def signature(tensors: dict[str, Tensor]) -> Signature:
    """What decides whether tensors can stand for others."""
    return tuple(
        (name, tuple(size for size in t.shape if size != 1), t.is_floating_point())
        for name, t in tensors.items()
    )


def assign(ours: Signature, theirs: Signature) -> dict[str, str] | None:
    """Which tensor of theirs each of ours takes: the same name if it fits, else the first left that does.

    Counters they lack are left out. None when one of ours finds no partner.
    """
    found: dict[str, str] = {}
    free = {name: kind for name, *kind in theirs}
    for exact in (True, False):
        for name, *kind in ours:
            if name not in found:
                names = [name] if exact else list(free)
                other = next((n for n in names if free.get(n) == kind), None)
                if other is not None:
                    found[name] = other
                    del free[other]
    lacking = {name for name, *_ in ours} - found.keys() - {COUNTER}
    return found if found and not lacking else None


def unlike(mine: Call, other: Call) -> Iterator[tuple[str, object, object]]:
    """Attributes that two modules do not share, as (parameter, ours, theirs)."""
    for name, parameter in ATTRIBUTES.items():
        if hasattr(mine.module, name) and hasattr(other.module, name):
            a, b = _plain(_attribute(mine.module, name)), _plain(_attribute(other.module, name))
            if a != b:
                yield parameter, a, b


def _attribute(module: nn.Module, name: str) -> object:
    """An attribute; torch's padding by name, whose stride is 1, as the pixels on each side where they are equal."""
    value: object = getattr(module, name)
    if name == "padding" and isinstance(value, str) and isinstance(module, nn.Conv2d):
        windows = zip(module.kernel_size, module.dilation, strict=True)
        cut = [0 if value == "valid" else (kernel - 1) * dilation for kernel, dilation in windows]
        return tuple(c // 2 for c in cut) if not any(c % 2 for c in cut) else value
    return value


def _plain(value: object) -> object:
    """3 for (3, 3)."""
    if isinstance(value, tuple | list) and len(set(value)) == 1:
        return value[0]
    return tuple(value) if isinstance(value, list) else value


def _key(call: Call, name: str) -> str:
    return f"{call.name}.{name}" if call.name else name
