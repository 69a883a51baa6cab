"""The top of a network that is a chain, as stem, stages and head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from archc.measure.lift.program import Item, Scope, Step
from archc.measure.lift.structure import Structure
from archc.syntax import tables

FEW = 3  # distinct calls that still go into one stage

GENERAL = frozenset({"blocks", "features", "layers", "stages", "body", "trunk", "model", "net", "x"})
"""Names of modules that say nothing about a stage."""


@dataclass(slots=True)
class Section:
    """One line of the arch: `kind name: times x call -> call`. times: 0 where it is not repeated."""

    kind: str
    name: str = ""
    times: int = 0
    calls: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """The same call several times over. `strided`: the first has a stride and the others have none."""

    call: str
    block: bool
    times: int = 1
    strided: bool = False


def sections(found: Structure, write: Callable[[int, Item], str]) -> list[Section]:
    """Blocks of one container make a stage; what stands before the first is the stem, after the last the head."""
    items = found.root.items
    calls = [write(n, item) for n, item in enumerate(items)]
    blocks = [n for n, item in enumerate(items) if isinstance(item, Scope)]
    if not blocks:
        return _plain(items, calls)
    made = [Section("stem", calls=calls[: blocks[0]])] if blocks[0] else []
    group: list[int] = []
    container: tuple[str, ...] | None = None
    for n in range(blocks[0], blocks[-1] + 1):
        item = items[n]
        if isinstance(item, Scope) and item.home != container:
            steps: list[int] = []
            while group and isinstance(items[group[-1]], Step):
                steps.insert(0, group.pop())
            made += _stages(found, group, calls, container or ())
            group, container = steps, item.home
        group.append(n)
    made += _stages(found, group, calls, container or ())
    if blocks[-1] + 1 < len(items):
        made.append(Section("head", calls=calls[blocks[-1] + 1 :]))
    return made


def _plain(items: list[Item], calls: list[str]) -> list[Section]:
    """Without blocks, a pool ends a stage, and the head begins where the map becomes a vector."""
    ends = ("flatten", "global_avg_pool", "global_max_pool", "adaptive_avg_pool", "linear")
    names = [item.op.name if isinstance(item, Step) else "" for item in items]
    head = next((n for n, name in enumerate(names) if name in ends), len(items))
    made: list[Section] = []
    at = 0
    for n in range(head):
        if names[n] in ("max_pool", "avg_pool") or n == head - 1:
            made.append(Section("stage" if made else "stem", calls=calls[at : n + 1]))
            at = n + 1
    return [*made, Section("head", calls=calls[head:])] if head < len(items) else made


def _stages(
    found: Structure, group: list[int], calls: list[str], container: tuple[str, ...]
) -> list[Section]:
    """One stage for a container, or one for each run of equal calls where it holds many."""
    if not group:
        return []
    runs = _runs(found, group, calls)
    part = container[-1] if container else ""
    known = part in GENERAL or part in tables.load().keywords
    name = part if part.isidentifier() and part.isascii() and not known else ""
    if len(runs) == 1 and runs[0].block:
        return [Section("stage", name, runs[0].times, [runs[0].call])]
    if len(runs) <= FEW:
        return [Section("stage", name, calls=_composed(runs))]
    made: list[Section] = []
    waiting: list[Run] = []
    for run in runs:
        if not run.block:
            waiting.append(run)
        elif waiting:
            made.append(Section("stage", calls=_composed([*waiting, run])))
            waiting = []
        else:
            made.append(Section("stage", times=run.times, calls=[run.call]))
    if waiting:
        made.append(Section("stage", calls=_composed(waiting)))
    return made


def _composed(runs: list[Run]) -> list[str]:
    """Runs in one pipe: there a stride belongs to its call alone."""
    found = []
    for run in runs:
        rest = run.times - 1 if run.strided else run.times
        found += [run.call] if run.strided else []
        plain = _without_stride(run.call) if run.strided else run.call
        found += [f"{rest} * {plain}" if rest > 1 else plain] if rest else []
    return found


def _without_stride(call: str) -> str:
    before, _, after = call.partition("stride = ")
    rest = after.partition(")")[2]
    inside = before.rstrip(", ")
    return inside.removesuffix("(") + rest if inside.endswith("(") else f"{inside}){rest}"


def _runs(found: Structure, group: list[int], calls: list[str]) -> list[Run]:
    """Equal calls together; a stage gives its repetitions a stride of 1, so a strided call may begin a run."""
    runs: list[Run] = []
    for n in group:
        item = found.root.items[n]
        block = isinstance(item, Scope)
        last = runs[-1] if runs and block else None
        strided = last is not None and "stride = " in last.call
        if last and last.call == calls[n] and not strided:
            last.times += 1
        elif last and strided and _without_stride(last.call) == calls[n]:
            last.times, last.strided = last.times + 1, True
        else:
            runs.append(Run(calls[n], block))
    return runs
