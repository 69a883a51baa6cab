"""One graph counted as other tools count it, and why they differ.

What a tool prints depends on its rules and on how an implementation writes each op: a tool that looks up
module classes exactly misses a subclass, one that patches functions counts a module twice. Both are tables
(`tables/conventions.toml`, `tables/realisations.toml`); this module only applies them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

from archc.ir.graph import Graph, Node
from archc.ops.base import elements
from archc.ops.geometry import resolve_padding

Rule = tuple[tuple[int, str], ...]
"""Coefficients and quantities, to be summed."""


@dataclass(frozen=True, slots=True)
class Convention:
    """The rules of one tool: what each name it sees contributes to its total, in `unit`.

    exact_classes: modules are looked up by class, so subclasses are missed. activations: rules of its
    activation count, empty where it has none.
    """

    name: str
    about: str
    unit: str
    source: str
    exact_classes: bool
    rules: Mapping[str, Rule]
    activations: Mapping[str, Rule]


@dataclass(frozen=True, slots=True)
class Style:
    """How an implementation writes ops. ops: by op name, perhaps narrowed; paths: exceptions by path pattern."""

    name: str
    about: str
    ops: Mapping[str, str]
    paths: tuple[tuple[str, Mapping[str, str]], ...] = ()

    def written(self, graph: Graph, node: Node) -> str:
        """What a node is written as, empty where no tool sees it."""
        keys = [f"{node.op.name}.{narrow}" for narrow in _narrowings(graph, node)] + [node.op.name]
        if self.paths:
            path = graph.path(node)
            for pattern, ops in self.paths:
                found = next((ops[k] for k in keys if k in ops), "") if fnmatchcase(path, pattern) else ""
                if found:
                    return found
        return next((self.ops[k] for k in keys if k in self.ops), "")


@dataclass(slots=True)
class Term:
    """All nodes of one op written one way: how many, and what archc and the tool make of them.

    written: the class or function. why: the rule that applied, or why none did.
    """

    op: str
    written: str
    nodes: int
    archc: int
    tool: int
    why: str


@dataclass(frozen=True, slots=True)
class Counted:
    """A graph's total under a convention, in its unit, and the terms it is the sum of."""

    convention: Convention
    style: Style
    total: int
    activations: int | None
    terms: tuple[Term, ...]


@cache
def conventions() -> dict[str, Convention]:
    """All conventions by name."""
    return {
        name: Convention(
            name, row["about"], row["unit"], row["source"], row.get("exact_classes", False),
            {seen: _rule(text) for seen, text in row["rules"].items()},
            {seen: _rule(text) for seen, text in row.get("activations", {}).items()},
        )
        for name, row in _table("conventions").items()
    }  # fmt: skip


def style_of(graph: Graph, name: str | None = None) -> Style:
    """The style of that name ("emitted", "torchvision", "timm"); None: that of the implementation this network
    of the library is a twin of, "emitted" for any other. Raises KeyError for an unknown name."""
    table = _table("realisations")
    if name is None:
        patterns = [(s, p) for s, row in table.items() if s != "seen" for p in row.get("networks", ())]
        known = [s for s, p in patterns if fnmatchcase(graph.name, p)]
        name = known[0] if known else "emitted"
    ops: dict[str, str] = {}
    chain = [name]
    while "base" in table[chain[-1]]:
        chain.append(table[chain[-1]]["base"])
    for at in reversed(chain):
        narrowed = {k for k in ops if k.partition(".")[0] in table[at]["ops"] and k not in table[at]["ops"]}
        ops = {k: v for k, v in ops.items() if k not in narrowed or "." in k} | table[at]["ops"]
    paths = [
        (path, written)
        for pattern, rows in table[name].get("paths", {}).items()
        if fnmatchcase(graph.name, pattern)
        for path, written in rows.items()
    ]
    return Style(name, table[name]["about"], ops, tuple(paths))


def styles() -> tuple[str, ...]:
    """The names of all styles."""
    return tuple(name for name in _table("realisations") if name != "seen")


def count_as(graph: Graph, convention: str, style: str | None = None) -> Counted:
    """What a tool prints for one example in eval mode, with the terms it is made of, largest difference first.

    Raises KeyError for an unknown convention or style.
    """
    rules, how = conventions()[convention], style_of(graph, style)
    terms: dict[tuple[str, str, str], Term] = {}
    activations = 0
    for node in graph.nodes:
        if node.train_only:
            continue
        written = how.written(graph, node)
        seen = (*_table("realisations")["seen"].get(written, ()), f"op.{node.op.name}")
        inputs = tuple(graph.nodes[i].shape for i in node.inputs)
        applied = [(name, rules.rules[name]) for name in seen if name in rules.rules]
        amount = sum(_apply(rule, node, inputs) for _, rule in applied)
        activations += sum(
            _apply(rules.activations[name], node, inputs) for name in seen if name in rules.activations
        )
        if not (amount or node.cost.macs):
            continue
        why = _why(rules, seen, applied)
        term = terms.setdefault((node.op.name, written, why), Term(node.op.name, written, 0, 0, 0, why))
        term.nodes += 1
        term.archc += node.cost.macs
        term.tool += amount
    ordered = sorted(terms.values(), key=lambda t: -abs(t.tool - t.archc))
    return Counted(
        rules, how, sum(t.tool for t in ordered), activations if rules.activations else None, tuple(ordered)
    )


def _why(rules: Convention, seen: tuple[str, ...], applied: list[tuple[str, Rule]]) -> str:
    """`nn.ReLU: out, F.relu: in`; or why nothing is counted."""
    if applied:
        return ", ".join(f"{name.removeprefix('op.')}: {_text(rule)}" for name, rule in applied)
    subclass = next((s for s in seen if s.startswith("a subclass")), "")
    if subclass and rules.exact_classes:
        return f"missed: {subclass}, and classes are looked up exactly"
    return "not counted"


def _text(rule: Rule) -> str:
    return " + ".join(f"{n} {q}" if n != 1 else q for n, q in rule)


# ---------------------------------------------------------------- quantities


def _kernel_area(node: Node) -> int:
    kernel: Any = getattr(node.op, "kernel", (1, 1))
    return int(kernel[0] * kernel[1])


def _has_bias(node: Node) -> bool:
    return bool(getattr(node.op, "bias", False))


def _larger(inputs: tuple[tuple[int, ...], ...]) -> int:
    channels, *size = inputs[0]
    return elements((channels, *(s + 1 for s in size)))


def _biases(node: Node) -> int:
    return node.shape[0] if _has_bias(node) else 0


def _kernel_elements(node: Node) -> int:
    gains = node.shape[0] if node.op.name == "ws_conv" else 0
    return node.cost.params - _biases(node) - gains


def _spread(node: Node, inputs: tuple[tuple[int, ...], ...]) -> int:
    op: Any = node.op
    groups: int = op.groups
    return elements(node.shape) * _kernel_area(node) * (inputs[0][0] // groups)


_Shapes = tuple[tuple[int, ...], ...]
_QUANTITIES: dict[str, Callable[[Node, _Shapes], int]] = {
    "macs": lambda n, i: n.cost.macs,
    "in": lambda n, i: elements(i[0]),
    "out": lambda n, i: elements(n.shape),
    "bias": lambda n, i: elements(n.shape) if _has_bias(n) else 0,
    "affine": lambda n, i: elements(i[0]) if n.cost.params else 0,
    "params": lambda n, i: n.cost.params,
    "biases": lambda n, i: _biases(n),
    "kernel": lambda n, i: _kernel_elements(n),
    "window": lambda n, i: _kernel_area(n) * elements(n.shape),
    "larger": lambda n, i: _larger(i),
    "spread": _spread,
}


def _apply(rule: Rule, node: Node, inputs: _Shapes) -> int:
    return sum(times * _QUANTITIES[quantity](node, inputs) for times, quantity in rule)


# ---------------------------------------------------------------- tables


@cache
def _table(name: str) -> dict[str, Any]:
    return tomllib.loads((files("archc.analyses") / "tables" / f"{name}.toml").read_text(encoding="utf-8"))


def _rule(text: str) -> Rule:
    """`2 macs + bias` as ((2, "macs"), (1, "bias")); raises KeyError for an unknown quantity."""
    found = []
    for part in text.split("+"):
        *times, quantity = part.split()
        _QUANTITIES[quantity]
        found.append((int(times[0]) if times else 1, quantity))
    return tuple(found)


def _narrowings(graph: Graph, node: Node) -> list[str]:
    op: Any = node.op
    found = []
    if hasattr(op, "padding") and hasattr(op, "dilation"):
        dilation = op.dilation
        if resolve_padding(op.padding, op.kernel, op.stride, dilation)[1]:
            found.append("same")
    if getattr(op, "keepdim", False):
        found.append("keepdim")
    if op.name == "upsample":
        found.append(op.mode)
    if node.inputs:
        found.append("map" if len(graph.nodes[node.inputs[0]].shape) == 3 else "vector")
    return found
