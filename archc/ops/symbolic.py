"""Numbers that remember how they were computed, so that a computation can be done again for other numbers.

`Trace` hands out `Symbol`s for the numbers a computation starts from. Each is worth a number, so the computation takes
the way it would take for that; each comparison is recorded with its outcome. `Trace.formula` makes of this a function
of the starting numbers: it computes the results, or finds that its way is not that of the numbers given. What is known
of ints is not computed or compared again: their bounds, `(n - 1) // 1 + 1`, `n % 1`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

LEAF_BITS = 31
"""A formula takes ints below 2^31, either way."""
MAX_STEPS = 5_000
MAX_BOUND = 2**100
"""An int that may be larger is taken to have no bound."""

Bounds = tuple[float, float]
"""The least and the largest an int may be; infinite where there is none."""
FREE: Bounds = (-math.inf, math.inf)


class Untraceable(Exception):
    """The computation does with a number what cannot be recorded."""


class Symbol:
    """A number of a trace: the value it has there, and the step that computes it.

    whole: an int rather than a float, between `low` and `high` where all that was compared came out as it did.
    base: the int that this one is `offset` more than, itself where it is no such sum. parts: of a sum of two symbols.
    narrowed: the bounds are to be checked.
    """

    __slots__ = ("base", "high", "low", "narrowed", "offset", "parts", "step", "trace", "value", "whole")

    def __init__(self, trace: Trace, step: str, value: int | float, bounds: Bounds = FREE) -> None:
        self.trace = trace
        self.step = step
        self.value = value
        self.whole = type(value) is int
        self.low, self.high = bounds
        self.narrowed = False
        self.base, self.offset = self, 0
        self.parts: tuple[Symbol, Symbol] | None = None

    @property
    def bounds(self) -> Bounds:
        return self.base.low + self.offset, self.base.high + self.offset

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
        if self.whole:
            return bool(self < limit) and bool(self > -limit)
        return self.trace.ask(f"-{limit} < {self.step} < {limit}", -limit < self.value < limit)

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
        return self if self.whole else self.trace.call("floor", math.floor, (self,))

    def __ceil__(self) -> Any:
        return self if self.whole else self.trace.call("ceil", math.ceil, (self,))

    def __abs__(self) -> Any:
        return self.trace.call("abs", abs, (self,), (0, max(map(abs, self.bounds))))

    def __neg__(self) -> Any:
        low, high = self.bounds
        return self.trace.call("neg", operator.neg, (self,), (-high, -low))

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
        most = 2**LEAF_BITS - 1
        self.leaves = [Symbol(self, f"a{i}", value, (-most, most)) for i, value in enumerate(leaves)]

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
        whole = type(value) is int
        if whole and (known := self._known(sign, a, b, value)) is not None:
            return known
        bounds = _bounds(sign, a, b) if whole else FREE
        made = self._step(f"{_text(a)} {sign} {_text(b)}", value, bounds)
        if sign == "+" and whole:
            made.parts = a, b
        return made

    def _known(self, sign: str, a: Any, b: Any, value: int) -> Any:
        """What needs no step of its own: ints by 1, sums with a constant, and differences that undo a sum."""
        if type(b) is int:
            if sign in "//%" and b == 1:
                return a if sign == "//" else 0
            return self._shifted(a, b if sign == "+" else -b, value) if sign in "+-" else None
        if type(a) is int:
            return self._shifted(b, a, value) if sign == "+" else None
        if sign == "-" and a.parts is not None and any(part is b for part in a.parts):
            first, second = a.parts
            return second if first is b else first
        return None

    def _shifted(self, symbol: Symbol, by: int, value: int) -> Symbol:
        """The int that is so much more."""
        base, offset = symbol.base, symbol.offset + by
        if offset == 0:
            return base
        made = self._step(f"{base.step} {'+' if offset > 0 else '-'} {abs(offset)}", value)
        made.base, made.offset = base, offset
        return made

    def call(
        self, key: Any, function: Callable[..., Any], arguments: tuple[Any, ...], bounds: Bounds = FREE
    ) -> Any:
        """A function of numbers, known by `key`, which the formula calls again; always of the same type."""
        name, _ = self.functions.setdefault(key, (f"f{len(self.functions)}", function))
        value = function(*map(_operand, arguments))
        return self._step(f"{name}({', '.join(map(_text, arguments))})", value, bounds)

    def compare(self, sign: str, compute: Callable[[Any, Any], bool], a: Symbol, b: Any) -> bool:
        """The outcome of a comparison, which is that of every use of the formula."""
        if type(b) in (list, tuple, type(None)) and sign in ("==", "!="):
            return sign == "!="
        outcome = bool(compute(a.value, _operand(b)))
        if a.whole and type(b) is Symbol and a.base is b.base:
            return outcome  # as their difference is always the same
        if a.whole and type(b) is int:
            a, b = a.base, b - a.offset
            if _told(sign, a.bounds, b) == outcome:
                return outcome
            a.low, a.high = _narrowed(sign, a.bounds, b, outcome)
            a.narrowed = True
            if _told(sign, a.bounds, b) == outcome:
                return outcome
        return self.ask(f"{a.step} {sign} {_text(b)}", outcome)

    def ask(self, text: str, outcome: bool) -> bool:
        """The outcome of a condition: the formula holds only where it comes out so."""
        if text not in self.asked:
            if len(self.lines) > MAX_STEPS:
                raise Untraceable
            self.asked[text] = outcome
            self.lines.append(f"if {'not ' if outcome else ''}({text}): return None")
        return outcome

    def _step(self, text: str, value: int | float, bounds: Bounds = FREE) -> Symbol:
        found = self.known.get(text)
        if found is None:
            if type(value) not in (int, float) or len(self.lines) > MAX_STEPS:
                raise Untraceable
            found = self.known[text] = Symbol(self, f"v{len(self.known)}", value, bounds)
            self.lines.append(f"{found.step} = {text}")
        return found

    def formula(self, results: Sequence[Any]) -> Callable[..., tuple[Any, ...] | None]:
        """The function from the leaves' values to the results', which are symbols or plain numbers.

        It returns None where a comparison comes out otherwise, and may raise ArithmeticError or ValueError.
        """
        lines = [f"def formula({', '.join(leaf.step for leaf in self.leaves)}):"]
        lines += [f"    {_check(leaf)}" for leaf in self.leaves if leaf.whole]
        lines += [f"    {line}" for line in self._needed(results)]
        lines.append(f"    return ({''.join(f'{_text(r)}, ' for r in results)})")
        scope: dict[str, Any] = dict(self.functions.values())
        # names are made here, constants are numbers: no text of a spec is in it
        exec("\n".join(lines), scope)
        return scope["formula"]  # type: ignore[no-any-return]  # defined by the lines

    def _needed(self, results: Sequence[Any]) -> list[str]:
        """The lines without those whose value nothing uses, and with the checks of bounds."""
        used = {r.step for r in results if type(r) is Symbol}
        kept = []
        narrowed = {symbol.step: _check(symbol) for symbol in self.known.values() if symbol.narrowed}
        for line in reversed(self.lines):
            made, _, text = line.partition(" = ")
            if made in narrowed:
                kept.append(narrowed[made])
            elif text and not line.startswith("if") and made not in used:
                continue
            used.update(word.strip("(),:") for word in (text or line).replace("(", " ").split())
            kept.append(line)
        return kept[::-1]


def _check(symbol: Symbol) -> str:
    low = "" if symbol.low == -math.inf else f"{symbol.low} <= "
    high = "" if symbol.high == math.inf else f" <= {symbol.high}"
    return f"if not {low}{symbol.step}{high}: return None"


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


def _bounds(sign: str, a: Any, b: Any) -> Bounds:
    """Of an int computed from two."""
    (low, high), (least, most) = (x.bounds if type(x) is Symbol else (x, x) for x in (a, b))
    if sign == "+":
        found = low + least, high + most
    elif sign == "-":
        found = low - most, high - least
    elif sign == "*":
        products = [x * y for x in (low, high) for y in (least, most)]
        found = FREE if any(map(math.isnan, products)) else (min(products), max(products))
    elif sign == "//":
        size = max(-low, high) + 1
        found = (0, high) if low >= 0 and least >= 1 else (-size, size)
    else:
        size = max(-least, most)
        found = (0, most - 1) if least >= 1 else (-size, size)
    return found[0] if found[0] > -MAX_BOUND else -math.inf, found[1] if found[1] < MAX_BOUND else math.inf


def _told(sign: str, bounds: Bounds, b: int) -> bool | None:
    """How an int within bounds compares to a number; None where it may be either way."""
    low, high = bounds
    always, never = {
        "<": (high < b, low >= b), "<=": (high <= b, low > b), ">": (low > b, high <= b), ">=": (low >= b, high < b),
        "==": (low == high == b, not low <= b <= high), "!=": (not low <= b <= high, low == high == b),
    }[sign]  # fmt: skip
    return True if always else False if never else None


def _narrowed(sign: str, bounds: Bounds, b: int, outcome: bool) -> Bounds:
    """The bounds of an int of which a comparison came out so."""
    low, high = bounds
    if not outcome:
        sign = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}[sign]
    if sign == "==":
        return b, b
    if sign == "!=":
        return low + (low == b), high - (high == b)
    if sign in ("<", "<="):
        return low, min(high, b - (sign == "<"))
    return max(low, b + (sign == ">")), high
