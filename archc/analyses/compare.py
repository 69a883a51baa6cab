"""What changed between two networks, section by section."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from archc.analyses.figures import shape_text
from archc.analyses.sections import Section, sections
from archc.ir.graph import Graph, Node
from archc.ops.base import FREE, Cost

MAX_CHANGES = 12
"""Changes listed for one section; a last line says how many more there are."""


@dataclass(frozen=True, slots=True)
class SectionChange:
    """A section of two networks side by side.

    first, second: what it is in each, such as "4 × bottleneck"; empty where it is missing. changes: such as
    "width 1024 → 1536", empty where the section is the same. cost: of one example in each.
    """

    name: str
    first: str
    second: str
    changes: tuple[str, ...]
    first_cost: Cost
    second_cost: Cost

    @property
    def same(self) -> bool:
        return self.first == self.second and not self.changes


def compare(first: Graph, second: Graph) -> tuple[SectionChange, ...]:
    """The sections of both in program order, those of one name side by side."""
    ours, theirs = sections(first), sections(second)
    found = []
    for a, b in _aligned(ours, theirs):
        if a is None or b is None:
            found.append(_one_sided(a, b))
            continue
        changes = _changes(first, a, second, b)
        if len(changes) > MAX_CHANGES:
            changes = [*changes[:MAX_CHANGES], f"and {len(changes) - MAX_CHANGES} more"]
        found.append(SectionChange(a.name, _what(a), _what(b), tuple(changes), a.cost, b.cost))
    return tuple(found)


def _one_sided(a: Section | None, b: Section | None) -> SectionChange:
    return SectionChange(
        a.name if a else b.name if b else "",
        _what(a) if a else "",
        _what(b) if b else "",
        (),
        a.cost if a else FREE,
        b.cost if b else FREE,
    )


def _aligned(
    ours: Sequence[Section], theirs: Sequence[Section]
) -> Iterable[tuple[Section | None, Section | None]]:
    names = [s.name for s in ours], [s.name for s in theirs]
    for kind, i, j, k, m in SequenceMatcher(None, *names, autojunk=False).get_opcodes():
        if kind == "equal":
            yield from zip(ours[i:j], theirs[k:m], strict=True)
        else:
            yield from ((s, None) for s in ours[i:j])
            yield from ((None, s) for s in theirs[k:m])


def _what(section: Section) -> str:
    return f"{section.repeats} × {section.block or 'op'}" if section.repeats > 1 else section.block or "ops"


def _changes(first: Graph, a: Section, second: Graph, b: Section) -> list[str]:
    found: list[str] = []
    told: set[tuple[str, str]] = set()
    if a.block and a.block == b.block:
        old_values, new_values = _arguments(first, a), _arguments(second, b)
        for name in dict.fromkeys([*old_values, *new_values]):
            left, right = old_values.get(name, "—"), new_values.get(name, "—")
            if left != right:
                found.append(f"{name} {left} → {right}")
                told.add((left, right))
    if a.shape != b.shape:
        found.append(f"output {shape_text(a.shape)} → {shape_text(b.shape)}")
    ours, theirs = _first_repetition(first, a), _first_repetition(second, b)
    if a.block != b.block:
        old, new = (Counter(n.op.name for n in nodes) for nodes in (ours, theirs))
        gone, come = _list_of(old - new), _list_of(new - old)
        return found + [f"{gone or '—'} → {come or '—'}"] * bool(gone or come)
    return found + _ops(ours, theirs, told)


def _arguments(graph: Graph, section: Section) -> dict[str, str]:
    """Arguments of a section's block, as texts; what differs between repetitions is listed in order."""
    scopes = [s for s in graph.scopes if s.parent == section.scope and s.kind == "repeat"]
    values: dict[str, list[str]] = {}
    for scope in scopes or [graph.scopes[section.scope]]:
        for name, value in scope.arguments:
            values.setdefault(name, []).append(_show(value))
    return {name: ", ".join(dict.fromkeys(texts)) for name, texts in values.items()}


def _ops(ours: list[Node], theirs: list[Node], told: set[tuple[str, str]]) -> list[str]:
    """Changes of the ops of the first repetition, those of like kind side by side."""
    names = [n.op.name for n in ours], [n.op.name for n in theirs]
    found: dict[str, int] = {}
    for kind, i, j, k, m in SequenceMatcher(None, *names, autojunk=False).get_opcodes():
        if kind == "equal":
            for left, right in zip(ours[i:j], theirs[k:m], strict=True):
                for text in _op_changes(left, right, told):
                    found[text] = found.get(text, 0) + 1
        else:
            old, new = _list_of(Counter(names[0][i:j])), _list_of(Counter(names[1][k:m]))
            text = f"{old} → {new}" if old and new else f"without {old}" if old else f"with {new}"
            found[text] = found.get(text, 0) + 1
    return [f"{text} ({times}×)" if times > 1 else text for text, times in found.items()]


def _op_changes(left: Node, right: Node, told: set[tuple[str, str]]) -> Iterable[str]:
    ours, theirs = left.op.arguments(), right.op.arguments()
    for name, value in ours.items():
        texts = _show(value), _show(theirs.get(name))
        # an op that only takes over what was said of its block is no news
        if value != theirs.get(name) and texts not in told and name not in ("index", "total"):
            yield f"{left.name}: {name} {texts[0]} → {texts[1]}"


def _first_repetition(graph: Graph, section: Section) -> list[Node]:
    if section.repeats == 1:
        return section.nodes
    first = next(i for i, s in enumerate(graph.scopes) if s.parent == section.scope and s.kind == "repeat")
    return [n for n in section.nodes if first in graph.ancestors(n.scope)]


def _list_of(names: Counter[str]) -> str:
    return ", ".join(f"{times} {name}" if times > 1 else name for name, times in names.items())


def _show(value: Any) -> str:
    if isinstance(value, tuple):
        if len(value) == 2 and value[0] == value[1]:
            return _show(value[0])
        return f"({', '.join(map(_show, value))})"
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
