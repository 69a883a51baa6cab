"""The parameters of an arch: their domains and defaults compiled once, their arguments bound at each call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Any

from archc.diagnostics import Diagnostic, Span, did_you_mean, listed
from archc.diagnostics.record import record
from archc.elaborate.choosers import DomainValues, KeepAll
from archc.elaborate.definition import Definition
from archc.elaborate.domains import domain_values
from archc.elaborate.expressions import Closure, ExpressionCompiler
from archc.elaborate.frame import ElabFrame, StackEntry
from archc.elaborate.keep import keep_one
from archc.elaborate.run import Run
from archc.elaborate.signature import SCALARS, convert, given_twice, wrong_type
from archc.elaborate.statements import free_names
from archc.elaborate.values import MISSING, POISON, Failure, fail, key_of, show
from archc.syntax import ast

if TYPE_CHECKING:
    from archc.elaborate.module import Module

MAX_KEPT = 64
"""Values of a domain that is kept open that are told of; no network has a use for them."""
MAX_DOMAINS = 1_000
"""How many domains are kept of a parameter whose domain depends on others."""
MAX_VARIANTS = 1_000
"""Of how many variants of an arch the arguments are kept."""

Given = tuple[Any, Span]
"""A value and where it was written."""


class Open(Failure):
    """A parameter without a value: told of with the others, as one is often not alone."""

    def __init__(self, param: ast.Param, domain: DomainValues | None) -> None:
        super().__init__()
        self.param = param
        self.domain = domain


@record(frozen=False)
class CompiledParam:
    """A parameter with its default and its domain as closures.

    reads: earlier parameters its domain mentions. domains: those found, by their values. only: the one there is,
    once found, where it reads none. settled: the value of a literal default, once found to be in order. scalar: the
    type of a value that need not be converted.
    """

    node: ast.Param
    default: Closure | None
    domain: Callable[[ElabFrame], DomainValues] | None
    reads: tuple[str, ...]
    domains: dict[Any, DomainValues] = field(default_factory=dict)
    only: DomainValues | None = None
    settled: Any = MISSING
    scalar: type | None = None


@record(frozen=False)
class Parameters:
    """All parameters of an arch, and the arguments that variants of it bind: constant ones, by a variant's id.

    Each stands beside its variant, as an id comes back once its object is gone.
    """

    params: list[CompiledParam]
    by_name: dict[str, ast.Param]
    variants: dict[int, tuple[ast.VariantDef, dict[str, Given]]] = field(default_factory=dict)


def compile_parameters(module: Module, params: tuple[ast.Param, ...]) -> Parameters:
    """A parameter's default and domain may mention the parameters before it."""
    compiled = []
    before: frozenset[str] = frozenset()
    for param in params:
        compiler = ExpressionCompiler(module, before)
        default = _default(param, compiler)
        reads = tuple(sorted(before & set(free_names(param.domain))))
        scalar = SCALARS.get(param.type.name) if param.type else None
        compiled.append(CompiledParam(param, default, _domain(param, compiler), reads, scalar=scalar))
        before |= {param.name}
    return Parameters(compiled, {p.name: p for p in params})


def _default(param: ast.Param, compiler: ExpressionCompiler) -> Closure | None:
    if param.default is None:
        return None
    value = compiler.compile(param.default)
    if "pick" not in free_names(param.default):
        return value
    entry = StackEntry(f"in the default of {param.name}", param.span)

    def picked(f: ElabFrame) -> Any:
        f.run.stack.append(entry)  # names the picks: `cell[0]`, `cell[1]`, …
        try:
            return value(f)
        finally:
            f.run.stack.pop()

    return picked


def _domain(param: ast.Param, compiler: ExpressionCompiler) -> Callable[[ElabFrame], DomainValues] | None:
    if param.domain is None:
        return None
    closures: dict[int, Closure] = {}

    def domain(f: ElabFrame) -> DomainValues:
        def evaluate(expression: ast.Expr) -> Any:
            closure = closures.get(id(expression))
            if closure is None:
                closure = closures[id(expression)] = compiler.compile(expression)
            return closure(f)

        return domain_values(param, evaluate)

    return domain


def bind_arguments(
    run: Run, target: Definition, parameters: Parameters, given: dict[str, Any], frame: ElabFrame
) -> dict[str, Any]:
    """Each parameter's value: given, else by a variant, else its default, else chosen. Raises Failure."""
    chosen: dict[str, Given] = {}
    for variant, home in target.layers:
        kept = parameters.variants.get(id(variant))
        if kept is not None and kept[0] is variant:
            chosen.update(kept[1])
            continue
        picked = run.picked
        found = _variant_arguments(target, variant, home, parameters.by_name, frame)
        if run.picked == picked:
            if len(parameters.variants) >= MAX_VARIANTS:
                parameters.variants.clear()
            parameters.variants[id(variant)] = variant, found
        chosen.update(found)
    if given:
        chosen.update(_given(target, given, parameters.by_name, frame))
    values: dict[str, Any] = {}
    open_: list[Open] = []
    inner = ElabFrame(run, values, frame.ambient, frame.body)
    for param in parameters.params:
        name = param.node.name
        given_ = chosen.get(name)
        if given_ is None:
            if param.settled is not MISSING:
                values[name] = param.settled
                continue
        elif type(given_[0]) is param.scalar and (
            param.domain is None if param.only is None else param.only.holds(given_[0])
        ):
            values[name] = given_[0]
            continue
        try:
            values[name] = _argument(run, target, param, given_, inner)
        except Failure as failure:
            values[name] = POISON
            run.failed = True
            if isinstance(failure, Open):
                open_.append(failure)
            elif failure.diagnostic is not None:
                run.report(failure.diagnostic)
    for alike in ([o for o in open_ if o.domain is None], [o for o in open_ if o.domain is not None]):
        if alike:
            run.report(_unanswered(target, alike))
    return values


def _given(
    target: Definition, given: dict[str, Any], params: dict[str, ast.Param], frame: ElabFrame
) -> dict[str, Given]:
    found: dict[str, Given] = {}
    for name, value in given.items():
        if name not in params:
            raise fail(
                "E0401", f"{target.arch.name} has no parameter `{name}`", target.arch.name_span, "declared here",
                did_you_mean(name, params) or (f"it has: {', '.join(params) or 'none'}",),
            )  # fmt: skip
        if type(value) is int or type(value) is float:
            pass
        elif isinstance(value, ast.Expr):
            value = ExpressionCompiler(target.outermost, frozenset()).compile(value)(frame)
        elif isinstance(value, str) and _wants_op(params[name]):
            value = _named(value, target, params[name].span, frame)
        found[name] = (value, params[name].span)
    return found


def _named(name: str, target: Definition, span: Span, frame: ElabFrame) -> Any:
    """An op given by name: one that the file asked for knows, else one that the arch's file does."""
    known = target.outermost.knows(name)
    module = target.outermost if known else target.module
    return ExpressionCompiler(module, frozenset()).compile(ast.Name(name, span=span))(frame)


def _unanswered(target: Definition, open_: list[Open]) -> Diagnostic:
    """What is said of the parameters without a value, all of which have a domain or none of which does."""
    names = [o.param.name for o in open_]
    shown = listed(names)
    span, one = open_[0].param.span, len(names) == 1
    if open_[0].domain is None:
        return Diagnostic(
            "E0503",
            f"{target.name}: {shown} {'needs a value' if one else 'need values'}",
            target.variants[0].base.span if target.variants else span,
            f"{shown} {'has' if one else 'have'} no default",
            help=(_who_gives(target, names),),
        )
    domains = [o.domain.describe() for o in open_ if o.domain is not None]
    pass_ = " ".join(f"-p {name}=…" for name in names)
    return Diagnostic(
        "E0507",
        f"{shown} {f'is open: it may be any of {domains[0]}' if one else 'are open'}",
        span,
        "no default",
        notes=()
        if one
        else (", ".join(f"{name} may be any of {d}" for name, d in zip(names, domains, strict=True)),),
        help=(f"pass `{pass_}`, or draw {'one' if one else 'them'} with `--sample SEED`",),
    )


def _who_gives(target: Definition, names: list[str]) -> str:
    """What to do about parameters of an arch without a value: the variants of its file have one."""
    if target.variants:
        given = ", ".join(f"{name} = …" for name in names)
        them = "it" if len(names) == 1 else "them"
        return f"add {them}: `{target.variants[0].base.function.span.text}(…, {given})`"
    module = target.module
    variants = [
        f"`{d.name}`" if module.shipped else f"`{module.source.name}:{d.name}`"
        for d in module.declarations.values()
        if isinstance(d, ast.VariantDef) and d.base.function.span.text == target.arch.name
    ]
    more = ", …" if len(variants) > 3 else ""
    instead = f", or take a variant instead: {', '.join(variants[:3])}{more}" if variants else ""
    return f"pass `{' '.join(f'-p {name}=…' for name in names)}`{instead}"


def _argument(
    run: Run, target: Definition, compiled: CompiledParam, chosen: Given | None, frame: ElabFrame
) -> Any:
    param = compiled.node
    if param.type is None or param.type.name == "tensor":
        raise fail(
            "E0502", f"an arch takes no tensors: give `{param.name}` a type", param.span,
            "a parameter without a type is a tensor",
            (f"write `{param.name}: {_type_of(param)}`; tensors come from `input`",),
        )  # fmt: skip
    domain = None if compiled.domain is None else _found_domain(compiled, frame)
    if chosen is not None:
        value, span = chosen
    elif compiled.default is not None:
        assert param.default is not None  # it is what was compiled
        value, span = compiled.default(frame), param.default.span
    elif domain is not None and (chooser := run.chooser) is not None:
        if not isinstance(chooser, KeepAll):
            return convert(chooser.domain(param.name, domain), param.type)
        chooser.open[param.name] = (domain.count(), 1)
        items = [domain.at(i) for i in range(min(domain.count(), MAX_KEPT))]
        return convert(keep_one(frame, param.name, items, param.span), param.type)
    else:
        raise Open(param, domain)
    found = convert(value, param.type)
    if found is MISSING:
        raise Failure(wrong_type(target.arch.name, param.name, param.type, value, span))
    if domain is not None and not domain.holds(found):
        raise fail(
            "E0504", f"`{param.name}` = {show(found)} is outside its domain {domain.describe()}", span,
            "outside", ("widen the domain, or choose another value",),
        )  # fmt: skip
    if (
        chosen is None
        and not compiled.reads
        and isinstance(param.default, ast.Number | ast.String | ast.Bool)
    ):
        compiled.settled = found
    return found


def _found_domain(compiled: CompiledParam, frame: ElabFrame) -> DomainValues:
    assert compiled.domain is not None  # the caller checked
    if any(frame.vars[name] is POISON for name in compiled.reads):
        raise Failure
    key = tuple([key_of(frame.vars[name]) for name in compiled.reads])
    found = compiled.domains.get(key)
    if found is None:
        if len(compiled.domains) >= MAX_DOMAINS:
            compiled.domains.clear()
        picked = frame.run.picked
        found = compiled.domain(frame)
        if frame.run.picked > picked:
            return found
        compiled.domains[key] = found
        if not compiled.reads:
            compiled.only = found
    return found


def _variant_arguments(
    target: Definition,
    variant: ast.VariantDef,
    home: Module,
    params: dict[str, ast.Param],
    frame: ElabFrame,
) -> dict[str, Given]:
    """Evaluated in the variant's own file, where they are written."""
    compiler = ExpressionCompiler(home, frozenset())
    found: dict[str, Given] = {}
    order = list(params)
    for i, arg in enumerate(variant.base.args):
        name = arg.name
        if name is None:
            if i >= len(order):
                many = f"{len(order)} argument{'s' if len(order) != 1 else ''}"
                raise fail(
                    "E0402", f"{target.arch.name} takes at most {many}", arg.span, "one too many",
                    (f"it has: {', '.join(order) or 'no parameters'}",),
                )  # fmt: skip
            name = order[i]
        if name not in params:
            raise fail(
                "E0401", f"{target.arch.name} has no parameter `{name}`", arg.span, "unknown parameter",
                did_you_mean(name, params) or (f"it has: {', '.join(order) or 'no parameters'}",),
            )  # fmt: skip
        if name in found:
            raise given_twice(target.arch.name, name, arg.span)
        found[name] = (compiler.compile(arg.value)(frame), arg.span)
    return found


def _type_of(param: ast.Param) -> str:
    """`int = 64`: a parameter's default with the type it has, `int` without a default."""
    default = param.default
    kinds = {ast.String: "string", ast.Bool: "bool", ast.ListExpr: "list"}
    kind = kinds.get(type(default), "int")
    if isinstance(default, ast.Number) and isinstance(default.value, float):
        kind = "float"
    return kind if default is None else f"{kind} = {default.span.text}"


def _wants_op(param: ast.Param) -> bool:
    return param.type is not None and param.type.name == "op"
