"""Numbers that remember how they were computed, so that a computation can be done again for other numbers.

`Trace` hands out `Symbol`s for the numbers a computation starts from. Each is worth a number, so the computation takes
the way it would take for that; each comparison is recorded with its outcome. `Trace.formula` makes of this a function
of the starting numbers: it computes the results, or finds that its way is not that of the numbers given.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

LEAF_BITS = 31
"""A formula takes ints below 2^31, either way."""
MAX_STEPS = 5_000


class Untraceable(Exception):
    """The computation does with a number what cannot be recorded."""


class Symbol:
    """A number of a trace: the value it has there, and the step that computes it.

    whole: an int rather than a float. bits: an int is below 2^bits, either way.
    """

    __slots__ = ("bits", "step", "trace", "value", "whole")

    def __init__(self, trace: Trace, step: str, value: int | float, bits: int) -> None:
        self.trace = trace
        self.step = step
        self.value = value
        self.whole = type(value) is int
        self.bits = bits

    @property
    def type_name(self) -> str:
        return "int" if self.whole else "float"

    @property
    def key(self) -> Any:
        raise Untraceable

    def as_float(self) -> Any:
        """The same number as a float."""
        return self.trace.call("float", float, (self,)) if self.whole else self

    def as_int(self) -> Any:
        """The same number as an int; raises Untraceable where it is not whole."""
        if self.whole:
            return self
        found = self.trace.call("int", int, (self,))
        if found != self:
            raise Untraceable
        return found

    def fixed(self) -> int | float:
        """The number itself, which the trace then takes for granted."""
        if not self.trace.compare("==", operator.eq, self, self.value):
            raise Untraceable  # it is not a number
        return self.value

    def within(self, limit: int) -> bool:
        """Whether -limit < number < limit, which the trace then takes for granted."""
        if self.whole and self.bits < limit.bit_length():
            return True
        return bool(self < limit) and bool(self > -limit)

    if TYPE_CHECKING:  # set below, with the other operators

        def __lt__(self, other: Any) -> bool: ...
        def __le__(self, other: Any) -> bool: ...
        def __gt__(self, other: Any) -> bool: ...
        def __ge__(self, other: Any) -> bool: ...

    def __bool__(self) -> bool:
        return self.trace.compare("!=", operator.ne, self, 0)

    def __round__(self, digits: None = None) -> Any:
        if digits is not None:
            raise Untraceable
        return self if self.whole else self.trace.call("round", round, (self,))

    def __floor__(self) -> Any:
        return self.trace.call("floor", math.floor, (self,))

    def __ceil__(self) -> Any:
        return self.trace.call("ceil", math.ceil, (self,))

    def __abs__(self) -> Any:
        return self.trace.call("abs", abs, (self,), self.bits)

    def __neg__(self) -> Any:
        return self.trace.call("neg", operator.neg, (self,), self.bits)

    def __pos__(self) -> Any:
        return self

    def _refuse(self, *_: Any) -> Any:
        raise Untraceable

    __int__ = __float__ = __index__ = __hash__ = __str__ = __repr__ = __format__ = __trunc__ = _refuse
    __pow__ = __rpow__ = __divmod__ = __rdivmod__ = __iter__ = _refuse


def _arithmetic(sign: str, compute: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    def apply(self: Symbol, other: Any) -> Any:
        return self.trace.combine(sign, compute, self, other)

    def reflected(self: Symbol, other: Any) -> Any:
        return self.trace.combine(sign, compute, other, self)

    return apply, reflected


def _comparison(sign: str, compute: Callable[[Any, Any], bool]) -> Any:
    def apply(self: Symbol, other: Any) -> bool:
        return self.trace.compare(sign, compute, self, other)

    return apply


for _name, _sign in {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%",
}.items():  # fmt: skip
    _apply, _reflected = _arithmetic(_sign, getattr(operator, _name))
    setattr(Symbol, f"__{_name}__", _apply)
    setattr(Symbol, f"__r{_name}__", _reflected)
for _name, _sign in {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}.items():
    setattr(Symbol, f"__{_name}__", _comparison(_sign, getattr(operator, _name)))


class Trace:
    """What is recorded: the steps, each a line of the formula, and the comparisons among them."""

    def __init__(self, leaves: Sequence[int | float]) -> None:
        self.lines: list[str] = []
        self.known: dict[Any, Symbol] = {}  # one step for equal computations
        self.asked: dict[str, bool] = {}
        self.functions: dict[Any, tuple[str, Callable[..., Any]]] = {}
        self.leaves = [Symbol(self, f"a{i}", value, LEAF_BITS) for i, value in enumerate(leaves)]

    def combine(self, sign: str, compute: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
        """`a sign b`, at least one of them a symbol."""
        left, right = _operand(a), _operand(b)
        if sign in ("/", "//", "%") and right == 0:
            raise Untraceable
        value = compute(left, right)
        if sign == "*" and (_is(a, 1, value, b) or _is(b, 1, value, a)):
            return b if type(b) is Symbol else a
        if sign == "+" and (_is(a, 0, value, b) or _is(b, 0, value, a)):
            return b if type(b) is Symbol else a
        return self._step(f"{_text(a)} {sign} {_text(b)}", value, _bits(sign, a, b))

    def call(
        self, key: Any, function: Callable[..., Any], arguments: tuple[Any, ...], bits: int = 10_000
    ) -> Any:
        """A function of numbers, known by `key`, which the formula calls again; always of the same type."""
        name, _ = self.functions.setdefault(key, (f"f{len(self.functions)}", function))
        value = function(*map(_operand, arguments))
        return self._step(f"{name}({', '.join(map(_text, arguments))})", value, bits)

    def compare(self, sign: str, compute: Callable[[Any, Any], bool], a: Symbol, b: Any) -> bool:
        """The outcome of a comparison, which is that of every use of the formula."""
        if type(b) in (list, tuple, type(None)) and sign in ("==", "!="):
            return sign == "!="
        outcome = bool(compute(a.value, _operand(b)))
        text = f"{a.step} {sign} {_text(b)}"
        if text not in self.asked:
            self.asked[text] = outcome
            self.require(text if outcome else f"not {text}")
        return outcome

    def require(self, condition: str) -> None:
        """The formula holds only where the condition does."""
        if len(self.lines) > MAX_STEPS:
            raise Untraceable
        self.lines.append(f"if not ({condition}): return None")

    def _step(self, text: str, value: int | float, bits: int) -> Symbol:
        found = self.known.get(text)
        if found is None:
            if type(value) not in (int, float) or len(self.lines) > MAX_STEPS:
                raise Untraceable
            found = self.known[text] = Symbol(self, f"v{len(self.known)}", value, bits)
            self.lines.append(f"{found.step} = {text}")
        return found

    def formula(self, results: Sequence[Any]) -> Callable[..., tuple[Any, ...] | None]:
        """The function from the leaves' values to the results', which are symbols or plain numbers.

        It returns None where a comparison comes out otherwise, and may raise ArithmeticError or ValueError.
        """
        lines = [f"def formula({', '.join(leaf.step for leaf in self.leaves)}):"]
        limit = 2**LEAF_BITS
        lines += [
            f"    if not -{limit} < {leaf.step} < {limit}: return None" for leaf in self.leaves if leaf.whole
        ]
        lines += [f"    {line}" for line in self._needed(results)]
        lines.append(f"    return ({''.join(f'{_text(r)}, ' for r in results)})")
        scope: dict[str, Any] = dict(self.functions.values())
        # names are made here, constants are numbers: no text of a spec is in it
        exec("\n".join(lines), scope)
        return scope["formula"]  # type: ignore[no-any-return]  # defined by the lines

    def _needed(self, results: Sequence[Any]) -> list[str]:
        """The lines without those whose value nothing uses."""
        used = {r.step for r in results if type(r) is Symbol}
        kept = []
        for line in reversed(self.lines):
            made, _, text = line.partition(" = ")
            if text and not line.startswith("if") and made not in used:
                continue
            used.update(word.strip("(),:") for word in (text or line).replace("(", " ").split())
            kept.append(line)
        return kept[::-1]


def _operand(value: Any) -> int | float:
    kind = type(value)
    if kind is Symbol:
        return value.value  # type: ignore[no-any-return]  # a number
    if kind is not int and kind is not float:
        raise Untraceable
    return value  # type: ignore[no-any-return]  # a number


def _text(value: Any) -> str:
    if type(value) is Symbol:
        return value.step
    if type(value) is float and not math.isfinite(value):
        raise Untraceable
    return f"({value!r})" if value < 0 else repr(value)


def _is(constant: Any, neutral: int, value: Any, other: Any) -> bool:
    """Whether `constant` leaves `other` as it is, type included."""
    return type(constant) is int and constant == neutral and type(value) is type(_operand(other))


def _bits(sign: str, a: Any, b: Any) -> int:
    left = a.bits if type(a) is Symbol else int(abs(a)).bit_length()
    right = b.bits if type(b) is Symbol else int(abs(b)).bit_length()
    if sign == "*":
        return left + right
    if sign == "//":
        return left + 1
    if sign == "%":
        return right
    return max(left, right) + 1
