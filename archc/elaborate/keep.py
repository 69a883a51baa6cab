"""Choices kept open: what `pick` gives where all answers are to stay, and how a mixture of ops is applied."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from archc.diagnostics import Span
from archc.elaborate.apply_block import template_of
from archc.elaborate.builder import Body, Template
from archc.elaborate.frame import ElabFrame
from archc.elaborate.signature import PrimitiveTarget, target_of
from archc.elaborate.values import (
    Composition,
    Kept,
    Mixture,
    OpValue,
    Tensor,
    fail,
    is_op,
    show,
    tensors_in,
)
from archc.ops.choice import OPTION, Mix, Weigh

if TYPE_CHECKING:
    from archc.elaborate.run import Run

MIXED = "mixed"
"""The block name of the scope that a mixture becomes: its options, and their sum."""


def keep_one(f: ElabFrame, choice: str, items: list[Any], span: Span) -> Any:
    """One of several, open: the mixture of tensors or of ops, else what only an index can be."""
    if len(items) == 1:
        return items[0]
    if all(isinstance(item, Tensor) for item in items):
        return f.run.apply(f, _op(_mix(), {"choice": choice}, span), [items], span, "mix")
    if all(map(is_op, items)):
        return Mixture(choice, tuple(items), span)
    return Kept(choice, tuple(items), span)


def keep_several(f: ElabFrame, choice: str, items: list[Any], k: int, span: Span) -> list[Any]:
    """k of several, open: all of them, each to be multiplied by its share."""
    if k == len(items):
        return items
    return [_weighed(f, choice, item, index, len(items), k, span) for index, item in enumerate(items)]


def indexed(f: ElabFrame, items: Any, index: Any, span: Span) -> Any:
    """`items[index]` where either is open: the choice among what that may be."""
    open_ = index if isinstance(index, Kept) else items
    pairs = (
        [(items, i) for i in index.items] if isinstance(index, Kept) else [(i, index) for i in items.items]
    )
    if not all(
        isinstance(i, int) and isinstance(x, list | tuple | range) and -len(x) <= i < len(x) for x, i in pairs
    ):
        raise open_.refused()
    return keep_one(f, open_.choice, [x[i] for x, i in pairs], span)


def call_mixture(
    f: ElabFrame, mixture: Mixture, args: list[tuple[str | None, Any, Span]], span: Span, hint: str
) -> Any:
    """`mixture(args)`: every op gets the arguments; applied where there are tensors."""
    tensors = [value for _, value, _ in args if tensors_in(value)]
    others = [arg for arg in args if not tensors_in(arg[1])]
    made = mixture
    if others:
        made = replace(mixture, ops=tuple([f.run.call(f, op, others, span, hint) for op in mixture.ops]))
    return f.run.apply(f, made, tensors, span, hint) if tensors else made


def apply_mixture(run: Run, f: ElabFrame, mixture: Mixture, tensors: list[Any], span: Span) -> Any:
    """The weighted sum of what the ops make of the tensors, and its own share of a sum it is picked for."""
    if len(mixture.ops) == 1:
        found = run.apply(f, mixture.ops[0], tensors, span, _name(mixture.ops[0]))
    else:
        found = _mixed(run, f, mixture, tensors, span)
    return found if mixture.weigh is None else run.apply(f, mixture.weigh, [found], span, "weigh")


def _mixed(run: Run, f: ElabFrame, mixture: Mixture, tensors: list[Any], span: Span) -> Tensor:
    """A scope with an option for each op, and their sum."""
    flat = [t for value in tensors for t in (value if type(value) is list else (value,))]
    run.enter(span)
    body = Body(tuple(flat))
    frame = ElabFrame(run, {}, f.ambient, body)
    frame.spans = f.spans
    inside = [Tensor(body, i, t.shape, t.tainted) for i, t in enumerate(flat)]
    run.bodies.append(body)
    try:
        results: list[Tensor] = []
        for index, op in enumerate(mixture.ops):
            template = _option(run, frame, op, tensors, inside, span)
            name = f"o{index}_{_name(op)}"
            results += body.add_instance(template, tuple(inside), name, span, 0, False)
        found = run.apply(frame, _op(_mix(), {"choice": mixture.choice}, span), [results], span, "mix")
    finally:
        run.bodies.pop()
        run.depth -= 1
    template = template_of(MIXED, (("choice", mixture.choice),), flat, body, found, reusable=False)
    (out,) = f.body.add_instance(template, tuple(flat), MIXED, span, f.scope, False)
    return out


def _option(run: Run, f: ElabFrame, op: Any, tensors: list[Any], flat: list[Tensor], span: Span) -> Template:
    """One op applied, as a body of its own."""
    body = Body(tuple(flat))
    frame = ElabFrame(run, {}, f.ambient, body)
    frame.spans = f.spans
    inside = iter([Tensor(body, i, t.shape, t.tainted) for i, t in enumerate(flat)])
    given = [[next(inside) for _ in value] if type(value) is list else next(inside) for value in tensors]
    run.bodies.append(body)
    try:
        found = run.apply(frame, op, given, span, _name(op))
    finally:
        run.bodies.pop()
    if not isinstance(found, Tensor):
        raise fail(
            "E0529", f"an answer that is kept open must make one tensor, not {show(found)}", span, "",
            ("a supernet adds what the answers make",),
        )  # fmt: skip
    return template_of(OPTION, (), flat, body, found, reusable=False)


def _weighed(f: ElabFrame, choice: str, item: Any, index: int, count: int, k: int, span: Span) -> Any:
    """A candidate with its share: of a tuple or list, that of the ops and tensors in it."""
    weigh = _op(_weigh(), {"choice": choice, "index": index, "count": count, "k": k}, span)
    if isinstance(item, Tensor):
        return f.run.apply(f, weigh, [item], span, "weigh")
    if isinstance(item, Mixture) and item.weigh is None:
        return replace(item, weigh=weigh)
    if is_op(item):
        return Mixture(choice, (item,), span, weigh)
    if isinstance(item, list | tuple) and any(is_op(part) or isinstance(part, Tensor) for part in item):
        parts = [
            _weighed(f, choice, part, index, count, k, span)
            if is_op(part) or isinstance(part, Tensor)
            else part
            for part in item
        ]
        return type(item)(parts)
    raise Kept(choice, (item,), span).refused()


def _op(target: PrimitiveTarget, args: dict[str, Any], span: Span) -> OpValue:
    return OpValue(target, args, {}, None, span)


@cache
def _mix() -> PrimitiveTarget:
    return target_of(Mix)


@cache
def _weigh() -> PrimitiveTarget:
    return target_of(Weigh)


def _name(op: Any) -> str:
    """What an option's scope is called after."""
    if isinstance(op, OpValue):
        return op.target.name
    if isinstance(op, Composition):
        return _name(op.steps[0].op) if op.steps else "identity"
    return MIXED
