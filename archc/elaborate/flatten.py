"""Expanding bodies into the flat graph: naming, drop-path ordinals, pruning."""

from __future__ import annotations

from collections import Counter
from dataclasses import field, replace
from typing import Any

from archc.diagnostics import Diagnostic, Frame, Span
from archc.diagnostics.record import record
from archc.elaborate.builder import AliasItem, Body, InstanceItem, Item, NeedsGraph, NodeItem, PricedItem
from archc.elaborate.frame import located
from archc.elaborate.values import Fatal
from archc.ir import Graph, Node, Output, Scope
from archc.ops.base import Op


@record(frozen=False)
class Flattener:
    """One expansion. `ordinals` gives, per root scope id, the index among all stage repetitions."""

    scopes: list[Scope]
    ordinals: dict[int, int]
    total: int
    nodes: list[Node] = field(default_factory=list)
    calls: list[InstanceItem] = field(default_factory=list)  # the instances being expanded, outermost first
    resolved: dict[tuple[int, int], Op] = field(default_factory=dict)

    def run(self, body: Body) -> list[int]:
        """Node id of every value of the root body."""
        return self._expand(body.items, _names(body.items), [], body.value_count, None, -1)

    def _expand(
        self,
        items: list[Item],
        names: list[str],
        inputs: list[int],
        count: int,
        scope: int | None,
        ordinal: int,
    ) -> list[int]:
        ids = inputs + [0] * (count - len(inputs))
        for item, name in zip(items, names, strict=True):
            if isinstance(item, NodeItem):
                at = item.scope if scope is None else scope
                index = self.ordinals.get(at, -1) if scope is None else ordinal
                ids[item.value] = len(self.nodes)
                op = self._resolve(item, index)
                self.nodes.append(
                    Node(
                        len(self.nodes),
                        op,
                        tuple([ids[i] for i in item.inputs]),
                        item.shape,
                        item.cost,
                        name,
                        at,
                        item.span,
                    )
                )
            elif isinstance(item, AliasItem):
                ids[item.value] = ids[item.source]
            elif isinstance(item, InstanceItem):
                self._expand_instance(item, name, ids, scope, ordinal)
            else:
                raise NeedsGraph
        return ids

    def _expand_instance(
        self, item: InstanceItem, name: str, ids: list[int], scope: int | None, ordinal: int
    ) -> None:
        template = item.template
        at = item.scope if scope is None else scope
        index = self.ordinals.get(at, -1) if scope is None else ordinal
        if item.merge:
            old = self.scopes[at]
            self.scopes[at] = Scope(
                old.parent, old.name, old.kind, template.block, template.arguments, old.span
            )
        else:
            self.scopes.append(Scope(at, name, "block", template.block, template.arguments, item.span))
            at = len(self.scopes) - 1
        self.calls.append(item)
        if template.names is None:
            template.names = _names(template.items)
        count = _value_count(template.items, template.input_count)
        outputs = self._expand(
            template.items, template.names, [ids[i] for i in item.inputs], count, at, index
        )
        self.calls.pop()
        for i, output in enumerate(template.outputs):
            ids[item.value + i] = outputs[output]

    def _resolve(self, item: NodeItem, ordinal: int) -> Op:
        """drop_path learns its place among the stage repetitions here, where their number is known."""
        op: Any = item.op
        if not _counts_repetitions(op):
            return item.op
        if ordinal < 0:
            raise self._in_no_stage(op.schedule, item.span)
        key = (id(op), ordinal)
        if key not in self.resolved:
            self.resolved[key] = replace(op, index=ordinal, total=self.total)
        return self.resolved[key]

    def _in_no_stage(self, schedule: str, span: Span) -> Fatal:
        root = self.scopes[0].span
        frames = [f"called from {call.template.block}" for call in reversed(self.calls)]
        if root is not None and span.source is not root.source:
            at = next((c.span for c in reversed(self.calls) if c.span.source is root.source), span)
            frames = [f"in `{span.text}` ({located(span)})", *frames]
            span = at
        return Fatal(
            Diagnostic(
                "E0506",
                f'drop_path: schedule "{schedule}" counts stage repetitions, and this is in no stage',
                span,
                help=('apply it in a `stage`, or write `schedule = "const"`',),
                frames=(Frame(", ".join(frames)),) if frames else (),
            )
        )


def _counts_repetitions(op: Any) -> bool:
    return bool(op.name == "drop_path" and op.schedule != "const")


def outside_stages(body: Body, ordinals: dict[int, int]) -> bool:
    """Whether a drop_path that counts repetitions is in none, which `Flattener` refuses."""
    seen: set[int] = set()

    def within(items: list[Item]) -> bool:
        for item in items:
            if isinstance(item, NodeItem):
                if _counts_repetitions(item.op):
                    return True
            elif isinstance(item, InstanceItem) and id(item.template) not in seen:
                seen.add(id(item.template))
                if within(item.template.items):
                    return True
        return False

    return within(
        [i for i in body.items if isinstance(i, NodeItem | InstanceItem) and i.scope not in ordinals]
    )


def _value_count(items: list[Item], inputs: int) -> int:
    if not items:
        return inputs
    last = items[-1]
    return last.value + (len(last.template.outputs) if isinstance(last, InstanceItem) else 1)


def _names(items: list[Item]) -> list[str]:
    """Names unique within each scope: the called name, numbered from 1 where it occurs again."""
    keys = [(-1, "") if isinstance(i, AliasItem | PricedItem) else (i.scope, i.hint) for i in items]
    merged = [isinstance(i, InstanceItem) and i.merge for i in items]
    totals = Counter(k for k, m in zip(keys, merged, strict=True) if not m)
    taken = set(totals)
    seen: Counter[tuple[int, str]] = Counter()
    names = []
    for key, is_merged in zip(keys, merged, strict=True):
        scope, hint = key
        if is_merged or totals[key] == 1:
            names.append(hint)
            continue
        seen[key] += 1
        while (scope, f"{hint}{seen[key]}") in taken:
            seen[key] += 1
        names.append(f"{hint}{seen[key]}")
    return names


def prune(
    nodes: list[Node], scopes: list[Scope], outputs: list[Output]
) -> tuple[tuple[Node, ...], tuple[Scope, ...], tuple[Output, ...]]:
    """Keep what reaches an output (and all inputs), mark what only reaches train-only ones, renumber."""
    in_eval = _reaching(nodes, [o.node for o in outputs if not o.train_only])
    # most networks keep all: every node, and every scope is one's or holds one that is (-1 is the root's parent)
    if len(in_eval) == len(nodes) and len({n.scope for n in nodes} | {s.parent for s in scopes}) > len(
        scopes
    ):
        return tuple(nodes), tuple(scopes), tuple(outputs)
    in_any = _reaching(nodes, [o.node for o in outputs])
    ids: dict[int, int] = {}
    kept: list[Node] = []
    used: set[int] = {0}
    for node in nodes:
        if node.id not in in_any and node.op.kind != "input":
            continue
        ids[node.id] = len(kept)
        at = node.scope
        while at not in used:
            used.add(at)
            at = scopes[at].parent
        kept.append(node)
    scope_ids = {old: new for new, old in enumerate(sorted(used))}
    final = tuple(
        Node(
            ids[n.id], n.op, tuple([ids[i] for i in n.inputs]), n.shape, n.cost, n.name, scope_ids[n.scope],
            n.span, n.id not in in_eval and n.op.kind != "input",
        )
        for n in kept
    )  # fmt: skip
    final_scopes = tuple(
        replace(scopes[i], parent=scope_ids[scopes[i].parent] if scopes[i].parent >= 0 else -1)
        for i in sorted(used)
    )
    return final, final_scopes, tuple(replace(o, node=ids[o.node]) for o in outputs)


def _reaching(nodes: list[Node], targets: list[int]) -> set[int]:
    live = set(targets)
    for node in reversed(nodes):
        if node.id in live:
            live.update(node.inputs)
    return live


def graph_of(
    body: Body,
    scopes: list[Scope],
    ordinals: dict[int, int],
    total: int,
    outputs: list[tuple[str, int, bool]],
    **about: Any,
) -> Graph:
    """The finished graph of a root body; `outputs` are (name, value id, train_only)."""
    flat = Flattener(list(scopes), ordinals, total)
    ids = flat.run(body)
    nodes, kept, outs = prune(
        flat.nodes, flat.scopes, [Output(name, ids[value], train) for name, value, train in outputs]
    )
    return Graph(nodes=nodes, scopes=kept, outputs=outs, **about)
