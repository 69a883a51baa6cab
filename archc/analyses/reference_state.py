"""The variance of every node in the reference state, `with_std` included, which the graph itself does not keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archc.elaborate.arch import ArchRun
from archc.elaborate.builder import AliasItem, InstanceItem, Item, NodeItem, node_variance
from archc.elaborate.definition import Definition
from archc.elaborate.run import Run
from archc.elaborate.values import Failure, Fatal
from archc.ir import Graph
from archc.syntax import ast

Variance = float | str
"""A variance, or the name of the op that has no rule."""


def reference_variances(
    target: Definition, graph: Graph, given: Mapping[str, Any] | None = None
) -> tuple[Variance, ...]:
    """The variance of each node of a graph, by id, as the language has it (input 1, see docs/language.md).

    target: what the graph was elaborated from; given: the arguments it was loaded with (the graph keeps ops as
    texts only). A string names the op without a rule. Raises ValueError when the two do not belong together.
    """
    target.module.library.caches.trim()
    run = Run(target.module.library.caches, None, target.module.source.name)
    state = ArchRun(target, run, graph.inputs[0].shape)
    try:
        ops = {
            p.name for p in target.arch.params if p.type is not None and "op" in (p.type.name, *_of(p.type))
        }
        state.build({n: v for n, v in graph.arguments if n not in ops} | dict(given or {}))
    except (Failure, Fatal):
        raise ValueError(f"{graph.name} does not elaborate from {target.module.source.name}") from None
    found: list[Variance] = []
    inputs: list[tuple[int, ...]] = []
    ids, values = _expand(state.body.items, [], [], state.body.value_count, found, inputs)
    live = _reaching(inputs, [ids[tensor.ref] for _, tensor, _, _ in state.outputs])
    asserted = {ids[v]: values[v] for v in _aliases(state.body.items)}
    kept = [asserted.get(i, variance) for i, variance in enumerate(found) if i in live or not inputs[i]]
    if len(kept) != len(graph.nodes):
        raise ValueError(f"{graph.name} has other nodes than {target.module.source.name} gives")
    return tuple(kept)


def _of(kind: ast.TypeExpr) -> tuple[str, ...]:
    """The names of the types a list or tuple holds."""
    return tuple(name for inner in kind.args for name in (inner.name, *_of(inner)))


def _aliases(items: list[Item]) -> list[int]:
    return [item.value for item in items if isinstance(item, AliasItem)]


def _expand(
    items: list[Item],
    ids: list[int],
    known: list[Variance],
    count: int,
    found: list[Variance],
    inputs: list[tuple[int, ...]],
) -> tuple[list[int], list[Variance]]:
    """Node ids and variances of a body's values, in the order of `flatten`; `found` and `inputs` grow by nodes."""
    ids = ids + [0] * (count - len(ids))
    known = known + [0.0] * (count - len(known))
    for item in items:
        if isinstance(item, NodeItem):
            ids[item.value] = len(found)
            known[item.value] = node_variance(item.op, [known[i] for i in item.inputs], item.input_shapes)
            found.append(known[item.value])
            inputs.append(tuple(ids[i] for i in item.inputs))
        elif isinstance(item, AliasItem):
            ids[item.value] = ids[item.source]
            known[item.value] = item.variance
        elif isinstance(item, InstanceItem):
            inner = item.template
            size = max([inner.input_count, *(_after(i) for i in inner.items)])
            inside = _expand(
                inner.items,
                [ids[i] for i in item.inputs],
                [known[i] for i in item.inputs],
                size,
                found,
                inputs,
            )
            for alias in _aliases(inner.items):
                found[inside[0][alias]] = inside[1][alias]  # what was asserted of a node is its variance
            for i, output in enumerate(inner.outputs):
                ids[item.value + i], known[item.value + i] = inside[0][output], inside[1][output]
    return ids, known


def _after(item: Item) -> int:
    width = len(item.template.outputs) if isinstance(item, InstanceItem) else 1
    return item.value + width


def _reaching(inputs: list[tuple[int, ...]], targets: list[int]) -> set[int]:
    live = set(targets)
    for i in range(len(inputs) - 1, -1, -1):
        if i in live:
            live.update(inputs[i])
    return live
