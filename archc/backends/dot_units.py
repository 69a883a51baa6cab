"""Which nodes are drawn as one box, and which boxes are equal: pure questions about a graph's scopes."""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from archc.ir.graph import Graph, Node
from archc.ops.base import FREE, Cost, Op
from archc.ops.params import show

Form = tuple[Hashable, ...]

MAX_WIDTH, MAX_LINES = 38, 4  # of a call in a box


@dataclass(slots=True)
class Unit:
    """Nodes drawn as one box: all of a scope, or (`scope` -1) a single node.

    count: how many equal units, one after the other, the box stands for; `nodes` are the first one's,
    `cost` that of all, `names` their paths.
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
    """Joins runs of equal units, see `runs`; also says in which unit each node ended up."""
    follows = {first + i: first for first, count in _runs_as_units(graph, units) for i in range(1, count)}
    home: dict[int, Unit] = {}
    folded: list[Unit] = []
    for i, unit in enumerate(units):
        if i in follows:
            into = folded[-1]
            into.count += 1
            into.cost += unit.cost
            into.names.append(graph.scope_path(unit.scope))
        else:
            into = unit
            into.names = [graph.scope_path(unit.scope)] if unit.scope >= 0 else []
            folded.append(unit)
        for node in unit.nodes:
            home[node.id] = into
    return folded, home


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
        for first, count in _runs_as_units(graph, list(members.values()))
    ]


def _runs_as_units(graph: Graph, units: list[Unit]) -> list[tuple[int, int]]:
    """(first, count) of the runs in a list of units."""
    found: list[tuple[int, int]] = []
    forms: dict[int, Form] = {}

    def form_of(i: int) -> Form:
        if i not in forms:
            forms[i] = form(units[i].nodes, _exact)
        return forms[i]

    first = 0
    for i in range(1, len(units) + 1):
        if i < len(units) and _alike(graph, units[i - 1], units[i]) and form_of(i - 1) == form_of(i):
            continue
        if i - first > 1:
            found.append((first, i - first))
        first = i
    return found


def _alike(graph: Graph, unit: Unit, following: Unit) -> bool:
    """Whether two units could be equal: cheap tests before the costly one."""
    if unit.scope < 0 or following.scope < 0 or len(unit.nodes) != len(following.nodes):
        return False
    scope, other = graph.scopes[unit.scope], graph.scopes[following.scope]
    if (scope.parent, scope.kind, scope.block) != (other.parent, other.kind, other.block):
        return False
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
        arguments = [f"{n} = {_brief(v)}" for n, v in scope.arguments if telling(scope.block, n, v)]
        call = f"{scope.block}({', '.join(arguments)})" if arguments else scope.block
        lines = textwrap.wrap(call, MAX_WIDTH)
        found.append(lines if len(lines) <= MAX_LINES else [*lines[: MAX_LINES - 1], "…"])
    return found


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else show(value)  # the name of an op, most often: without quotes
    return text if len(text) <= MAX_WIDTH else text[: MAX_WIDTH - 1] + "…"
