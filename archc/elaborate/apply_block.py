"""A block applied to tensors: elaborated once per distinct call, an instance of the template after that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archc.diagnostics import Diagnostic, Span
from archc.elaborate.builder import SPREAD_FUEL, Body, Template, dead_values
from archc.elaborate.frame import ElabFrame, StackEntry, effort
from archc.elaborate.signature import BlockTarget, convert, not_given, wrong_type
from archc.elaborate.values import (
    MISSING,
    POISON,
    Ambient,
    Failure,
    OpValue,
    Tensor,
    a_type,
    key_of,
    show,
)
from archc.elaborate.weight import reading
from archc.syntax import ast

if TYPE_CHECKING:
    from archc.elaborate.run import Run


def apply_block(
    run: Run,
    frame: ElabFrame,
    target: BlockTarget,
    op: OpValue,
    tensors: list[Any],
    ambient: Ambient,
    span: Span,
    hint: str,
    merge: bool,
) -> Any:
    """The block's result as tensors of the caller's body; raises Failure when it has none."""
    values, inner = _block_arguments(run, target, op, ambient, frame.body, span)
    flat = [t for value in tensors for t in (value if type(value) is list else (value,))]
    run.spend(reading(values.values(), span), span)
    key = None if run.traced else (
        target,
        tuple([key_of(v) for v in values.values()]),
        inner,
        tuple([
            tuple([(t.shape, t.tainted) for t in v]) if type(v) is list else (v.shape, v.tainted)
            for v in tensors
        ]),
    )  # fmt: skip
    template = None if key is None else _known_template(run, key, flat)
    if template is None:
        template = _elaborate_block(run, target, op, values, inner, tensors, flat, span, key)
    run.spend(8 + target.effort + SPREAD_FUEL * template.node_count, span)
    run.count_nodes(template.node_count, span)
    outputs = frame.body.add_instance(template, tuple(flat), hint, span, frame.scope, merge)
    if template.failed:
        frame.body.reusable = False
        if template.result is MISSING:
            raise Failure
    return rebuild(template.result, outputs)


def _known_template(run: Run, key: Any, flat: list[Tensor]) -> Template | None:
    template = run.caches.templates.get(key)
    if template is not None and template.reads_std:  # so every template of this key does
        stds = tuple([t.body.variance(t.ref) for t in flat])
        template = run.caches.templates.get((key, stds))
    if template is None:
        return run.failed_templates.get(key)
    run.read_ambients |= template.read_ambients
    return template


def _block_arguments(
    run: Run, target: BlockTarget, op: OpValue, ambient: Ambient, body: Body, span: Span
) -> tuple[dict[str, Any], Ambient]:
    """Every parameter's value: given, else ambient, else default; and the ambients of the body."""
    values: dict[str, Any] = {}
    inner = ambient
    failed = False
    given = op.args
    frame = ElabFrame(run, values, ambient, body)
    for param in target.params:
        name, wanted = param.name, param.type
        assert wanted is not None  # only op parameters go without
        value = given.get(name, MISSING)
        if value is MISSING:
            if param.ambient and (value := ambient.lookup(name)) is not MISSING:
                run.read_ambients.add(name)
            elif name in target.defaults:
                value = target.defaults[name](frame)
            else:
                raise not_given(target.name, _missing(target, op, ambient), target.signature(), span)
        found = convert(value, wanted)
        if found is MISSING:
            at, is_set = _written_at(run, target, op, ambient, name, span)
            run.report(wrong_type(target.name, name, wanted, value, at), once=is_set)
            failed = True
            found = POISON
        elif param.ambient and name in given:
            inner = inner.extend(name, found)
        values[name] = found
    if failed:
        raise Failure
    return values, inner


def _missing(target: BlockTarget, op: OpValue, ambient: Ambient) -> list[str]:
    """The parameters that have no value from anywhere."""
    return [
        p.name
        for p in target.params
        if p.name not in op.args
        and p.name not in target.defaults
        and not (p.ambient and ambient.lookup(p.name) is not MISSING)
    ]


def _written_at(
    run: Run, target: BlockTarget, op: OpValue, ambient: Ambient, name: str, span: Span
) -> tuple[Span, bool]:
    """Where the value of a parameter was written, and whether by a `set`."""
    if name in op.args:
        return op.arg_spans.get(name, span), False
    if target.by_name[name].ambient and ambient.lookup(name) is not MISSING:
        return run.set_ambients.get(name, span), name in run.set_ambients
    defaults = (p.default.span for p in target.definition.params if p.name == name and p.default)
    return next(defaults, span), False


def _elaborate_block(
    run: Run,
    target: BlockTarget,
    op: OpValue,
    values: dict[str, Any],
    ambient: Ambient,
    tensors: list[Any],
    flat: list[Tensor],
    span: Span,
    key: Any,
) -> Template:
    run.enter(span)
    run.spend(25 + effort(target.definition.span), span)
    before = len(run.diagnostics)
    body = Body(tuple(flat))
    frame = ElabFrame(run, dict(values), ambient, body)
    frame.spans = op.arg_spans
    inside = iter([Tensor(body, i, t.shape, t.tainted) for i, t in enumerate(flat)])
    for param, value in zip(target.tensors, tensors, strict=True):
        frame.vars[param.name] = [next(inside) for _ in value] if type(value) is list else next(inside)
    run.stack.append(StackEntry(f"called from {target.name}", span))
    run.bodies.append(body)
    read_before, run.read_ambients = run.read_ambients, set()
    try:
        result = target.run(frame)
        if result is not MISSING and not _is_result(result):
            run.report(_bad_result(target, result))
            result = MISSING
    finally:
        run.bodies.pop()
        run.stack.pop()
        run.depth -= 1
    failed = result is MISSING or len(run.diagnostics) > before or (not body.reusable and _tainted(result))
    template = template_of(
        target.name, tuple(values.items()), flat, body, result, reusable=body.reusable and not failed,
        failed=failed, read=frozenset(run.read_ambients),
    )  # fmt: skip
    run.read_ambients |= read_before
    if key is None:
        return template
    if failed:
        run.failed_templates[key] = template
    elif body.reusable:
        run.caches.items += len(body.items)
        run.caches.templates[key] = template
        if template.reads_std:
            run.caches.templates[key, template.stds] = template
    else:
        run.bodies[-1].reusable = False
    return template


def template_of(
    block: str,
    values: tuple[tuple[str, Any], ...],
    flat: list[Tensor],
    body: Body,
    result: Any,
    *,
    reusable: bool,
    failed: bool = False,
    read: frozenset[str] = frozenset(),
) -> Template:
    """A finished body as a template. flat: the caller's tensors. result: what the body gives, or MISSING."""
    outputs: list[Tensor] = []
    structure = MISSING if result is MISSING else unbuild(result, outputs)
    refs = tuple([t.ref for t in outputs])
    return Template(
        block,
        values,
        len(flat),
        body.items,
        refs,
        tuple(t.shape for t in outputs),
        structure,
        body.cost,
        body.node_count,
        body.reads_std,
        body.input_variances() if body.reads_std else (),
        read,
        failed,
        tuple(t.tainted for t in outputs),
        reusable,
        dead_values(body.items, refs, body.value_count),
    )


def rebuild(structure: Any, outputs: list[Tensor]) -> Any:
    """A template's result with its output indices replaced by tensors."""
    if isinstance(structure, int):
        return outputs[structure]
    return type(structure)(rebuild(s, outputs) for s in structure)


def unbuild(value: Any, outputs: list[Tensor]) -> Any:
    """The opposite: collect the tensors of a result, leaving indices."""
    if isinstance(value, Tensor):
        outputs.append(value)
        return len(outputs) - 1
    return type(value)(unbuild(v, outputs) for v in value)


def _is_result(value: Any) -> bool:
    if isinstance(value, Tensor):
        return True
    return isinstance(value, list | tuple) and bool(value) and all(map(_is_result, value))


def _tainted(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.tainted
    return value is not MISSING and any(map(_tainted, value))


def _bad_result(target: BlockTarget, value: Any) -> Diagnostic:
    what = "nothing" if value is None else show(value)
    message = f"block {target.name} returns {what}; a block returns a tensor, or a tuple or list of tensors"
    body = target.definition.body
    help = "return a tensor; a function of numbers is `fn name(a) = …`"
    if value is None:
        last = body[-1] if body else None
        result = "…"
        if isinstance(last, ast.Assign) and isinstance(last.target, ast.NameTarget):
            result = last.target.id
        help = f"end the body with `return {result}`"
    returned = next((s.value.span for s in reversed(body) if isinstance(s, ast.Return)), None)
    label = "" if value is None else f"this is {a_type(value)}"
    return Diagnostic("E0415", message, returned or target.definition.name_span, label, (help,))
