"""Frozen dataclasses that cost little to declare: `dataclass` writes and compiles six methods for each class.

That takes half a millisecond, and the syntax tree and the ops together are a hundred classes, of which a spec uses a
few. Here the methods are shared but for `__init__`, which is compiled for a class's first instance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform, overload

T = TypeVar("T")


@overload
def record(cls: type[T], /) -> type[T]: ...
@overload
def record(
    *, frozen: bool = ..., slots: bool = ..., eq: bool = ..., kw_only: bool = ...
) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def record(
    cls: type[T] | None = None,
    /,
    *,
    frozen: bool = True,
    slots: bool = True,
    eq: bool = True,
    kw_only: bool = False,
) -> Any:
    """`@dataclass` with these options: equality, hash, `fields` and `replace` are the same."""

    def make(cls: type[T]) -> type[T]:
        cls.__doc__ = cls.__doc__ or cls.__name__  # dataclass would look up the signature
        own = set(vars(cls))
        made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
        made.__init__ = _compiled_at_first(made, frozen)
        shared: list[Callable[..., Any]] = [__repr__]
        if eq:
            compared = [f.name for f in dataclasses.fields(made) if f.compare]
            made._compared = staticmethod(attrgetter(*compared) if compared else _nothing)
            shared += [__eq__, __hash__] if frozen else [__eq__]
            made.__hash__ = None  # unless `frozen` gives it one
        if frozen:
            shared += [__setattr__, __delattr__]
            if slots:
                shared += [__getstate__, __setstate__]
        for method in shared:
            if method.__name__ not in own:
                setattr(made, method.__name__, method)
        return made  # type: ignore[no-any-return]  # of the class it was given

    return make if cls is None else make(cls)


def _nothing(_: Any) -> tuple[()]:
    return ()


def _compiled_at_first(cls: Any, frozen: bool) -> Callable[..., None]:
    """An `__init__` that compiles the one that takes its place."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        cls.__init__ = _init_of(cls, frozen)
        cls.__init__(self, *args, **kwargs)

    return __init__


def _init_of(cls: Any, frozen: bool) -> Callable[..., None]:
    """`__init__` as `dataclass` makes it, but that slots are set by their descriptors: that is faster."""
    scope: dict[str, Any] = {"_set": object.__setattr__, "_missing": dataclasses.MISSING}
    lines: list[str] = []
    by_position: list[str] = []
    by_name: list[str] = []
    for f in dataclasses.fields(cls):
        name = f.name
        slot = getattr(cls, name, None)
        if not frozen:
            store = f"self.{name} = {{}}"
        elif type(slot).__name__ == "member_descriptor":
            scope[f"_set_{name}"] = slot.__set__  # type: ignore[union-attr]  # a descriptor has it
            store = f"_set_{name}(self, {{}})"
        else:
            store = f"_set(self, {name!r}, {{}})"
        given = name
        if f.default_factory is not dataclasses.MISSING:
            scope[f"_make_{name}"] = f.default_factory
            given = f"_make_{name}() if {name} is _missing else {name}" if f.init else f"_make_{name}()"
        elif f.default is not dataclasses.MISSING:
            scope[f"_default_{name}"] = f.default
            given = name if f.init else f"_default_{name}"
        elif not f.init:
            continue  # `__post_init__` sets it
        if f.init:
            default = f.default is not dataclasses.MISSING
            made = f.default_factory is not dataclasses.MISSING
            text = f"{name}=_default_{name}" if default else f"{name}=_missing" if made else name
            (by_name if f.kw_only else by_position).append(text)
        lines.append("    " + store.format(given))
    if hasattr(cls, "__post_init__"):
        lines.append("    self.__post_init__()")
    parameters = ", ".join(["self", *by_position, *(["*", *by_name] if by_name else [])])
    # names of fields, which this package declares: no text of a spec is in it
    exec(f"def __init__({parameters}):\n" + ("\n".join(lines) or "    pass"), scope)
    return scope["__init__"]  # type: ignore[no-any-return]  # defined by the line above


def __eq__(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self._compared(self) == self._compared(other)


def __hash__(self: Any) -> int:
    return hash(self._compared(self))


def __repr__(self: Any) -> str:
    shown = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr)
    return f"{type(self).__qualname__}({shown})"


def __setattr__(self: Any, name: str, value: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def __delattr__(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def __getstate__(self: Any) -> list[Any]:
    return [getattr(self, f.name) for f in dataclasses.fields(self)]


def __setstate__(self: Any, state: list[Any]) -> None:
    for f, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, f.name, value)
