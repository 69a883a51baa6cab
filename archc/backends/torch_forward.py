"""The body of a `forward`: straight lines with few variables, reused along chains so that memory is freed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from archc.backends.torch_format import WIDTH, Atom, Bracket, Expr, Infix, flat, layout
from archc.backends.torch_names import IDENTIFIER, LOCALS, literal
from archc.backends.torch_plan import Item

Renderer = Callable[[int, list[Expr]], Expr]
"""The call an item makes, from its index and the expressions of its inputs."""

FOLD_WIDTH = 96  # nested calls stop where a line would grow longer than this
FOLD_DEPTH = 3


@dataclass(slots=True)
class Body:
    """What is written: lines so far, and the variable of every value made."""

    items: Sequence[Item]
    render: Renderer
    names: dict[int, str]
    results: tuple[int, ...]
    trace: bool
    lines: list[str] = field(default_factory=list)
    indent: int = 8
    last_use: dict[int, int] = field(default_factory=dict)
    uses: Counter[int] = field(default_factory=Counter)
    variables: Variables = field(init=False)

    def __post_init__(self) -> None:
        for position, item in enumerate(self.items):
            self.uses.update(item.inputs)
            self.last_use.update(dict.fromkeys(item.inputs, position))
        self.uses.update(self.results)
        self.last_use.update(dict.fromkeys(self.results, len(self.items)))
        self.variables = Variables()
        for value, name in self.names.items():
            self.variables.hold(name, self.last_use.get(value, -1))

    def write(self, positions: Sequence[int], then_return: tuple[int, ...] | None) -> None:
        """Lines for the items at these positions and, if given, for returning these values."""
        pending: tuple[Expr, int, int] | None = None  # expression, its depth, position
        read: list[int] = []
        for position in positions:
            item = self.items[position]
            expr, depth = None, 1
            if pending and self._folds(pending, item):
                value = self.items[pending[2]].outputs[0]
                inputs = [pending[0] if v == value else Atom(self.names[v]) for v in item.inputs]
                expr = self.render(position, inputs)
                depth = pending[1] + (not isinstance(expr, Infix))
                if len(flat(expr)) > FOLD_WIDTH - self.indent:
                    expr, depth = None, 1
            if expr is None:
                if pending:
                    self._assign(pending[0], pending[2], read)
                read = []
                expr = self.render(position, [Atom(self.names[v]) for v in item.inputs])
            read += [v for v in item.inputs if v in self.names]
            pending = (expr, depth, position)
        if pending and then_return == self.items[pending[2]].outputs and not self.trace:
            self.lines += layout("return ", pending[0], self.indent)
            return
        if pending:
            self._assign(pending[0], pending[2], read)
        if then_return is not None:
            self.give_back(then_return)

    def declare(self, values: Iterable[int]) -> None:
        """Lines that make these values None until a later block assigns them."""
        for value in values:
            self._bind(value, self.variables.fresh("extra"))
            self.lines.append(f"{' ' * self.indent}{self.names[value]} = None")

    def give_back(self, values: tuple[int, ...]) -> None:
        """The line that returns these values."""
        names = [self.names[v] for v in values]
        line = " " * self.indent + "return " + ", ".join(names)
        brackets = Bracket("", tuple(("", Atom(n)) for n in names))
        self.lines += [line] if len(line) <= WIDTH else layout("return ", brackets, self.indent)

    def _folds(self, pending: tuple[Expr, int, int], item: Item) -> bool:
        """Whether the expression may stand inside the next call: that reads it once and nothing else does."""
        before = self.items[pending[2]]
        sections = any(i.child and i.child.scope.kind == "section" for i in (before, item))
        if self.trace or sections or len(before.outputs) != 1 or pending[1] >= FOLD_DEPTH:
            return False
        (value,) = before.outputs
        ends_a_step = before.node is not None and before.node.op.kind == "activation"
        return self.uses[value] == 1 and value in item.inputs and not ends_a_step

    def _assign(self, expr: Expr, position: int, read: list[int]) -> None:
        item = self.items[position]
        dying = [self.names[v] for v in dict.fromkeys(read) if self.last_use[v] <= position]
        for value in item.outputs:
            if value in self.names:
                continue  # declared before a block
            self._bind(value, self._name(item, value, position, dying))
        target = ", ".join(self.names[v] for v in item.outputs)
        self.lines += layout(f"{target} = ", expr, self.indent)
        if self.trace and item.node:
            self.lines.append(f"{' ' * self.indent}_trace(self, {literal(item.name)}, {target})")

    def _name(self, item: Item, value: int, position: int, dying: list[str]) -> str:
        live = self.variables
        live.reach(position)
        if item.child and self.uses[value] > 1:
            return live.fresh(self._hint(item))
        if "x" not in live.until:
            return "x"
        if not item.child:
            reusable = (name for name in dying if name not in live.until and name.startswith("branch"))
            return next(reusable, None) or live.fresh("branch")
        return live.fresh(self._hint(item))

    def _bind(self, value: int, name: str) -> None:
        self.names[value] = name
        self.variables.hold(name, self.last_use.get(value, -1))

    def _hint(self, item: Item) -> str:
        """A variable named after a submodule."""
        name = item.name if IDENTIFIER.fullmatch(item.name) else "branch"
        return f"{name}_" if name in LOCALS else name


@dataclass(slots=True)
class Variables:
    """The variables that hold something still to be read, as positions go by.

    until: where what a variable holds is read last. Thousands may live at once, so the first free number of
    each name is kept, not searched for.
    """

    until: dict[str, int] = field(default_factory=dict)
    _ending: dict[int, list[str]] = field(default_factory=dict)
    _reached: int = -1
    _first_free: dict[str, int] = field(default_factory=dict)

    def hold(self, name: str, until: int) -> None:
        """The variable now holds what is read last at that position."""
        self.until[name] = until
        self._ending.setdefault(max(until, self._reached + 1), []).append(name)

    def reach(self, position: int) -> None:
        """Forget what nothing after this position reads."""
        for at in range(self._reached + 1, position + 1):
            for name in self._ending.pop(at, ()):
                if self.until.get(name, at + 1) <= at:
                    del self.until[name]
                    base = name.rstrip("0123456789")
                    number = int(name[len(base) :] or 1)
                    self._first_free[base] = min(number, self._first_free.get(base, number))
                    self._first_free[name] = 1
        self._reached = max(self._reached, position)

    def fresh(self, name: str) -> str:
        """The name, or the name with the first number from 2 that is free."""
        number = self._first_free.get(name, 1)
        while (found := name if number == 1 else f"{name}{number}") in self.until:
            number += 1
        self._first_free[name] = number
        return found
