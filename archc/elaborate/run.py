"""One elaboration: its limits, its diagnostics, and the application of ops to tensors."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from archc.diagnostics import Diagnostic, Frame, Span
from archc.elaborate.builder import Body, Template
from archc.elaborate.signature import (
    BlockTarget,
    PrimitiveTarget,
    Target,
    bind,
    check_tensor,
    convert,
    describe_type,
)
from archc.elaborate.values import (
    MISSING,
    Ambient,
    Choice,
    Composition,
    Failure,
    Fatal,
    OpValue,
    Tensor,
    fail,
    is_op,
    key_of,
    show,
)
from archc.ops.base import Cost, Op, OpError, Shape

if TYPE_CHECKING:
    from archc.elaborate.choosers import Chooser

FUEL = 1_000_000
MAX_DEPTH = 64
MAX_NODES = 20_000
MAX_DIAGNOSTICS = 100
CACHE_SIZE = 50_000


@dataclass(slots=True)
class OpEntry:
    """An interned op with the shapes and costs already computed for it."""

    op: Op
    results: dict[tuple[Shape, ...], tuple[Shape, Cost]] = field(default_factory=dict)


@dataclass(slots=True)
class Caches:
    """What elaborations of one library share: interned ops, and templates of clean block calls."""

    ops: dict[Any, OpEntry] = field(default_factory=dict)
    templates: dict[Any, list[Template]] = field(default_factory=dict)
    ambient: Ambient = field(default_factory=lambda: Ambient(None, "", None))

    def trim(self) -> None:
        """Called between elaborations, so that ids used as keys stay alive during one."""
        if (
            len(self.ops) > CACHE_SIZE
            or len(self.templates) > CACHE_SIZE
            or len(self.ambient.children) > 1000
        ):
            self.ops.clear()
            self.templates.clear()
            self.ambient = Ambient(None, "", None)


@dataclass(slots=True)
class StackEntry:
    """One level of the way to the current statement: a block call, a section or a repetition."""

    text: str
    span: Span


class ElabFrame:
    """The variables and surroundings of one body being evaluated."""

    __slots__ = ("ambient", "body", "current", "run", "scope", "spans", "vars")

    def __init__(self, run: Run, vars: dict[str, Any], ambient: Ambient, body: Body) -> None:
        self.run = run
        self.vars = vars
        self.ambient = ambient
        self.body = body
        self.scope = 0
        self.current = ""  # name of the current tensor; empty where sections do not belong
        self.spans: dict[str, Span] = {}  # where the caller wrote each argument


class Run:
    """State of one elaboration."""

    def __init__(self, caches: Caches, chooser: Chooser | None, root: str) -> None:
        self.caches = caches
        self.chooser = chooser
        self.root = root  # name of the source errors should point into where they can
        self.fuel = FUEL
        self.depth = 0
        self.diagnostics: list[Diagnostic] = []
        self.reported: set[tuple[str, str, int, int, str]] = set()
        self.stack: list[StackEntry] = []
        self.bodies: list[Body] = []
        self.failed_templates: dict[Any, Template] = {}
        self.read_ambients: set[str] = set()
        self.set_ambients: dict[str, Span] = {}
        self.arch: Any = None  # the ArchRun, where an arch is being elaborated
        self.picks: dict[str, int] = {}

    # ------------------------------------------------------------ diagnostics and limits

    def report(self, diagnostic: Diagnostic) -> None:
        """Record a diagnostic, placed in the user's file and with its call stack; once each."""
        placed = self._place(diagnostic)
        key = (placed.code, placed.span.source.name, placed.span.start, placed.span.end, placed.message)
        if key in self.reported:
            return
        self.reported.add(key)
        self.diagnostics.append(placed)
        if len(self.diagnostics) >= MAX_DIAGNOSTICS:
            message = f"more than {MAX_DIAGNOSTICS} errors: stopped here"
            raise Fatal(Diagnostic("E0906", message, placed.span))

    def _place(self, diagnostic: Diagnostic) -> Diagnostic:
        texts: list[str] = []
        span = diagnostic.span
        if span.source.name != self.root:
            call = next((e for e in reversed(self.stack) if e.span.source.name == self.root), None)
            if call is not None:
                line, _ = span.source.position(span.start)
                texts.append(f"in `{_shorten(span.text)}` ({span.source.name}:{line})")
                span = call.span
        texts += [e.text for e in reversed(self.stack)]
        if len(texts) > 8:
            texts = [*texts[:4], f"… {len(texts) - 8} more …", *texts[-4:]]
        frames = (Frame(", ".join(texts)),) if texts else ()
        return replace(diagnostic, span=span, frames=(*diagnostic.frames, *frames))

    def spend(self, amount: int, span: Span) -> None:
        """Use evaluation fuel; raises Fatal when it is gone."""
        self.fuel -= amount
        if self.fuel < 0:
            raise Fatal(
                Diagnostic("E0901", f"evaluation takes more than {FUEL:,} steps", span, "stopped here",
                           ("loops and repeats multiply: check their bounds",))
            )  # fmt: skip

    def enter(self, span: Span) -> None:
        """Go one call deeper; raises Fatal beyond MAX_DEPTH. The caller undoes it with `depth -= 1`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Fatal(
                Diagnostic("E0902", f"calls are nested more than {MAX_DEPTH} deep", span, "stopped here",
                           ("the language has no recursion: an op must not apply itself",))
            )  # fmt: skip

    def set_value(self, name: str, value: Any, span: Span, top: bool) -> Any:
        """The value a `set` gives: at the top of an arch, a variant's `set` of the same name wins."""
        self.set_ambients.setdefault(name, span)
        if top and self.arch is not None and len(self.bodies) == 1:
            found = self.arch.variant_sets.get(name, MISSING)
            if found is not MISSING:
                return found
        return value

    def pick_path(self, name: str | None) -> str:
        """A stable name for the next choice point: where it is in the arch, and how many came before."""
        where = name or ".".join(e.text.split(" ")[-1] for e in self.stack) or "pick"
        number = self.picks.get(where, 0)
        self.picks[where] = number + 1
        return f"{where}[{number}]" if number or name is None else where

    # ------------------------------------------------------------ calls

    def call(
        self,
        frame: ElabFrame,
        value: Any,
        args: list[tuple[str | None, Any, Span]],
        span: Span,
        hint: str,
    ) -> Any:
        """`value(args)` for an op: applied when the tensors are there, a partial op otherwise."""
        if isinstance(value, OpValue):
            tensors, bound, positional = bind(value.target, value.args, value.positional, args, span)
            spans = value.arg_spans
            if args:
                spans = {**spans, **_spans_of(value.target, args, value.positional)}
            captured = value.captured
            if captured is None or (args and tensors is None):
                captured = frame.ambient
            made = OpValue(value.target, bound, spans, captured, span, positional)
            return made if tensors is None else self._apply_target(frame, made, tensors, span, hint, False)
        tensors = [v for _, v, _ in args]
        if any(name is not None for name, _, _ in args) or not tensors:
            raise fail("E0408", f"{show(value)} takes only tensors: it is already complete", span)
        return self.apply(frame, value, tensors, span, hint)

    def apply(
        self, frame: ElabFrame, op: Any, tensors: list[Any], span: Span, hint: str, merge: bool = False
    ) -> Any:
        """An op value applied to its tensors (`tensors -> op`); a list may feed one list parameter."""
        self.spend(2, span)
        if isinstance(op, OpValue):
            return self._apply_target(frame, op, self._arrange(op.target, tensors), span, hint, merge)
        if isinstance(op, Composition):
            self.enter(span)
            value: Any = tensors[0] if len(tensors) == 1 else tuple(tensors)
            for step in op.steps:
                value = self.apply(frame, step.op, spread(value), step.span, step.hint or hint)
            self.depth -= 1
            return value
        if isinstance(op, Choice):
            raise fail("E0512", "this pick was kept open: a supernet mixes it by weight", span)
        raise fail(
            "E0409", f"`->` needs an op on its right, not {show(op)}", span,
            help=("an op is a primitive, a block, or one of them partially applied: `conv(64, 3)`",),
        )  # fmt: skip

    def _arrange(self, target: Target, tensors: list[Any]) -> list[Any]:
        """Match the tensors of a pipe to the target's parameters; the count is checked later."""
        if (
            len(target.tensors) == 1
            and target.tensors[0].many
            and not (len(tensors) == 1 and isinstance(tensors[0], list | tuple))
        ):
            return [tensors]
        return tensors

    def _apply_target(
        self, frame: ElabFrame, op: OpValue, tensors: list[Any], span: Span, hint: str, merge: bool
    ) -> Any:
        target = op.target
        if len(tensors) != len(target.tensors):
            raise fail(
                "E0404",
                f"{target.name} takes {len(target.tensors)} tensor"
                f"{'s' if len(target.tensors) != 1 else ''}, but is given {len(tensors)}",
                span,
                help=(f"it is declared as {target.signature()}",),
            )
        for i, param in enumerate(target.tensors):
            if type(tensors[i]) is not Tensor or param.many:
                tensors[i] = check_tensor(target, param, tensors[i], span)
        ambient = frame.ambient if op.captured is None else op.captured
        if isinstance(target, PrimitiveTarget):
            flat = [t for value in tensors for t in (value if type(value) is list else (value,))]
            return self._apply_primitive(frame, target, op, flat, ambient, span, hint or target.name)
        if isinstance(target, BlockTarget):
            return self._apply_block(frame, target, op, tensors, ambient, span, hint or target.name, merge)
        return self._assert_std(frame, op, tensors[0], span)

    # ------------------------------------------------------------ primitives

    def _apply_primitive(
        self,
        frame: ElabFrame,
        target: PrimitiveTarget,
        op: OpValue,
        tensors: list[Tensor],
        ambient: Ambient,
        span: Span,
        hint: str,
    ) -> Tensor:
        args = op.args
        for name in target.ambients:
            if name not in args:
                value = ambient.lookup(name)
                if value is not MISSING:
                    self.read_ambients.add(name)
                    args = {**args, name: value}
        try:
            entry = self._entry(target, args, op, span)
            shapes = tuple([t.shape for t in tensors])
            found = entry.results.get(shapes)
            if found is None:
                shape = entry.op.shape(*shapes)
                found = entry.results[shapes] = (shape, entry.op.cost(shapes, shape))
        except OpError as error:
            return self._recover(frame, target, args, op, tensors, error, span)
        body = frame.body
        self._count_nodes(body, 1, span)
        out = body.add_node(entry.op, tuple(tensors), found[0], found[1], hint, span, frame.scope)
        for tensor in tensors:
            if tensor.tainted:
                out.tainted = True
        return out

    def _entry(self, target: PrimitiveTarget, args: dict[str, Any], op: OpValue, span: Span) -> OpEntry:
        key = (target.name, *[(n, key_of(v)) for n, v in sorted(args.items())])
        entry = self.caches.ops.get(key)
        if entry is None:
            missing = [p.name for p in target.params if p.required and p.name not in args]
            if missing:
                raise fail(
                    "E0407", f"{target.name}: `{missing[0]}` is not given", span, f"`{missing[0]}` is missing",
                    (f"it is declared as {target.signature()}",),
                )  # fmt: skip
            for name, value in args.items():
                if type(value) is int and not -(2**31) < value < 2**31:
                    raise OpError(
                        "E0903", f"{target.name}: `{name}` = {value:,} is beyond 2^31", argument=name,
                        label="too large",
                    )  # fmt: skip
            entry = self.caches.ops[key] = OpEntry(target.cls.make(**args))
        return entry

    def _recover(
        self,
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
            at = op.arg_spans.get(error.argument or "", span)
            self.report(Diagnostic(error.code, error.message, at, error.label, error.help))
        shape = tensors[0].shape if tensors else (1,)
        with suppress(OpError):
            shape = target.cls.make(**args).recover(*[t.shape for t in tensors])
        value = frame.body.value_count
        frame.body.value_count += 1
        frame.body.reusable = False
        frame.body.known[value] = "an op that failed"
        return Tensor(frame.body, value, shape, tainted=True)

    def _count_nodes(self, body: Body, more: int, span: Span) -> None:
        if sum(b.node_count for b in self.bodies) + more > MAX_NODES:
            raise Fatal(
                Diagnostic("E0905", f"the graph has more than {MAX_NODES:,} nodes", span, "stopped here",
                           ("repeats multiply: check their counts",))
            )  # fmt: skip

    def _assert_std(self, frame: ElabFrame, op: OpValue, tensor: Tensor, span: Span) -> Tensor:
        std = op.args.get("std", MISSING)
        if not isinstance(std, int | float) or isinstance(std, bool) or not 0 < std < 1e30:
            raise fail("E0304", "with_std: `std` must be a positive number", op.arg_spans.get("std", span))
        return frame.body.add_alias(tensor, float(std) ** 2)

    # ------------------------------------------------------------ blocks

    def _apply_block(
        self,
        frame: ElabFrame,
        target: BlockTarget,
        op: OpValue,
        tensors: list[Any],
        ambient: Ambient,
        span: Span,
        hint: str,
        merge: bool,
    ) -> Any:
        values, inner = self._block_arguments(target, op, ambient, frame.body, span)
        flat = [t for value in tensors for t in (value if type(value) is list else (value,))]
        key = (
            id(target),
            tuple([key_of(v) for v in values.values()]),
            id(inner),
            tuple([
                tuple([(t.shape, t.tainted) for t in v]) if type(v) is list else (v.shape, v.tainted)
                for v in tensors
            ]),
        )  # fmt: skip
        template = self._known_template(key, flat)
        if template is None:
            template = self._elaborate_block(target, op, values, inner, tensors, flat, span, key)
        self._count_nodes(frame.body, template.node_count, span)
        outputs = frame.body.add_instance(template, tuple(flat), hint, span, frame.scope, merge)
        if template.failed:
            frame.body.reusable = False
            if template.result is MISSING:
                raise Failure
        return rebuild(template.result, outputs)

    def _known_template(self, key: Any, flat: list[Tensor]) -> Template | None:
        stds: tuple[float | str, ...] | None = None
        for template in self.caches.templates.get(key, ()):
            if not template.reads_std:
                return template
            if stds is None:
                stds = tuple([t.body.variance(t.ref) for t in flat])
            if template.stds == stds:
                return template
        return self.failed_templates.get(key)

    def _block_arguments(
        self, target: BlockTarget, op: OpValue, ambient: Ambient, body: Body, span: Span
    ) -> tuple[dict[str, Any], Ambient]:
        """Every parameter's value: given, else ambient, else default; and the ambients of the body."""
        values: dict[str, Any] = {}
        inner = ambient
        for param in target.params:
            name = param.name
            value = op.args.get(name, MISSING)
            if value is not MISSING:
                value = self._converted(target, param.name, param.type, value, op.arg_spans.get(name, span))
                if param.ambient:
                    inner = inner.extend(name, value)
            elif param.ambient and (value := ambient.lookup(name)) is not MISSING:
                self.read_ambients.add(name)
                value = self._converted(target, name, param.type, value, span)
            elif name in target.defaults:
                default_frame = ElabFrame(self, values, ambient, body)
                value = target.defaults[name](default_frame)
                value = self._converted(target, name, param.type, value, target.definition.span)
            else:
                raise fail(
                    "E0407", f"{target.name}: `{name}` is not given", span, f"`{name}` is missing",
                    (f"it is declared as {target.signature()}",),
                )  # fmt: skip
            values[name] = value
        return values, inner

    def _converted(self, target: Target, name: str, wanted: Any, value: Any, span: Span) -> Any:
        found = convert(value, wanted)
        if found is MISSING:
            help: tuple[str, ...] = ()
            if wanted.name == "op" and isinstance(value, Tensor):
                help = ("pass the op itself, not its result",)
            elif wanted.name == "int" and isinstance(value, float):
                help = ("round it explicitly: round(), floor(), ceil() or make_divisible()",)
            raise fail(
                "E0405", f"{target.name}: `{name}` must be {describe_type(wanted)}, not {show(value)}", span,
                f"expected {describe_type(wanted)}", help,
            )  # fmt: skip
        return found

    def _elaborate_block(
        self,
        target: BlockTarget,
        op: OpValue,
        values: dict[str, Any],
        ambient: Ambient,
        tensors: list[Any],
        flat: list[Tensor],
        span: Span,
        key: Any,
    ) -> Template:
        self.enter(span)
        self.spend(5, span)
        before = len(self.diagnostics)
        body = Body(tuple(flat))
        frame = ElabFrame(self, dict(values), ambient, body)
        frame.spans = op.arg_spans
        inside = iter([Tensor(body, i, t.shape, t.tainted) for i, t in enumerate(flat)])
        for param, value in zip(target.tensors, tensors, strict=True):
            frame.vars[param.name] = [next(inside) for _ in value] if type(value) is list else next(inside)
        self.stack.append(StackEntry(f"called from {target.name}", span))
        self.bodies.append(body)
        try:
            result = target.run(frame)
            if result is not MISSING and not _is_result(result):
                self.report(_bad_result(target, result))
                result = MISSING
        finally:
            self.bodies.pop()
            self.stack.pop()
        self.depth -= 1
        failed = result is MISSING or len(self.diagnostics) > before or (not body.reusable and _tainted(result))
        outputs: list[Tensor] = []
        structure = MISSING if result is MISSING else unbuild(result, outputs)
        template = Template(
            target.name,
            tuple((n, _shown_argument(v)) for n, v in values.items()),
            len(flat),
            body.items,
            tuple(t.ref for t in outputs),
            tuple(t.shape for t in outputs),
            structure,
            body.cost,
            body.node_count,
            body.reads_std,
            body.input_variances() if body.reads_std else (),
            failed,
            tuple(t.tainted for t in outputs),
        )
        if failed:
            self.failed_templates[key] = template
        elif body.reusable:
            self.caches.templates.setdefault(key, []).append(template)
        else:
            self.bodies[-1].reusable = False
        return template


def spread(value: Any) -> list[Any]:
    """The tensors a pipe's left side supplies: a tuple spreads."""
    return list(value) if isinstance(value, tuple) else [value]


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
    return Diagnostic(
        "E0415",
        f"block {target.name} returns {what}; a block returns a tensor, or a tuple or list of tensors",
        target.definition.name_span,
        help=("end the body with `return …`; for arithmetic use `fn`",),
    )


def _shown_argument(value: Any) -> Any:
    """A block argument as the graph keeps it: scalars and lists as they are, ops by their text."""
    if isinstance(value, list | tuple):
        return tuple(_shown_argument(v) for v in value)
    return show(value) if is_op(value) or not isinstance(value, int | float | str | bool) else value


def _spans_of(target: Target, args: list[tuple[str | None, Any, Span]], positional: int) -> dict[str, Span]:
    found = {}
    for name, value, span in args:
        if name is not None:
            found[name] = span
        elif not isinstance(value, Tensor) and positional < len(target.params):
            found[target.params[positional].name] = span
            positional += 1
    return found


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 50 else line[:47] + "…"
