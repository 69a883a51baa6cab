"""What the productions of statements and declarations make; `build` has expressions and targets."""

from __future__ import annotations

from typing import Literal

from archc.diagnostics import Diagnostic, Span
from archc.syntax import ast
from archc.syntax.build import (
    MAKERS,
    Defined,
    Kids,
    Maker,
    Report,
    as_target,
    distinct,
    documented_parts,
    maker,
)

# ---------------------------------------------------------------- declarations


@maker("file")
def file(kids: Kids, span: Span, report: Report) -> ast.File:
    doc, statements = documented_parts(kids)
    return ast.File(doc, statements, span=span)


@maker("expression")
def expression(kids: Kids, span: Span, report: Report) -> ast.Expr:
    expr: ast.Expr = kids[0]
    return expr


@maker("broken")
def broken(kids: Kids, span: Span, report: Report) -> None:
    """A statement with a syntax error, already reported."""


@maker("module")
def module(kids: Kids, span: Span, report: Report) -> tuple[str, ...]:
    return tuple(kids)


@maker("import")
def import_(kids: Kids, span: Span, report: Report) -> ast.Import:
    return ast.Import(kids[0], (), span=span)


@maker("import_from")
def import_from(kids: Kids, span: Span, report: Report) -> ast.Import:
    return ast.Import(kids[0], tuple(kids[1:]), span=span)


@maker("import_name")
def import_name(kids: Kids, span: Span, report: Report) -> ast.ImportName:
    return ast.ImportName(kids[0], kids[1], span=span)


@maker("definition")
def definition(kids: Kids, span: Span, report: Report) -> Defined:
    return Defined(kids[0], span)


@maker("fn")
def fn(kids: Kids, span: Span, report: Report) -> ast.FnDef:
    return ast.FnDef(kids[0].name, kids[1], kids[2], span=span)


@maker("block")
def block(kids: Kids, span: Span, report: Report) -> ast.BlockDef:
    (name, name_span), params, (doc, body) = kids
    return ast.BlockDef(name, params, doc, body, name_span=name_span, span=span)


@maker("arch")
def arch(kids: Kids, span: Span, report: Report) -> ast.ArchDef:
    (name, name_span), params, (doc, body) = kids
    return ast.ArchDef(name, params, doc, body, name_span=name_span, span=span)


@maker("variant")
def variant(kids: Kids, span: Span, report: Report) -> ast.VariantDef:
    (name, name_span), base, particulars = kids
    doc, body = particulars or (None, ())
    return ast.VariantDef(name, base, doc, body, name_span=name_span, span=span)


@maker("documented", "particulars")
def documented(kids: Kids, span: Span, report: Report) -> tuple[str | None, ast.Body]:
    return documented_parts(kids)


@maker("body")
def body(kids: Kids, span: Span, report: Report) -> ast.Body:
    return documented_parts(kids)[1]


# ---------------------------------------------------------------- parameters


@maker("parameters")
def parameters(kids: Kids, span: Span, report: Report) -> tuple[ast.Param, ...]:
    seen: dict[str, ast.Param] = {}
    for param in kids:
        if seen.setdefault(param.name, param) is not param:
            line, column = param.span.source.position(seen[param.name].span.start)
            report(
                Diagnostic(
                    "E0132",
                    f"two parameters are named `{param.name}`",
                    param.span,
                    "named again",
                    notes=(f"first named at {line}:{column}",),
                    help=("rename one of the two",),
                )
            )
    return tuple(seen.values())


@maker("parameter")
def parameter(kids: Kids, span: Span, report: Report) -> ast.Param:
    ambient, name, type_, domain, default = kids
    return ast.Param(name, type_, domain, default, ambient is not None, span=span)


@maker("type")
def type_(kids: Kids, span: Span, report: Report) -> ast.TypeExpr:
    return ast.TypeExpr(kids[0], tuple(kids[1:]), span=span)


@maker("range_domain")
def range_domain(kids: Kids, span: Span, report: Report) -> ast.RangeDomain:
    start, dots, stop, step, log = kids
    bounds = ast.Range(start, stop, dots == "..=", span=start.span.to(stop.span))
    return ast.RangeDomain(bounds, step, log is not None, span=span)


@maker("set_domain")
def set_domain(kids: Kids, span: Span, report: Report) -> ast.SetDomain:
    return ast.SetDomain(tuple(kids), span=span)


@maker("call_domain")
def call_domain(kids: Kids, span: Span, report: Report) -> ast.CallDomain | None:
    call = kids[0]
    if isinstance(call, ast.Call):
        return ast.CallDomain(call, span=span)
    report(
        Diagnostic(
            "E0129",
            "this is not a domain",
            span,
            "expected a range, a set or a distribution",
            help=(
                "write `in 8..=256 step 8 log`, `in {1, 2, 4}` or a call such as `in pow2_or_log(8, 128)`",
            ),
        )
    )
    return None


# ---------------------------------------------------------------- statements


@maker("set")
def set_(kids: Kids, span: Span, report: Report) -> ast.SetStmt:
    return ast.SetStmt(distinct(kids, report), span=span)


@maker("info")
def info(kids: Kids, span: Span, report: Report) -> ast.Info:
    return ast.Info(distinct(kids, report), span=span)


@maker("dims")
def dims(kids: Kids, span: Span, report: Report) -> tuple[ast.Expr, ...]:
    return tuple(kids)


@maker("input")
def input_(kids: Kids, span: Span, report: Report) -> ast.Input:
    return ast.Input(kids[0], kids[1], span=span)


@maker("section")
def section(kids: Kids, span: Span, report: Report) -> ast.Section:
    return ast.Section(kids[0], None, None, kids[1], None, span=span)


@maker("named_section")
def named_section(kids: Kids, span: Span, report: Report) -> ast.Section:
    return ast.Section(kids[0], kids[1], None, kids[2], None, span=span)


@maker("repeated_section")
def repeated_section(kids: Kids, span: Span, report: Report) -> ast.Section:
    return ast.Section(kids[0], None, kids[1], kids[2], None, span=span)


@maker("named_repeated_section")
def named_repeated_section(kids: Kids, span: Span, report: Report) -> ast.Section:
    return ast.Section(kids[0], kids[1], kids[2], kids[3], None, span=span)


@maker("section_body")
def section_body(kids: Kids, span: Span, report: Report) -> ast.Section:
    kind: Literal["stem", "stage", "head"] = kids[0]
    return ast.Section(kind, kids[1] if len(kids) == 3 else None, None, None, kids[-1], span=span)


@maker("for")
def for_(kids: Kids, span: Span, report: Report) -> ast.For:
    return ast.For(kids[0], kids[1], kids[2], span=span)


@maker("if")
def if_(kids: Kids, span: Span, report: Report) -> ast.If:
    condition, then, otherwise = kids
    if isinstance(otherwise, ast.If):
        otherwise = (otherwise,)
    return ast.If(condition, then, otherwise or (), span=span)


@maker("return")
def return_(kids: Kids, span: Span, report: Report) -> ast.Return:
    return ast.Return(kids[0], span=span)


@maker("output")
def output(kids: Kids, span: Span, report: Report) -> ast.Output:
    return ast.Output(kids[1], kids[2], kids[0] is not None, span=span)


@maker("require")
def require(kids: Kids, span: Span, report: Report) -> ast.Require:
    return ast.Require(kids[0], span=span)


@maker("overrides")
def overrides(kids: Kids, span: Span, report: Report) -> tuple[ast.Arg, ...]:
    return distinct(kids, report)


@maker("claim")
def claim(kids: Kids, span: Span, report: Report) -> ast.Claim:
    return ast.Claim(kids[0], kids[1] == "~", kids[2], span=span)


@maker("expect")
def expect(kids: Kids, span: Span, report: Report) -> ast.Expect:
    source = kids[-1].value if kids[-1] is not None else None
    return ast.Expect(kids[0] or (), tuple(kids[1:-1]), source, span=span)


@maker("assign")
def assign(kids: Kids, span: Span, report: Report) -> ast.Assign | None:
    target = as_target(kids[0], report)
    return None if target is None else ast.Assign(target, kids[1], span=span)


@maker("augment")
def augment(kids: Kids, span: Span, report: Report) -> ast.Assign | None:
    target = as_target(kids[0], report)
    return None if target is None else ast.Assign(target, kids[1], augmented=True, span=span)


@maker("alone")
def alone(kids: Kids, span: Span, report: Report) -> ast.ExprStmt:
    return ast.ExprStmt(kids[0], span=span)


def makers() -> dict[str, Maker]:
    """Every maker by the name its production has in the grammar, those of `build` included."""
    return MAKERS
