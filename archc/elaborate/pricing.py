"""Costs without graphs: an op applied to tensors of the arch, by a formula made when such an application recurs.

Samples of a design space apply the same few ops to tensors, with other numbers for widths, strides and sizes. So what
an application costs is traced once with symbols for its numbers, and computed by the formula that gives (see
`archc.ops.symbolic`) for as long as its conditions hold; where they do not, another way through the op is traced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from typing import TYPE_CHECKING, Any

from archc.diagnostics import Span
from archc.diagnostics.record import record
from archc.elaborate.apply_block import rebuild, unbuild
from archc.elaborate.builder import Body, NeedsGraph, dead_values
from archc.elaborate.frame import ElabFrame
from archc.elaborate.values import (
    Ambient,
    Composition,
    Failure,
    Fatal,
    OpValue,
    Step,
    Tensor,
    key_of,
    later,
)
from archc.ops.base import FREE, Cost
from archc.ops.symbolic import Symbol, Trace, Untraceable

if TYPE_CHECKING:
    from archc.elaborate.run import Run

WAIT = 8
"""Samples in which a kind of application is elaborated before it is traced: a cell found by search never recurs."""
MOST = 24
"""Formulas of a kind."""
TRIES = 3
"""Applications of a kind that are traced in vain, as the first may be mistaken ones."""
NUMBERS = {int, float}
PROOFS = 3
"""Uses of a formula that are elaborated too, to see that they agree; the first of them with the numbers traced."""


@record(frozen=False, eq=False)
class Formula:
    """What an application costs, as a function of its numbers.

    compute: from the sizes of the tensors and the numbers of the op to the terms of the cost, those of the last op of a
    stage, and the sizes of the outputs; or None where it does not apply. ranks: of the outputs. result: the op's, with
    indices of outputs for tensors. terms: how many numbers are costs.
    """

    compute: Callable[..., tuple[Any, ...] | None]
    traced: tuple[Any, ...]
    ranks: tuple[int, ...]
    result: Any
    node_count: int
    last_node_count: int
    terms: int
    fuel: int
    uses: int = 0
    proofs: int = 0

    def value(self, numbers: list[int | float]) -> tuple[Any, ...] | None:
        """What it computes, or None where it does not apply."""
        try:
            return self.compute(*numbers)
        except (ArithmeticError, ValueError):
            return None

    def costs(self, found: tuple[Any, ...], more: int) -> tuple[int, ...]:
        """The terms of the cost; of a stage, with its last op applied so many times more."""
        if not more:
            return found[:5]
        return tuple([a + more * b for a, b in zip(found[:5], found[5:10], strict=True)])

    def settled(self, numbers: list[int | float]) -> bool:
        """Whether it need not be proved by these."""
        return self.proofs >= PROOFS or (self.proofs > 0 and self.traced == tuple(numbers))


@record(frozen=False, eq=False)
class Kind:
    """Applications that differ in numbers only. refused: there is no formula for them.

    seen: in how many elaborations, the `last` of them among these. failures: traces that came to nothing.
    """

    formulas: list[Formula] = field(default_factory=list)
    seen: int = 0
    last: int = 0
    failures: int = 0
    refused: bool = False

    def formula(
        self, run: Run, numbers: list[int | float], trace: Callable[[], Formula | None]
    ) -> tuple[Formula, tuple[Any, ...] | None] | None:
        """The formula for some numbers, and what it computes; None where these are to be elaborated.

        trace: makes a further formula, of these numbers.
        """
        if self.refused:
            return None
        formulas = self.formulas
        for i, formula in enumerate(formulas):
            found = formula.value(numbers)
            if found is not None:
                formula.uses += 1
                if i and formula.uses > formulas[i - 1].uses:  # the ways taken often are tried first
                    formulas[i - 1 : i + 1] = formula, formulas[i - 1]
                return formula, found
        if self.last != run.caches.elaborations:
            self.seen += 1
            self.last = run.caches.elaborations
        if self.seen <= WAIT or len(formulas) >= MOST:
            return None
        made = trace()
        if made is None:
            self.failures += 1
            self.refused = self.failures == TRIES and not formulas
            return None
        formulas.append(made)
        return made, made.value(numbers)


def priced(
    run: Run,
    frame: ElabFrame,
    op: Any,
    tensors: list[Any],
    ambient: Ambient,
    span: Span,
    ordinary: Callable[[], Any],
    stage: bool = False,
) -> Any:
    """The result of `op` applied to tensors of the arch. `ordinary` elaborates it instead.

    stage: the op is applied twice, as a stage does, and then perhaps again and again.
    """
    numbers: list[int | float] = []
    flat: list[Tensor] = []
    ranks = []
    for value in tensors:
        for tensor in value if type(value) is list else (value,):
            flat.append(tensor)
            numbers += tensor.shape
            ranks.append(len(tensor.shape))
            if tensor.tainted:
                return ordinary()
        ranks.append(-1)
    kind = kind_of(run, (outline(op, numbers), ambient, stage, *ranks))
    at = kind.formula(run, numbers, lambda: traced(
        run, lambda frame, symbols, inputs: with_symbols(op, symbols), tensors, numbers, ambient, span, stage
    ))  # fmt: skip
    if at is None:
        return ordinary()
    formula, found = at
    if found is not None and formula.settled(numbers):
        run.spend(formula.fuel, span)
        return _add(run, frame.body, formula, found, flat, span)
    return prove(run, frame.body, kind, formula, found, ordinary)


def kind_of(run: Run, key: Any) -> Kind:
    """What is known of applications with such a key."""
    found = run.caches.kinds.get(key)
    if found is None:
        found = run.caches.kinds[key] = Kind()
    return found


def outline(value: Any, numbers: list[int | float]) -> Any:
    """A key of what an op is but for the numbers in its arguments, which are appended to `numbers`."""
    kind = type(value)
    if kind is int or kind is float:
        numbers.append(value)
        return kind
    if kind is OpValue:
        if not value.args:
            return value.target
        arguments = value.args.values()
        kinds = tuple(map(type, arguments))
        if NUMBERS.issuperset(kinds):
            numbers += arguments
            return (value.target, value.captured, value.positional, tuple(value.args), kinds)
        parts: list[Any] = [value.target, value.captured, value.positional]
        for name, argument in value.args.items():
            parts.append(name)
            parts.append(outline(argument, numbers))
        return tuple(parts)
    if kind is Composition:
        return tuple([outline(step.op, numbers) for step in value.steps])
    return key_of(value)


def with_symbols(value: Any, symbols: Iterator[Symbol]) -> Any:
    """The op with symbols for its numbers, met in the order of `outline`."""
    kind = type(value)
    if kind is int or kind is float:
        return next(symbols)
    if kind is OpValue:
        args = {name: with_symbols(argument, symbols) for name, argument in value.args.items()}
        return OpValue(value.target, args, value.arg_spans, value.captured, value.span, value.positional)
    if kind is Composition:
        return Composition(tuple(Step(with_symbols(s.op, symbols), s.hint, s.span) for s in value.steps))
    return value


def traced(
    run: Run,
    make: Callable[[ElabFrame, Iterator[Symbol], list[Any]], Any],
    tensors: list[Any],
    numbers: list[Any],
    ambient: Ambient,
    span: Span,
    stage: bool,
) -> Formula | None:
    """The formula of an application; None where it has none, or has mistakes.

    make: the op, from the frame it is applied in, the symbols for the numbers behind the sizes of the tensors, and the
    tensors.
    """
    from archc.elaborate.run import FUEL, Run

    trace = Trace(numbers)
    symbols = iter(trace.leaves)
    root = TracedBody(())
    inputs: list[Any] = []
    for value in tensors:
        made = []  # tensors, whose sizes are symbols
        for tensor in value if type(value) is list else (value,):
            shape: Any = tuple([next(symbols) for _ in tensor.shape])
            made.append(Tensor(root, root.value_count, shape))
            root.value_count += 1
        inputs.append(made if type(value) is list else made[0])
    again = Run(run.caches, None, run.root, traced=True)
    again.bodies.append(root)
    try:
        outputs: list[Tensor] = []
        frame = ElabFrame(again, {}, ambient, root)
        symbolic = make(frame, symbols, inputs)
        nodes, terms, shape = 0, _terms(FREE), None
        if stage:
            inputs = [again.apply(frame, symbolic, inputs, span, "")]
            symbolic = later(symbolic)
            nodes, terms, shape = root.node_count, _terms(root.cost), inputs[0].shape
        structure = unbuild(again.apply(frame, symbolic, inputs, span, ""), outputs)
        refs = tuple([t.ref for t in outputs])
        if again.diagnostics or again.failed or dead_values(root.items, refs, root.value_count):
            return None
        if stage and (structure != 0 or outputs[0].shape != shape):
            return None
        results = _terms(root.cost)
        if stage:
            results += [whole - before for whole, before in zip(results, terms, strict=True)]
        compute = trace.formula([*results, *[d for t in outputs for d in t.shape]])
    except (Failure, Fatal, Untraceable, NeedsGraph, ArithmeticError):
        return None
    return Formula(
        compute,
        tuple(numbers),
        tuple([len(t.shape) for t in outputs]),
        structure,
        root.node_count,
        root.node_count - nodes,
        len(results),
        FUEL - again.fuel,
    )


def _terms(cost: Cost) -> list[int]:
    return [cost.params, cost.buffers, cost.macs, cost.flops, cost.activations]


class TracedBody(Body):
    """Where the tensors of a trace come from; nothing is known of them but their shapes."""

    def variance(self, ref: int) -> float | str:
        raise Untraceable


def _add(
    run: Run, body: Body, formula: Formula, found: tuple[Any, ...], flat: list[Tensor], span: Span
) -> Any:
    run.count_nodes(formula.node_count, span)
    outputs = add_priced(body, formula, found, flat)
    return outputs[0] if formula.result == 0 else rebuild(formula.result, outputs)


def add_priced(
    body: Body, formula: Formula, found: tuple[Any, ...], flat: list[Tensor], more: int = 0
) -> list[Tensor]:
    """The outputs of an application to the tensors `flat`, its cost added; more: as of `Formula.costs`."""
    at = formula.terms
    if formula.ranks == (3,):
        shapes = [found[at:]]
    else:
        shapes = []
        for rank in formula.ranks:
            shapes.append(found[at : at + rank])
            at += rank
    last = found[5:10] if formula.terms == 10 else found[:5]
    nodes = formula.node_count + more * formula.last_node_count
    return body.add_priced(flat, shapes, found, last, more, nodes, formula.last_node_count)


def prove(
    run: Run,
    body: Body,
    kind: Kind,
    formula: Formula,
    found: tuple[Any, ...] | None,
    ordinary: Callable[[], Any],
    more: int = 0,
) -> Any:
    """Elaborate after all, and give the formula up where it says something else.

    more: how many times the last op of a stage is applied again.
    """
    before, nodes = body.cost, body.node_count
    run.priced = False
    try:
        result = ordinary()
    finally:
        run.priced = True
    if run.failed:
        return result
    outputs: list[Tensor] = []
    structure = unbuild(result, outputs)
    sizes = tuple([d for t in outputs for d in t.shape])
    seen = (body.cost, sizes, structure, body.node_count - nodes)
    if found and seen == (
        Cost(*formula.costs(found, more)) + before,
        found[formula.terms :],
        formula.result,
        formula.node_count + more * formula.last_node_count,
    ):
        formula.proofs += 1
    else:
        kind.refused = True
    return result
