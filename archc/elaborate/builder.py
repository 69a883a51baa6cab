"""Building graphs: bodies collect nodes, finished bodies become templates that cost nothing to reuse.

A block call elaborates its body once per distinct (block, arguments, ambients, input shapes); every
further call is an `Instance` of that template. `archc.elaborate.flatten` expands instances into the
flat `Graph`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from archc.diagnostics import Span
from archc.diagnostics.record import record
from archc.elaborate.values import Kept, Tensor, is_op, show
from archc.ops.base import FREE, Cost, NoVarianceRule, Op, Shape

SPREAD_FUEL = 2
"""Fuel of a node within a call: the variances of all may have to be found."""
FAILED = "an op that failed"
"""What stands for the variance of a guess."""


@record(frozen=False)
class NodeItem:
    """A primitive application; its value id is `value`."""

    op: Op
    inputs: tuple[int, ...]
    input_shapes: tuple[Shape, ...]
    shape: Shape
    cost: Cost
    hint: str
    span: Span
    scope: int
    value: int


@record(frozen=False)
class AliasItem:
    """`with_std`: the same tensor with an asserted variance; emits nothing."""

    source: int
    variance: float | str
    value: int


@record(frozen=False)
class InstanceItem:
    """A block call; its outputs are value ids `value`, `value` + 1, …

    merge: the section's own scope stands for the block (`s1.0` is the block, not `s1.0.bottleneck`).
    """

    template: Template
    inputs: tuple[int, ...]
    hint: str
    span: Span
    scope: int
    merge: bool
    value: int


@record(frozen=False)
class PricedItem:
    """An application whose cost alone is known; its outputs are value ids `value`, `value` + 1, …

    cost, node_count: of the last op applied, which a stage may repeat.
    """

    inputs: tuple[int, ...]
    cost: tuple[int, ...]
    node_count: int
    value: int


Item = NodeItem | AliasItem | InstanceItem | PricedItem


class NeedsGraph(Exception):
    """What is asked of a body cannot be told from costs alone."""


@record(frozen=False, eq=False)
class Template:
    """A finished block body.

    result: the returned value with tensors replaced by output indices. reads_std: the body looked at a
    standard deviation, so it may only be reused for equal `stds`. failed: errors were reported inside.
    """

    block: str
    values: tuple[tuple[str, Any], ...]
    input_count: int
    items: list[Item]
    outputs: tuple[int, ...]
    shapes: tuple[Shape, ...]
    result: Any
    cost: Cost
    node_count: int
    reads_std: bool
    stds: tuple[float | str, ...]
    read_ambients: frozenset[str]
    failed: bool
    tainted: tuple[bool, ...]
    reusable: bool  # the same call gives the same again: nothing inside was picked or refused
    dead: frozenset[
        int
    ]  # values that reach no output, inputs among them; where it is empty, `cost` is all needed
    shown: tuple[tuple[str, Any], ...] | None = None
    names: list[str] | None = None  # of the items, once a graph was made of it
    asked: tuple[float | str, ...] | None = None  # the variances `variances` was last asked for
    answered: list[float | str] = field(default_factory=list)

    @property
    def arguments(self) -> tuple[tuple[str, Any], ...]:
        """The block's arguments as the graph keeps them; most templates are only costed and never asked."""
        if self.shown is None:
            self.shown = tuple([(name, _shown_argument(value)) for name, value in self.values])
        return self.shown

    def variances(self, inputs: tuple[float | str, ...]) -> list[float | str]:
        """Variance of each output given those of the inputs; a string names an op without a rule."""
        if self.asked != inputs:
            known: dict[int, float | str] = dict(enumerate(inputs))
            propagate(self.items, known)
            self.asked, self.answered = inputs, [known[o] for o in self.outputs]
        return self.answered


@record(frozen=False, eq=False)
class Body:
    """A block body, or the arch itself, under construction."""

    inputs: tuple[Tensor, ...]  # the caller's tensors; value ids 0 … len - 1 here
    items: list[Item] = field(default_factory=list)
    value_count: int = 0
    terms: list[int] = field(default_factory=lambda: [0] * 5)  # of the priced items, in the order of Cost
    node_count: int = 0
    reads_std: bool = False
    reusable: bool = True
    known: dict[int, float | str] = field(default_factory=dict)
    propagated: int = 0  # how many items `known` covers

    def __post_init__(self) -> None:
        self.value_count = len(self.inputs)

    @property
    def cost(self) -> Cost:
        """The sum of all items."""
        params, buffers, macs, flops, activations = self.terms
        for item in self.items:
            if isinstance(item, NodeItem):
                cost = item.cost
            elif isinstance(item, InstanceItem):
                cost = item.template.cost
            else:
                continue
            if cost is not FREE:
                params += cost.params
                buffers += cost.buffers
                macs += cost.macs
                flops += cost.flops
                activations += cost.activations
        return Cost(params, buffers, macs, flops, activations)

    def add_node(
        self,
        op: Op,
        inputs: tuple[Tensor, ...],
        shapes: tuple[Shape, ...],
        shape: Shape,
        cost: Cost,
        hint: str,
        span: Span,
        scope: int,
    ) -> Tensor:
        value = self.value_count
        self.value_count += 1
        refs = (inputs[0].ref,) if len(inputs) == 1 else tuple([t.ref for t in inputs])
        self.items.append(NodeItem(op, refs, shapes, shape, cost, hint, span, scope, value))
        self.node_count += 1
        return Tensor(self, value, shape)

    def add_alias(self, source: Tensor, variance: float) -> Tensor:
        value = self.value_count
        self.value_count += 1
        self.items.append(AliasItem(source.ref, variance, value))
        return Tensor(self, value, source.shape, source.tainted)

    def add_failed(self, shape: Shape) -> Tensor:
        """A guess at what a refused op would have made; the graph is never finished."""
        value = self.value_count
        self.value_count += 1
        self.reusable = False
        self.items.append(AliasItem(-1, FAILED, value))
        return Tensor(self, value, shape, tainted=True)

    def add_instance(
        self, template: Template, inputs: tuple[Tensor, ...], hint: str, span: Span, scope: int, merge: bool
    ) -> list[Tensor]:
        value = self.value_count
        self.value_count += len(template.outputs)
        self.items.append(
            InstanceItem(template, tuple([t.ref for t in inputs]), hint, span, scope, merge, value)
        )
        self.node_count += template.node_count
        return [
            Tensor(self, value + i, shape, template.tainted[i]) for i, shape in enumerate(template.shapes)
        ]

    def add_priced(
        self,
        inputs: list[Tensor],
        shapes: list[Shape],
        cost: tuple[int, ...],
        last: tuple[int, ...],
        more: int,
        node_count: int,
        last_node_count: int,
    ) -> list[Tensor]:
        """Outputs of an application of that cost, its last op, of the cost `last`, applied `more` times again.

        node_count: of all.
        """
        value = self.value_count
        self.value_count += len(shapes)
        refs = (inputs[0].ref,) if len(inputs) == 1 else tuple([t.ref for t in inputs])
        self.items.append(PricedItem(refs, last, last_node_count, value))
        self.node_count += node_count
        terms = self.terms
        terms[0] += cost[0] + more * last[0]
        terms[1] += cost[1] + more * last[1]
        terms[2] += cost[2] + more * last[2]
        terms[3] += cost[3] + more * last[3]
        terms[4] += cost[4] + more * last[4]
        return [Tensor(self, value + i, shape) for i, shape in enumerate(shapes)]

    def repeat_priced(self, item: PricedItem, count: int) -> None:
        """The last item `count` times more, each applied to what the one before gave."""
        self.terms = [a + b * count for a, b in zip(self.terms, item.cost, strict=False)]
        self.node_count += item.node_count * count

    def variance(self, ref: int) -> float | str:
        """Variance of a value in the reference state, or the name of the op that has no rule."""
        if ref not in self.known:
            if not self.propagated:
                for i, tensor in enumerate(self.inputs):
                    self.reads_std = True
                    self.known[i] = tensor.body.variance(tensor.ref)
            propagate(self.items[self.propagated :], self.known)
            self.propagated = len(self.items)
        return self.known[ref]

    def input_variances(self) -> tuple[float | str, ...]:
        return tuple(t.body.variance(t.ref) for t in self.inputs)


def dead_values(items: list[Item], outputs: tuple[int, ...], value_count: int) -> frozenset[int]:
    """Values of a body that nothing uses; one of -1 where there are some within an instance.

    Where it finds none, every value reaches an output: each is one, or is used by a later one that does.
    """
    used = set(outputs)
    for item in items:
        if isinstance(item, AliasItem):
            used.add(item.source)
        elif not isinstance(item, InstanceItem) or not (dead := item.template.dead):
            used.update(item.inputs)
        else:
            count = item.template.input_count
            if min(dead) < 0 or max(dead) >= count:
                return frozenset((-1,))
            used.update([ref for i, ref in enumerate(item.inputs) if i not in dead])
    return frozenset() if len(used) == value_count else frozenset(range(value_count)) - used


def propagate(items: list[Item], known: dict[int, float | str]) -> None:
    """Extend `known` variances over `items`, in order."""
    for item in items:
        if isinstance(item, NodeItem):
            known[item.value] = node_variance(item.op, [known[i] for i in item.inputs], item.input_shapes)
        elif isinstance(item, AliasItem):
            known[item.value] = item.variance
        elif isinstance(item, PricedItem):
            raise NeedsGraph
        else:
            outputs = item.template.variances(tuple([known[i] for i in item.inputs]))
            for i, variance in enumerate(outputs):
                known[item.value + i] = variance


def node_variance(op: Op, inputs: list[float | str], shapes: tuple[Shape, ...]) -> float | str:
    """Variance after one op. A norm or any op whose rule ignores its input resets an unknown one."""
    unknown = next((v for v in inputs if isinstance(v, str)), None)

    def known_as(stand_in: float) -> float:
        return op.variance_over(tuple([stand_in if isinstance(v, str) else v for v in inputs]), shapes)

    try:
        first = known_as(2.0)
        # a rule that gives the same answer for any input does not need to know it
        return first if unknown is None or first == known_as(3.0) else unknown
    except NoVarianceRule:
        return op.name


def _shown_argument(value: Any) -> Any:
    """A block argument as the graph keeps it: scalars and lists as they are, ops by their text."""
    if isinstance(value, list | tuple):
        return tuple(_shown_argument(v) for v in value)
    if isinstance(value, Kept):
        return f"open: {value.choice}"
    return show(value) if is_op(value) or not isinstance(value, int | float | str | bool) else value
