"""The modules of a traced network, and which of them are worth a block: what is alike, and how alike ones differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from archc.measure.lift.program import Item, Program, Scope, Step, arguments_of, inputs_of, outputs_of
from archc.ops.base import Shape

LONG_CHAIN = 5  # a chain of fewer ops reads better where it stands than as a block

Place = tuple[int, str]
"""Where a number stands in a block: the index of the item, and the argument's name."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a block and its value at every place the block is used."""

    name: str
    values: tuple[int | float, ...]


@dataclass(slots=True, eq=False)
class Block:
    """Scopes of one structure. numbers: what stands at each place, as text in terms of the parameters."""

    key: Any
    kind: str
    scopes: list[Scope] = field(default_factory=list)
    name: str = ""
    parameters: list[Parameter] = field(default_factory=list)
    numbers: dict[Place, str] = field(default_factory=dict)
    listed: bool = False

    @property
    def first(self) -> Scope:
        return self.scopes[0]


@dataclass(slots=True)
class Structure:
    """The network as a scope whose items are ops and blocks, with everything else put in line."""

    root: Scope
    blocks: list[Block]
    of: dict[int, Block]
    shapes: dict[int, Shape]

    def block(self, item: Item) -> Block | None:
        """The block that an item calls."""
        return self.of.get(id(item))

    def index(self, scope: Scope) -> int:
        """Which use of its block a scope is."""
        return next(i for i, s in enumerate(self.of[id(scope)].scopes) if s is scope)


def structure(program: Program) -> Structure:
    """Find the blocks of a program and their parameters."""
    root = _tree(program)
    _connect(root, set(program.outputs), program)
    root.inputs, root.outputs = program.inputs, program.outputs
    _unwrap(root)
    _inline(root, Counter(scope.kind for scope in _scopes(root)))
    found = Structure(root, [], {}, program.shapes)
    by_key: dict[Any, Block] = {}
    for scope in _scopes(root):
        key = _key(scope)
        block = by_key.get(key)
        if block is None:
            block = by_key[key] = Block(key, scope.kind, listed=_is_listed(scope))
            found.blocks.append(block)
        block.scopes.append(scope)
        found.of[id(scope)] = block
    for block in found.blocks:
        _choose_parameters(block, found)
    return found


def _tree(program: Program) -> Scope:
    """Steps grouped by the modules that ran them, one run after the other."""
    root = Scope("", "", ())
    open_: list[Scope] = [root]
    for step in program.steps:
        depth = 0
        while depth + 1 < len(open_) and depth < len(step.path) and open_[depth + 1].name == step.path[depth]:
            depth += 1
        del open_[depth + 1 :]
        for at in range(depth, len(step.path)):
            path = step.path[: at + 1]
            scope = Scope(step.path[at], step.classes[at], path, home=path[:-1])
            open_[-1].items.append(scope)
            open_.append(scope)
        open_[-1].items.append(step)
    return root


def _connect(scope: Scope, wanted: set[int], program: Program) -> None:
    """What every scope reads from outside, and makes that the outside reads."""
    read_after: list[set[int]] = []
    reads = set(wanted)
    for item in reversed(scope.items):
        read_after.append(set(reads))
        reads |= {i for s in _steps(item) for i in s.inputs}
    for item, after in zip(scope.items, reversed(read_after), strict=True):
        if isinstance(item, Scope):
            steps = list(item.steps())
            made = [s.id for s in steps]
            inside = set(made)
            item.inputs = tuple(dict.fromkeys(i for s in steps for i in s.inputs if i not in inside))
            item.outputs = tuple(i for i in made if i in after)
            _connect(item, set(item.outputs), program)


def _steps(item: Item) -> Iterator[Step]:
    if isinstance(item, Step):
        yield item
    else:
        yield from item.steps()


def _scopes(scope: Scope) -> Iterator[Scope]:
    """All scopes below one, inner ones first."""
    for item in scope.items:
        if isinstance(item, Scope):
            yield from _scopes(item)
            yield item


CONTAINERS = ("Sequential", "ModuleList")


def _unwrap(scope: Scope) -> None:
    """Put what is alone in its module in the place of the module; the inner class stays, but for a container."""
    for index, item in enumerate(scope.items):
        if not isinstance(item, Scope):
            continue
        _unwrap(item)
        if len(item.items) == 1:
            (inner,) = item.items
            scope.items[index] = inner
            if isinstance(inner, Scope) and inner.kind in CONTAINERS:
                inner.home, inner.kind = item.home, item.kind


def is_chain(scope: Scope) -> bool:
    """Whether each item reads just what the one before it makes, and the last makes what goes out."""
    if len(scope.inputs) != 1:
        return False
    at: tuple[int, ...] = scope.inputs
    for item in scope.items:
        if inputs_of(item) != at or len(outputs_of(item)) != 1:
            return False
        at = outputs_of(item)
    return scope.outputs == at


def _inline(scope: Scope, counts: Counter[str]) -> None:
    """Put the items of modules that make no good block in their place, inner ones first."""
    items: list[Item] = []
    for item in scope.items:
        if isinstance(item, Step):
            items.append(item)
            continue
        _inline(item, counts)
        items.extend([item] if _is_block(item, counts) else item.items)
    scope.items = items


def _is_block(scope: Scope, counts: Counter[str]) -> bool:
    """A branching module is; a chain only where it is a longer one of a class that is used more than once."""
    if len(scope.outputs) != 1:
        return False
    if not is_chain(scope):
        return True
    container = scope.kind in CONTAINERS or all(isinstance(i, Scope) for i in scope.items)
    return not container and counts[scope.kind] > 1 and len(scope.items) >= LONG_CHAIN


def _is_listed(scope: Scope) -> bool:
    """Whether all it reads goes, in order, into one concatenation: it then takes a list, of any length."""
    first = scope.items[0]
    if not isinstance(first, Step) or first.op.name != "concat" or first.inputs != scope.inputs:
        return False
    return all(not set(inputs_of(item)) & set(scope.inputs) for item in scope.items[1:])


def grows(scope: Scope) -> int:
    """Of a dense block its layers: the same block on all that was made before, and all of it joined. Else 0."""
    *layers, last = scope.items
    values = list(scope.inputs)
    alike = set()
    for item in layers:
        if not isinstance(item, Scope) or not _is_listed(item) or list(item.inputs) != values:
            return 0
        numbers = tuple(v for s in item.steps() if s.op.name != "concat" for v in arguments_of(s).values())
        alike.add((_key(item), numbers))
        values += item.outputs
    joined = isinstance(last, Step) and last.op.name == "concat" and list(last.inputs) == values
    return len(layers) if joined and len(alike) == 1 and len(layers) > 1 else 0


def numbers_of(item: Item, blocks: Structure | None = None) -> dict[str, Any]:
    """The numbers of an item by argument: of an op, or what a block is called with."""
    if isinstance(item, Step):
        return {k: v for k, v in arguments_of(item).items() if _is_number(v)}
    block = blocks.block(item) if blocks else None
    assert blocks is not None
    assert block is not None
    index = blocks.index(item)
    return {p.name: p.values[index] for p in block.parameters}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _key(scope: Scope) -> Any:
    """What two scopes must share to be one block: ops, wiring, and all arguments that are no numbers."""
    if grows(scope):
        first = scope.items[0]
        assert isinstance(first, Scope)
        return ("grows", scope.kind, _key(first))
    listed = _is_listed(scope)
    places: dict[int, Any] = {} if listed else {value: ("in", n) for n, value in enumerate(scope.inputs)}
    rows = []
    for n, item in enumerate(scope.items):
        wires = "list" if listed and n == 0 else tuple(places[i] for i in inputs_of(item))
        if isinstance(item, Step):
            fixed = tuple(
                (k, type(v).__name__ if _is_number(v) else v) for k, v in arguments_of(item).items()
            )
            rows.append((item.op.name, fixed, wires))
        else:
            rows.append(("block", _key(item), wires))
        places.update({value: (n, i) for i, value in enumerate(outputs_of(item))})
    return (scope.kind, listed or len(scope.inputs), tuple(rows), tuple(places[i] for i in scope.outputs))


# ---- parameters

NAMES = {"channels": "width", "features": "width", "factor": "factor"}


LAYERS: Place = (-1, "layers")
"""Where the number of layers of a dense block stands."""


def _numbers(scope: Scope, found: Structure) -> dict[Place, Any]:
    layers = grows(scope)
    items = scope.items[:1] if layers else scope.items
    numbers = {(n, k): v for n, item in enumerate(items) for k, v in numbers_of(item, found).items()}
    return {LAYERS: layers, **numbers} if layers else numbers


def _choose_parameters(block: Block, found: Structure) -> None:
    """Numbers equal at every use are written down; the others become parameters, or follow from one."""
    tables = [_numbers(scope, found) for scope in block.scopes]
    channels = tuple(found.shapes[scope.inputs[0]][0] for scope in block.scopes)
    taken: set[str] = set()
    for place, value in tables[0].items():
        values = tuple(table[place] for table in tables)
        if all(v == value for v in values):
            block.numbers[place] = literal(value)
            continue
        text = _follows(values, block.parameters, channels, place[1])
        if text is None:
            name = _fresh(NAMES.get(place[1].rstrip("0123456789"), place[1].rstrip("0123456789")), taken)
            taken.add(name)
            block.parameters.append(Parameter(name, values))
            text = name
        block.numbers[place] = text
    block.parameters.sort(key=lambda p: p.name == "stride")


def _follows(
    values: Sequence[Any], known: Sequence[Parameter], channels: tuple[int, ...], argument: str
) -> str | None:
    """The numbers in terms of parameters already there, or of the channels that come in."""
    for parameter in known:
        if parameter.values == tuple(values):
            return parameter.name
    if argument == "groups" and tuple(values) == channels:
        return "x.channels"
    if not all(isinstance(v, int) for v in values) or argument == "stride":
        return None
    for parameter in known:
        if not all(isinstance(v, int) and v > 0 for v in parameter.values) or parameter.name.startswith(
            "stride"
        ):
            continue
        pairs = list(zip(values, parameter.values, strict=True))
        for a, b, form in ((0, 1, "{k} * {name}"), (1, 0, "{name} // {k}")):
            k = pairs[0][a] // pairs[0][b] if pairs[0][b] else 0
            if k > 1 and all(pair[a] == k * pair[b] for pair in pairs):
                return form.format(k=k, name=parameter.name)
    return None


def _fresh(name: str, taken: set[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}{number}"
    return found


def literal(value: Any) -> str:
    """A value as a spec writes it."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))})"
    return repr(value)
