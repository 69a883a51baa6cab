"""What expressions evaluate to: numbers, strings, lists, tensors, and ops as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from archc.diagnostics import Diagnostic, Span
from archc.diagnostics.record import record
from archc.ops.checks import describe_shape
from archc.ops.params import show as show_plain
from archc.ops.symbolic import Untraceable

if TYPE_CHECKING:
    from archc.elaborate.builder import Body
    from archc.elaborate.signature import Target
    from archc.ops.base import Shape


class Failure(Exception):
    """A statement could not be evaluated. `diagnostic` is None where the cause was already reported."""

    def __init__(self, diagnostic: Diagnostic | None = None) -> None:
        super().__init__(diagnostic)
        self.diagnostic = diagnostic


class Fatal(Exception):
    """A limit was reached: elaboration stops at once. `diagnostic` says why; None where what is reported does."""

    def __init__(self, diagnostic: Diagnostic | None = None) -> None:
        super().__init__(diagnostic)
        self.diagnostic = diagnostic


class Rejected(Exception):
    """A sample did not meet a `require`; carries the constraint's text."""


def fail(
    code: str,
    message: str,
    span: Span,
    label: str = "",
    help: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Failure:
    """The Failure to raise for a new diagnostic."""
    return Failure(Diagnostic(code, message, span, label, help, notes))


class Poison:
    """Bound to a name whose value failed; reading it fails silently."""

    key = ("poison",)

    def __repr__(self) -> str:
        return "<poison>"


POISON = Poison()


class Tensor:
    """A value of the graph under construction. `tainted`: its shape is a guess made after an error."""

    __slots__ = ("body", "ref", "shape", "tainted")

    def __init__(self, body: Body, ref: int, shape: Shape, tainted: bool = False) -> None:
        self.body = body
        self.ref = ref
        self.shape = shape
        self.tainted = tainted


LONG = 32
"""Bindings from which on a chain is not looked through one by one."""


class Ambient:
    """An immutable, interned chain of `set` bindings: equal chains are the same object."""

    __slots__ = ("children", "far", "length", "name", "parent", "value")

    def __init__(self, parent: Ambient | None, name: str, value: Any) -> None:
        self.parent = parent
        self.name = name
        self.value = value
        self.length: int = 0 if parent is None else parent.length + 1
        self.children: dict[Any, Ambient] = {}
        self.far: dict[str, Any] = {}  # what a long chain was asked for

    def extend(self, name: str, value: Any) -> Ambient:
        """This chain with one more binding in front."""
        try:
            key = (name, key_of(value))
        except Untraceable:  # it holds a symbol, which nothing else is equal to
            return Ambient(self, name, value)
        found = self.children.get(key)
        if found is None:
            found = self.children[key] = Ambient(self, name, value)
        return found

    def lookup(self, name: str) -> Any:
        """The nearest binding of `name`, or MISSING."""
        if self.length > LONG:
            return self._looked_up(name)
        at: Ambient | None = self
        while at is not None:
            if at.name == name:
                return at.value
            at = at.parent
        return MISSING

    def _looked_up(self, name: str) -> Any:
        """`lookup` in a chain of perhaps thousands: the answer is kept along the way."""
        passed, at = [], self
        while name not in at.far and at.name != name and at.parent is not None:
            if not at.length % LONG:
                passed.append(at)
            at = at.parent
        found = at.far.get(name, MISSING) if at.name != name else at.value
        for each in (self, *passed):
            each.far[name] = found
        return found


class Missing:
    def __repr__(self) -> str:
        return "<missing>"


MISSING = Missing()


class Shown:
    """A value that ops, which do not know it, show in the words of the language."""

    __slots__ = ()

    def __str__(self) -> str:
        return show(self)


@record(eq=False)
class OpValue(Shown):
    """An op or block, possibly partially applied.

    args: bound non-tensor arguments by name. positional: how many of them were given by position.
    captured: the ambients where it was partially applied; None for a bare name, which captures nothing.
    """

    target: Target
    args: dict[str, Any]
    arg_spans: dict[str, Span]
    captured: Ambient | None
    span: Span
    positional: int = 0

    @property
    def key(self) -> Any:
        if not self.args:
            return ("op", self.target)
        args = tuple(sorted([(name, key_of(value)) for name, value in self.args.items()]))
        return ("op", self.target, args, self.captured)


@record
class Step:
    """One op of a composition, with the name it was called by and where."""

    op: Any
    hint: str
    span: Span


@record(eq=False)
class Composition(Shown):
    """`f -> g -> h` as a value. No steps: the identity."""

    steps: tuple[Step, ...]

    @property
    def key(self) -> Any:
        return ("composition", tuple((key_of(s.op), s.hint) for s in self.steps))


IDENTITY = Composition(())


@record(eq=False)
class Mixture(Shown):
    """A pick of one of several ops, kept open: applied, it is the weighted sum of what they make.

    weigh: applied to the result, where it is itself one of several to be picked; then there may be one op only.
    """

    choice: str
    ops: tuple[Any, ...]
    span: Span
    weigh: OpValue | None = None

    @property
    def key(self) -> Any:
        return (
            "mixture",
            self.choice,
            *map(key_of, self.ops),
            None if self.weigh is None else self.weigh.key,
        )


@record(eq=False)
class Kept:
    """A pick of one of several values, kept open: only lists of tensors or ops can be indexed by it."""

    choice: str
    items: tuple[Any, ...]
    span: Span

    @property
    def key(self) -> Any:
        return ("kept", self.choice, *map(key_of, self.items))

    def refused(self) -> Failure:
        """The Failure where it is taken for one value."""
        what = ", ".join(map(show, self.items[:6])) + (", …" if len(self.items) > 6 else "")
        return fail(
            "E0528", f"`{self.choice}` cannot be kept open: it decides a number, a size or a condition", self.span,
            f"any of {what}",
            ("a supernet keeps choices among ops and tensors: settle this one with `-p`, or search by sampling",),
        )  # fmt: skip


@record(eq=False)
class Function(Shown):
    """A builtin, or an `fn` closed over its scope: of numbers, strings and lists."""

    name: str
    call: Callable[..., Any]
    signature: str = ""

    @property
    def key(self) -> Any:
        return ("fn", self)


_OPS = (OpValue, Composition, Mixture)


def is_op(value: Any) -> bool:
    """Can be applied to tensors."""
    return isinstance(value, _OPS)


def is_open(value: Any) -> bool:
    """A choice that is kept open."""
    return isinstance(value, Mixture | Kept)


def later(op: Any) -> Any:
    """What a stage applies from its second repetition on: a partially applied op that strides with `stride = 1`."""
    if isinstance(op, Mixture):
        return replace(op, ops=tuple([later(o) for o in op.ops]))
    if isinstance(op, OpValue) and op.target.strides(op.args):
        return OpValue(op.target, {**op.args, "stride": 1}, op.arg_spans, op.captured, op.span, op.positional)
    return op


def key_of(value: Any) -> Any:
    """A hashable key that is equal for equal values and tells 1, 1.0 and true apart."""
    kind = type(value)
    if kind is int or kind is str:
        return value
    if kind is float:
        return ("f", value)
    if kind is bool:
        return ("b", value)
    if kind is list or kind is tuple:
        return (kind.__name__, *[key_of(v) for v in value])
    if kind is Tensor:
        return ("tensor", id(value))
    if value is None:
        return None
    if kind is range:
        return ("range", value.start, value.stop)
    return value.key


def type_name(value: Any) -> str:
    """The type of a value in the words of the language; of what is kept open there is none: raises Failure."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, Tensor):
        return "tensor"
    if is_op(value):
        return "op"
    if isinstance(value, Function):
        return "function"
    if isinstance(value, Kept):
        raise value.refused()
    return {int: "int", float: "float", str: "string", list: "list", tuple: "tuple", range: "range"}.get(
        type(value), getattr(value, "type_name", "value")
    )


def a_type(value: Any) -> str:
    """`an int`, `a tensor`."""
    name = type_name(value)
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


MAX_SHOWN = 5_000
"""Values within one that its text has."""


def show(value: Any, left: list[int] | None = None) -> str:
    """A value in the words of the language, short enough for a message; raises Failure for what is kept open.

    left: how many more values the text may have.
    """
    left = [MAX_SHOWN] if left is None else left
    left[0] -= 1
    if left[0] < 0:
        return "…"
    if isinstance(value, Tensor):
        return describe_shape(value.shape)
    if isinstance(value, OpValue):
        inner = ", ".join(f"{k} = {show(v, left)}" for k, v in value.args.items())
        return f"{value.target.name}({inner})" if inner else value.target.name
    if isinstance(value, Composition):
        return " -> ".join(show(s.op, left) for s in value.steps[:MAX_SHOWN]) or "identity"
    if isinstance(value, Function):
        return value.name
    if isinstance(value, Mixture):
        return f"one of {', '.join(show(op, left) for op in value.ops)}"
    if isinstance(value, Kept):
        raise value.refused()
    if isinstance(value, list | tuple):
        text = ", ".join(show(v, left) for v in value[:8]) + (", …" if len(value) > 8 else "")
        if isinstance(value, list):
            return f"[{text}]"
        return f"({text},)" if len(value) == 1 else f"({text})"
    if isinstance(value, str) and len(value) > 60:
        return show_plain(value[:60] + "…")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**20:
        return f"{float(value):.3g}" if abs(value) < 10**300 else "a huge number"
    return show_plain(value)


def show_shape(shape: tuple[int, ...]) -> str:
    """`3×224×224`."""
    return "×".join(map(str, shape)) if len(shape) > 1 else f"({', '.join(map(str, shape))})"


def tensors_in(value: Any) -> bool:
    """Whether a value is or holds a tensor."""
    kind = type(value)
    if kind is list or kind is tuple:
        for item in value:
            of_item = type(item)
            if of_item is Tensor or ((of_item is list or of_item is tuple) and tensors_in(item)):
                return True
        return False
    return kind is Tensor
