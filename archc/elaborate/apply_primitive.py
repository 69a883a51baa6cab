"""A primitive applied to tensors: its op interned, its shape and cost computed once, its errors placed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from archc.diagnostics import Diagnostic, Frame, Span
from archc.elaborate.frame import ElabFrame, OpEntry, located
from archc.elaborate.signature import PrimitiveTarget, not_given
from archc.elaborate.values import MISSING, Ambient, Composition, Failure, Kept, OpValue, Tensor, key_of
from archc.elaborate.weight import reading
from archc.ops.base import OpError
from archc.ops.symbolic import Symbol

if TYPE_CHECKING:
    from archc.elaborate.run import Run


def apply_primitive(
    run: Run,
    frame: ElabFrame,
    target: PrimitiveTarget,
    op: OpValue,
    tensors: list[Tensor],
    ambient: Ambient,
    span: Span,
    hint: str,
) -> Tensor:
    """The output; after an OpError it is reported and a tainted guess comes back."""
    args = op.args
    for name in target.ambients:
        if name not in args:
            value = ambient.lookup(name)
            if value is not MISSING:
                run.read_ambients.add(name)
                args = {**args, name: value}
    try:
        entry = _entry(run, target, args, op, span)
        shapes = (tensors[0].shape,) if len(tensors) == 1 else tuple([t.shape for t in tensors])
        found = None if run.traced else entry.results.get(shapes)
        if found is None:
            shape = entry.op.shape(*shapes)
            found = (shape, entry.op.cost(shapes, shape))
            if not run.traced:
                entry.results[shapes] = found
    except OpError as error:
        return _recover(run, frame, target, args, op, tensors, error, span)
    body = frame.body
    run.spend(4 + reading(args.values(), span), span)
    run.count_nodes(1, span)
    out = body.add_node(entry.op, tuple(tensors), shapes, found[0], found[1], hint, span, frame.scope)
    for tensor in tensors:
        if tensor.tainted:
            out.tainted = True
    return out


def _entry(run: Run, target: PrimitiveTarget, args: dict[str, Any], op: OpValue, span: Span) -> OpEntry:
    if run.traced:
        return _made(target, args, span)
    given = args.items() if len(args) < 2 else sorted(args.items())
    key = (target, *[(n, key_of(v)) for n, v in given])
    entry = run.caches.ops.get(key)
    if entry is None:
        entry = run.caches.ops[key] = _made(target, args, span)
    return entry


def _made(target: PrimitiveTarget, args: dict[str, Any], span: Span) -> OpEntry:
    for value in args.values():
        if isinstance(value, Kept):
            raise value.refused()
    missing = [p.name for p in target.params if p.required and p.name not in args]
    if missing:
        raise not_given(target.name, missing, target.signature(), span)
    for name, value in args.items():
        whole = type(value) is int or (type(value) is Symbol and value.whole)
        if whole and not -(2**31) < value < 2**31:
            raise OpError(
                "E0903", f"{target.name}: `{name}` = {value:,} is beyond 2^31", argument=name,
                label="too large", help=("no size of a tensor needs more",),
            )  # fmt: skip
    return OpEntry(target.cls.make(**args))


def _recover(
    run: Run,
    frame: ElabFrame,
    target: PrimitiveTarget,
    args: dict[str, Any],
    op: OpValue,
    tensors: list[Tensor],
    error: OpError,
    span: Span,
) -> Tensor:
    """Report a refused op and go on with the likeliest shape, so that later statements are checked."""
    if not (error.about_input and any(t.tainted for t in tensors)):
        _report(run, target, args, op, error, span)
    shape = tensors[0].shape if tensors else (1,)
    with suppress(OpError):
        shape = target.cls.make(**args).recover(*[t.shape for t in tensors])
    return frame.body.add_failed(shape)


def _report(
    run: Run, target: PrimitiveTarget, args: dict[str, Any], op: OpValue, error: OpError, span: Span
) -> None:
    name = error.argument or ""
    ambient = name in args and name not in op.args  # its value came from a `set`: that is where to look
    at = run.set_ambients.get(name, span) if ambient else op.arg_spans.get(name, span)
    inner = () if located(at) == located(span) else (Frame(f"in {target.name} ({located(span)})"),)
    run.report(
        Diagnostic(error.code, error.message, at, error.label, error.help, frames=inner),
        once=ambient and at is not span,
    )


def check_arguments(run: Run, op: Any) -> None:
    """Report what is wrong with the arguments of ops that, for another mistake, will never be applied."""
    if isinstance(op, Composition):
        for step in op.steps:
            check_arguments(run, step.op)
    elif isinstance(op, OpValue) and isinstance(op.target, PrimitiveTarget) and op.args:
        try:
            with suppress(Failure):  # a missing one may be given later
                _entry(run, op.target, op.args, op, op.span)
        except OpError as error:
            _report(run, op.target, op.args, op, error, op.span)
