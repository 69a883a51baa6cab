"""Which nodes are drawn as one box, and which boxes are equal: pure questions about a graph's scopes."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

from archc.ir.graph import Graph, Node
from archc.ops.base import FREE, Cost, Op
from archc.ops.params import show

Form = tuple[Hashable, ...]

MAX_WIDTH, MAX_LINES = 38, 4  # of a call in a box
TIE = "\xa0"  # a space where no line ends
MANY = 60  # boxes, with more of which single ops are joined


@dataclass(slots=True)
class Unit:
    """Nodes drawn as one box: all of a scope, or (`scope` -1) a single node or a short chain of them.

    count: how many equal units, one after the other, the box stands for; `nodes` are the first one's,
    `cost` that of all, `names` their paths, or the labels of nodes in no scope.
    """

    scope: int
    nodes: list[Node] = field(default_factory=list)
    count: int = 1
    cost: Cost = FREE
    names: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Name of the box in DOT."""
        return f"s{self.scope}" if self.scope >= 0 else f"n{self.nodes[0].id}"


def section_units(graph: Graph) -> list[Unit]:
    """Boxes of the network drawing: outermost sections, and blocks and ops outside them."""
    return _units(graph, lambda scope: scope != 0)


def stage_units(graph: Graph) -> list[Unit]:
    """Boxes of the stage drawing: repeats and blocks, outermost first, and ops in none of them."""

    def whole(scope: int) -> bool:
        return scope != 0 and (graph.scopes[scope].kind != "section" or bool(graph.scopes[scope].block))

    return _units(graph, whole, skip=sections_with_repeats(graph))


def sections_with_repeats(graph: Graph) -> frozenset[int]:
    """Sections written `N x`."""
    return frozenset(s.parent for s in graph.scopes if s.kind == "repeat")


def _units(graph: Graph, whole: Callable[[int], bool], skip: frozenset[int] = frozenset()) -> list[Unit]:
    around: list[int] = []  # the outermost whole scope around each scope, -1 without one
    for i, scope in enumerate(graph.scopes):
        above = around[scope.parent] if scope.parent >= 0 else -1
        around.append(above if above >= 0 else i if i not in skip and whole(i) else -1)
    found: dict[tuple[int, int], Unit] = {}
    for node in graph.nodes:
        whole_scope = around[node.scope]
        key = (whole_scope, -1 if whole_scope >= 0 else node.id)
        unit = found.setdefault(key, Unit(whole_scope))
        unit.nodes.append(node)
        unit.cost += node.cost
    return list(found.values())


def fold(graph: Graph, units: list[Unit]) -> tuple[list[Unit], dict[int, Unit]]:
    """Joins runs of equal units; also says in which unit each node ended up.

    Equal are units as `runs` has it, and calls of one block with the same arguments, whatever widths come of it.
    Where many boxes would be left, ops in no scope are joined to chains, and these to runs of the same ops.
    """

    def form_of(unit: Unit) -> Form:
        called = unit.scope < 0 or bool(graph.scopes[unit.scope].block)
        return form(unit.nodes, topology if called else _exact)

    def alike(unit: Unit, following: Unit) -> bool:
        if unit.scope < 0 and following.scope < 0:
            return many and len(unit.nodes) == len(following.nodes) and _follows(unit, following)
        return _alike(graph, unit, following) and _arguments(unit) == _arguments(following)

    def _arguments(unit: Unit) -> list[tuple[str, str]]:
        return [(name, show(value)) for name, value in graph.scopes[unit.scope].arguments]

    many = False
    found = _runs_as_units(units, alike, form_of)
    many = len(units) - sum(count - 1 for _, count in found) > MANY
    if many:
        units = _chains(graph, units)
        found = _runs_as_units(units, alike, form_of)
    follows = {first + i: first for first, count in found for i in range(1, count)}
    home: dict[int, Unit] = {}
    folded: list[Unit] = []
    for i, unit in enumerate(units):
        if i in follows:
            into = folded[-1]
            into.count += 1
            into.cost += unit.cost
        else:
            into = unit
            folded.append(unit)
        into.names.append(
            graph.scope_path(unit.scope) if unit.scope >= 0 else node_label(graph, leading(unit.nodes))
        )
        for node in unit.nodes:
            home[node.id] = into
    return folded, home


def leading(nodes: list[Node]) -> Node:
    """The node that names a group of a few: its convolution or linear layer, or the first."""
    return next((node for node in nodes if node.op.kind in ("conv", "linear")), nodes[0])


def _chains(graph: Graph, units: list[Unit]) -> list[Unit]:
    """Joins to an op what only works on its result: a convolution, its norm and its activation are one unit."""
    users = Counter(i for node in graph.nodes for i in node.inputs)
    users.update(output.node for output in graph.outputs)
    home: dict[int, Unit] = {}
    found: list[Unit] = []
    for unit in units:
        node = unit.nodes[0]
        into = home.get(node.inputs[0]) if len(node.inputs) == 1 else None
        if (
            unit.scope < 0
            and into
            and node.op.kind not in ("conv", "linear", "pool")
            and into.nodes[0].op.kind not in ("input", "merge")
            and into.nodes[0].scope == node.scope
            and users[node.inputs[0]] == 1
        ):
            into.nodes.append(node)
            into.cost += unit.cost
        else:
            into = unit
            found.append(unit)
        if unit.scope < 0:
            home[node.id] = into
    return found


def runs(graph: Graph) -> list[tuple[int, int, int]]:
    """(parent, first, count) of every run of two or more equal scopes one after the other.

    `first` is a position among the parent's own nodes and scopes in order of execution. Equal are
    scopes of the same block, ops, wiring and shapes, each of which reads the one before it.
    """
    units: dict[int, dict[int, Unit]] = defaultdict(dict)
    for node in graph.nodes:
        below = -1
        for scope in graph.ancestors(node.scope):
            key = below if below >= 0 else -1 - node.id
            units[scope].setdefault(key, Unit(below)).nodes.append(node)
            below = scope
    return [
        (parent, first, count)
        for parent, members in units.items()
        for first, count in _runs_as_units(
            list(members.values()), partial(_alike, graph), lambda unit: form(unit.nodes, _exact)
        )
    ]


def _runs_as_units(
    units: list[Unit], alike: Callable[[Unit, Unit], bool], form_of: Callable[[Unit], Form]
) -> list[tuple[int, int]]:
    """(first, count) of the runs in a list of units; `alike` is a cheap test before the costly forms."""
    found: list[tuple[int, int]] = []
    forms: dict[int, Form] = {}

    def known(i: int) -> Form:
        if i not in forms:
            forms[i] = form_of(units[i])
        return forms[i]

    first = 0
    for i in range(1, len(units) + 1):
        if i < len(units) and alike(units[i - 1], units[i]) and known(i - 1) == known(i):
            continue
        if i - first > 1:
            found.append((first, i - first))
        first = i
    return found


def _alike(graph: Graph, unit: Unit, following: Unit) -> bool:
    """Whether two units of scopes could be equal."""
    if unit.scope < 0 or following.scope < 0 or len(unit.nodes) != len(following.nodes):
        return False
    scope, other = graph.scopes[unit.scope], graph.scopes[following.scope]
    same = (scope.parent, scope.kind, scope.block) == (other.parent, other.kind, other.block)
    return same and _follows(unit, following)


def _follows(unit: Unit, following: Unit) -> bool:
    """Whether a unit reads another."""
    made = {node.id for node in unit.nodes}
    return any(source in made for node in following.nodes for source in node.inputs)


def form(nodes: Iterable[Node], of_op: Callable[[Op], Hashable]) -> Form:
    """What makes groups of nodes equal in a drawing: their ops, wiring and shapes where `of_op` keeps them.

    Inputs from outside are numbered in order of use, so the group may sit anywhere.
    """
    members: dict[int, int] = {}
    outside: dict[int, int] = {}
    found: list[Hashable] = []
    for node in nodes:
        wires = tuple(
            members[i] if i in members else -1 - outside.setdefault(i, len(outside)) for i in node.inputs
        )
        members[node.id] = len(members)
        found.append((of_op(node.op), wires, node.train_only, node.shape if of_op is _exact else ()))
    return tuple(found)


def _exact(op: Op) -> Hashable:
    """All but the constants that differ from one repeat to the next (drop rates, signal scales)."""
    return op.name if op.kind in ("scale", "regularize") else op


def topology(op: Op) -> Hashable:
    """The op without its widths: the same for a block at every width of a network."""
    windows = tuple(getattr(op, name, None) for name in ("kernel", "stride", "dilation"))
    return op.name, windows, _NUMBER.sub("#", op.label())


_NUMBER = re.compile(r"\d[\d.]*(?:e-?\d+)?")


def node_label(graph: Graph, node: Node) -> str:
    """The op's label; a convolution with a group for every channel is `dw 3×3`, as papers write it."""
    text = node.op.label()
    groups = getattr(node.op, "groups", 1)
    if node.op.kind != "conv" or groups == 1 or groups != graph.nodes[node.inputs[0]].shape[0]:
        return text
    name = "dw" if node.op.name == "conv" else f"dw {node.op.name}"
    return text.removesuffix(f" g{groups}").replace(node.op.name, name, 1)


def joint_label(labels: list[str]) -> str:
    """One label for equal ops of different widths: `conv 1×1, 64…512`.

    The labels differ in their numbers only; others are joined with a bar.
    """
    first, *others = dict.fromkeys(labels)
    if not others:
        return first
    texts = {_NUMBER.sub("#", label) for label in (first, *others)}
    if len(texts) > 1:
        return " | ".join((first, *others))
    numbers = [_NUMBER.findall(label) for label in (first, *others)]
    ranges = []
    for column in zip(*numbers, strict=True):
        low, high = min(column, key=float), max(column, key=float)
        ranges.append(low if low == high else f"{low}…{high}")
    parts = _NUMBER.split(first)
    return "".join(part + (ranges[i] if i < len(ranges) else "") for i, part in enumerate(parts))


def joined_paths(paths: list[str]) -> list[str]:
    """`s2.1, s2.2, s2.3` as `s2.1…3`."""
    numbered: list[tuple[str, str, int]] = []
    for i, path in enumerate(paths):
        found = re.fullmatch(r"(.*?)(\d+)", path, re.ASCII)
        numbered.append((path, found.group(1), int(found.group(2))) if found else (path, path, -i))
    out: list[str] = []
    for _, run in groupby(enumerate(numbered), key=lambda item: (item[1][1], item[1][2] - item[0])):
        members = [item for _, item in run]
        out.append(members[0][0] if len(members) == 1 else f"{members[0][0]}…{members[-1][2]}")
    return out


def wrapped(text: str, width: int, most: int) -> list[str]:
    """Lines of about the same length, `width` at most, the last of `most` cut short; names longer than a line are
    broken behind an underscore where they have one."""
    pieces: list[tuple[str, str]] = []  # what stands before a piece on its line, and the piece
    for word in filter(None, text.split(" ")):
        before = " "
        while len(word) > width:
            cut = word.rfind("_", 0, width) + 1 or width
            pieces.append((before, word[:cut]))
            before, word = "", word[cut:]
        pieces.append((before, word))

    def fill(width: int) -> list[str]:
        lines: list[str] = []
        for before, piece in pieces:
            if lines and len(lines[-1]) + len(before) + len(piece) <= width:
                lines[-1] += before + piece
            else:
                lines.append(piece)
        return lines

    lines = fill(width)
    if len(lines) > most:
        return [*lines[: most - 1], lines[most - 1][: width - 2].rstrip() + " …"]
    longest = max((len(piece) for _, piece in pieces), default=0)
    return next(even for narrow in range(longest, width + 1) if len(even := fill(narrow)) == len(lines))


def children(graph: Graph) -> dict[int, list[int]]:
    """Scope ids directly inside each scope."""
    found: dict[int, list[int]] = defaultdict(list)
    for i, scope in enumerate(graph.scopes):
        if scope.parent >= 0:
            found[scope.parent].append(i)
    return found


def calls(graph: Graph) -> list[list[str]]:
    """For each scope the call of its block, wrapped: `nf_block(width = 256, stride = 1)`; empty without one.

    Shown are the arguments that differ between the calls of a block, as the others say nothing of this
    one; of a block called in one way only, the whole numbers.
    """
    values: dict[tuple[str, str], set[str]] = defaultdict(set)
    for scope in graph.scopes:
        for name, value in scope.arguments:
            values[scope.block, name].add(show(value))
    varies = {block for (block, _), shown in values.items() if len(shown) > 1}

    def telling(block: str, name: str, value: Any) -> bool:
        return len(values[block, name]) > 1 if block in varies else type(value) is int

    found = []
    for scope in graph.scopes:
        arguments = [f"{n}{TIE}={TIE}{_brief(v)}" for n, v in scope.arguments if telling(scope.block, n, v)]
        call = f"{scope.block}({', '.join(arguments)})" if arguments else scope.block
        found.append([line.replace(TIE, " ") for line in wrapped(call, MAX_WIDTH, MAX_LINES)])
    return found


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else show(value)  # the name of an op, most often: without quotes
    return text if len(text) <= MAX_WIDTH else text[: MAX_WIDTH - 1] + "…"
