"""One elaboration: its limits, its diagnostics, and the application of ops to tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from archc.diagnostics import Diagnostic, Frame, Span
from archc.elaborate.apply_block import apply_block
from archc.elaborate.apply_primitive import apply_primitive, check_arguments
from archc.elaborate.builder import Body, Template
from archc.elaborate.frame import Caches, ElabFrame, StackEntry, located
from archc.elaborate.keep import apply_mixture, call_mixture
from archc.elaborate.pricing import priced
from archc.elaborate.signature import (
    BlockTarget,
    PrimitiveTarget,
    Target,
    bind,
    check_tensor,
    not_given,
)
from archc.elaborate.values import (
    MISSING,
    Composition,
    Failure,
    Fatal,
    Mixture,
    OpValue,
    Tensor,
    a_type,
    fail,
    show,
)
from archc.elaborate.weight import reading

if TYPE_CHECKING:
    from archc.elaborate.choosers import Chooser, KeepAll

FUEL = 1_000_000
MAX_DEPTH = 64
MAX_NODES = 20_000
MAX_DIAGNOSTICS = 100
REPEATED = 200
"""Fuel of making a diagnostic again: it looks for names that may have been meant."""


class Run:
    """State of one elaboration."""

    def __init__(
        self,
        caches: Caches,
        chooser: Chooser | KeepAll | None,
        root: str,
        fuel: int = FUEL,
        *,
        priced: bool = False,
        traced: bool = False,
    ) -> None:
        self.caches = caches
        self.chooser = chooser
        self.root = root  # name of the source errors should point into where they can
        self.fuel = fuel
        self.tank = fuel  # what there was to begin with
        self.echoed = 0  # fuel that went for diagnostics made again
        self.priced = priced  # only costs are asked for: see archc.elaborate.pricing
        self.traced = traced  # numbers may be symbols, so nothing is looked up or kept by them
        self.depth = 0
        self.diagnostics: list[Diagnostic] = []
        self.reported: set[Any] = set()
        self.failed = False  # a statement was given up, for an error reported here or elsewhere
        self.stack: list[StackEntry] = []
        self.bodies: list[Body] = []
        self.failed_templates: dict[Any, Template] = {}
        self.read_ambients: set[str] = set()
        self.set_ambients: dict[str, Span] = {}
        self.arch: Any = None  # the ArchRun, where an arch is being elaborated
        self.picks: dict[str, int] = {}
        self.picked = 0  # choice points met: what has met one is not the same the next time

    # ------------------------------------------------------------ diagnostics and limits

    def report(self, diagnostic: Diagnostic, *, once: bool = False) -> None:
        """Record a diagnostic, placed in the user's file and with its call stack.

        One a place and way to it: the same line in the next turn of a loop says nothing new. once: whatever the
        way, as the place itself is to blame.
        """
        placed = self._place(diagnostic)
        way = [diagnostic.span, *(e.span for e in self.stack if not once)]
        key = (diagnostic.code, *[(s.source.name, s.start, s.end) for s in way])
        if key in self.reported:
            self.echoed += REPEATED if placed.severity == "error" else 0
            self.spend(REPEATED, diagnostic.span)
            return
        self.reported.add(key)
        self.failed |= placed.severity == "error"
        self.diagnostics.append(placed)
        if len(self.diagnostics) >= MAX_DIAGNOSTICS:
            message = f"more than {MAX_DIAGNOSTICS} errors: stopped here"
            help = ("correct these first: later ones may follow from them",)
            raise Fatal(Diagnostic("E0906", message, placed.span, "the last one shown", help))

    def _place(self, diagnostic: Diagnostic) -> Diagnostic:
        texts: list[str] = []
        span = diagnostic.span
        if span.source.name != self.root:
            call = next((e for e in reversed(self.stack) if e.span.source.name == self.root), None)
            if call is not None:
                texts.append(f"in `{_shorten(span.text)}` ({located(span)})")
                span = call.span
        texts += [frame.text for frame in diagnostic.frames]
        here = located(span)
        for entry in reversed(self.stack):
            elsewhere = entry.located and located(entry.span) != here
            texts.append(f"{entry.text} ({located(entry.span)})" if elsewhere else entry.text)
        if len(texts) > 8:
            texts = [*texts[:4], f"… {len(texts) - 8} more …", *texts[-4:]]
        frames = (Frame(", ".join(texts)),) if texts else ()
        return replace(diagnostic, span=span, frames=frames)

    def spend(self, amount: int, span: Span) -> None:
        """Use evaluation fuel; raises Fatal when it is gone, silently where most went for saying the same again."""
        self.fuel -= amount
        if self.fuel < 0:
            if 2 * self.echoed > self.tank:
                raise Fatal
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
        self.picked += 1
        number = self.picks.get(where, 0)
        self.picks[where] = number + 1
        return f"{where}[{number}]" if number or name is None else where

    def count_nodes(self, more: int, span: Span) -> None:
        """Make room for more nodes; raises Fatal beyond MAX_NODES."""
        for body in self.bodies:
            more += body.node_count
        if more > MAX_NODES:
            raise Fatal(
                Diagnostic("E0905", f"the graph has more than {MAX_NODES:,} nodes", span, "stopped here",
                           ("repeats multiply: check their counts",))
            )  # fmt: skip

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
        self.spend(3 + reading([v for _, v, _ in args], span) // 2, span)
        if isinstance(value, OpValue):
            if not value.args and args and (plain := _plain(value.target, args)) is not None:
                spans = {name: at for name, (_, _, at) in zip(plain, args, strict=True)}
                return OpValue(value.target, plain, spans, frame.ambient, span, len(args))
            tensors, bound, positional = bind(value.target, value.args, value.positional, args, span)
            spans = value.arg_spans
            if args:
                spans = {**spans, **_spans_of(value.target, args, value.positional)}
            captured = value.captured
            if captured is None or (args and tensors is None):
                captured = frame.ambient
            made = OpValue(value.target, bound, spans, captured, span, positional)
            return made if tensors is None else self._apply_target(frame, made, tensors, span, hint, False)
        if isinstance(value, Mixture):
            return call_mixture(frame, value, args, span, hint)
        tensors = [v for _, v, _ in args]
        if any(name is not None for name, _, _ in args) or not tensors:
            raise fail(
                "E0408", f"{show(value)} takes only tensors: it is already complete", span, "arguments here",
                ("arguments go to the ops it is made of; a block of your own can have parameters",),
            )  # fmt: skip
        return self.apply(frame, value, tensors, span, hint)

    def apply(
        self, frame: ElabFrame, op: Any, tensors: list[Any], span: Span, hint: str, merge: bool = False
    ) -> Any:
        """An op value applied to its tensors (`tensors -> op`); a list may feed one list parameter."""
        self.spend(2, span)
        if isinstance(op, OpValue):
            if op.target.many:
                tensors = self._arrange(op.target, tensors)
            return self._apply_target(frame, op, tensors, span, hint, merge)
        if isinstance(op, Composition):
            if self.priced and len(self.bodies) == 1 and op.steps and all(type(t) is Tensor for t in tensors):
                return priced(
                    self, frame, op, tensors, frame.ambient, span,
                    lambda: self._apply_steps(frame, op, tensors, span, hint),
                )  # fmt: skip
            return self._apply_steps(frame, op, tensors, span, hint)
        if isinstance(op, Mixture):
            return apply_mixture(self, frame, op, tensors, span)
        raise fail(
            "E0409", f"`->` needs an op on its right, not {show(op)}", span, f"this is {a_type(op)}",
            help=("an op is a primitive, a block, or one of them partially applied: `conv(64, 3)`",),
        )  # fmt: skip

    def _apply_steps(
        self, frame: ElabFrame, op: Composition, tensors: list[Any], span: Span, hint: str
    ) -> Any:
        self.enter(span)
        value: Any = tensors[0] if len(tensors) == 1 else tuple(tensors)
        try:
            for i, step in enumerate(op.steps):
                try:
                    value = self.apply(frame, step.op, spread(value), step.span, step.hint or hint)
                except Failure:
                    check_arguments(self, Composition(op.steps[i + 1 :]))
                    raise
        finally:
            self.depth -= 1
        return value

    def _arrange(self, target: Target, tensors: list[Any]) -> list[Any]:
        """Match the tensors of a pipe to a target with a list of them; the count is checked later."""
        listed = len(tensors) == 1 and isinstance(tensors[0], list | tuple)
        return [tensors] if len(target.tensors) == 1 and not listed else tensors

    def _apply_target(
        self, frame: ElabFrame, op: OpValue, tensors: list[Any], span: Span, hint: str, merge: bool
    ) -> Any:
        target = op.target
        if len(tensors) != len(target.tensors):
            raise _tensor_count(target, len(tensors), span)
        for i, param in enumerate(target.tensors):
            if type(tensors[i]) is not Tensor or param.many:
                tensors[i] = check_tensor(target, param, tensors[i], span)
                if param.many:
                    self.spend(len(tensors[i]), span)
        ambient = frame.ambient if op.captured is None else op.captured
        if isinstance(target, PrimitiveTarget):
            if target.many:
                tensors = [t for value in tensors for t in (value if type(value) is list else (value,))]
            return apply_primitive(self, frame, target, op, tensors, ambient, span, hint or target.name)
        if isinstance(target, BlockTarget):
            name = hint or target.name
            if self.priced and len(self.bodies) == 1:
                return priced(
                    self, frame, op, tensors, ambient, span,
                    lambda: apply_block(self, frame, target, op, tensors, ambient, span, name, merge),
                )  # fmt: skip
            return apply_block(self, frame, target, op, tensors, ambient, span, name, merge)
        return self._assert_std(frame, op, tensors[0], span)

    def _assert_std(self, frame: ElabFrame, op: OpValue, tensor: Tensor, span: Span) -> Tensor:
        std = op.args.get("std", MISSING)
        if std is MISSING:
            raise not_given(op.target.name, ("std",), op.target.signature(), span)
        if not isinstance(std, int | float) or isinstance(std, bool) or not 0 < std < 1e30:
            raise fail(
                "E0304", f"with_std: `std` must be a positive number, not {show(std)}",
                op.arg_spans.get("std", span), "expected a positive number",
            )  # fmt: skip
        return frame.body.add_alias(tensor, float(std) ** 2)


def _tensor_count(target: Target, given: int, span: Span) -> Failure:
    names = ", ".join(t.name for t in target.tensors)
    wanted = f"{len(target.tensors)} tensor{'s' if len(target.tensors) != 1 else ''}"
    help = f"it is declared as {target.signature()}"
    if len(target.tensors) > 1:
        help = f"supply them together: `({names}) -> {target.name}(…)`; {help}"
    return fail(
        "E0404", f"{target.name} takes {wanted}, but is given {given}", span, f"needs {names}", (help,)
    )


def sides(
    f: ElabFrame, left: Callable[[ElabFrame], Any], right: Callable[[ElabFrame], Any]
) -> tuple[Any, Any]:
    """The values on both sides of `->`; where one fails, the other is checked before Failure is raised."""
    try:
        value = left(f)
    except Failure as failure:
        try:
            check_arguments(f.run, right(f))
        except Failure as other:
            if other.diagnostic is not None:
                f.run.report(other.diagnostic)
        raise failure from None
    try:
        return value, right(f)
    except Failure:
        check_arguments(f.run, value)
        raise


def spread(value: Any) -> list[Any]:
    """The tensors a pipe's left side supplies: a tuple spreads."""
    return list(value) if isinstance(value, tuple) else [value]


_PLAIN = {int, float, bool, str}


def _plain(target: Target, args: list[tuple[str | None, Any, Span]]) -> dict[str, Any] | None:
    """What `bind` gives for scalars by position, the first arguments of an op; None where they are not that."""
    bound = {}
    if len(args) > len(target.params):
        return None
    for (name, value, _), param in zip(args, target.params, strict=False):
        if name is not None or type(value) not in _PLAIN:
            return None
        bound[param.name] = value
    return bound


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
