"""What each production of the grammar makes: one plain function each, called as the parser reduces."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from archc.diagnostics import Diagnostic, Span
from archc.syntax import ast
from archc.syntax.limits import MAX_DIGITS, MAX_FLOAT, MAX_INT

Kids = list[Any]
Report = Callable[[Diagnostic], None]
Maker = Callable[[Kids, Span, Report], Any]

MAKERS: dict[str, Maker] = {}


class Doc(NamedTuple):
    text: str


class Defined(NamedTuple):
    name: str
    span: Span


def maker(*names: str) -> Callable[[Maker], Maker]:
    def register(function: Maker) -> Maker:
        for name in names:
            MAKERS[name] = function
        return function

    return register


def documented_parts(kids: Kids) -> tuple[str | None, ast.Body]:
    """The docstring and the statements of a body, without the broken ones."""
    doc = kids[0].text if kids and isinstance(kids[0], Doc) else None
    return doc, tuple(kid for kid in kids if kid is not None and not isinstance(kid, Doc))


# ---------------------------------------------------------------- text to values

_SCALE = {"K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}


@maker("number")
def number(kids: Kids, span: Span, report: Report) -> ast.Number:
    text: str = kids[0]
    value = _number_value(text)
    if value is None:
        report(_too_large(text, span))
        return ast.Number(1, "1", span=span)  # fits most places, so that no more is said of it
    return ast.Number(value, text, span=span)


def _number_value(text: str) -> int | float | None:
    """The value of a number as written, exactly rounded once; None beyond the limits."""
    if len(text) > MAX_DIGITS:
        return None
    digits = text.replace("_", "")
    scale = _SCALE.get(digits[-1], 1)
    if scale != 1:
        digits = digits[:-1]
    mantissa, _, exponent = digits.lower().partition("e")
    if exponent and abs(int(exponent)) > MAX_DIGITS:
        return None if int(exponent) > 0 else 0.0
    whole, point, fraction = mantissa.partition(".")
    power = int(exponent or 0) - len(fraction)
    if scale != 1 or not (point or exponent):
        significand = int(whole + fraction) * scale
        shift = 10 ** abs(power)
        if power >= 0 or significand % shift == 0:
            exact = significand * shift if power >= 0 else significand // shift
            return exact if exact < MAX_INT else None
        value = significand / shift
    else:
        value = float(digits)
    return value if value <= MAX_FLOAT else None


def _too_large(text: str, span: Span) -> Diagnostic:
    shown = text if len(text) <= 40 else f"of {len(text)} characters"
    return Diagnostic(
        "E0106",
        f"the number {shown} is too large",
        span,
        "beyond what a spec can mean",
        help=("integers stay below 2^53 = 9_007_199_254_740_992, other numbers below 1e300",),
    )


@maker("string")
def string(kids: Kids, span: Span, report: Report) -> ast.String:
    return ast.String(_unescape(kids[0], span, report), span=span)


def _unescape(literal: str, span: Span, report: Report) -> str:
    body = literal[1:-1]
    if "\\" not in body:
        return body

    def replace(match: re.Match[str]) -> str:
        char = match[1]
        if char not in _ESCAPES:
            at = span.start + 1 + match.start()
            where = Span(span.source, at, at + 2)
            report(
                Diagnostic(
                    "E0104",
                    f"`\\{char}` is not an escape",
                    where,
                    "unknown escape",
                    help=(r"escapes are \n, \t, \r, \" and \\; a backslash itself is written `\\`",),
                )
            )
        return _ESCAPES.get(char, char)

    return re.sub(r"\\(.)", replace, body)


@maker("doc")
def doc(kids: Kids, span: Span, report: Report) -> Doc:
    return Doc(dedent(kids[0][3:-3]))


def dedent(text: str) -> str:
    """A docstring's text: common indentation, blanks at line ends and blank lines at both ends removed."""
    lines = text.replace("\r\n", "\n").expandtabs(4).split("\n")
    margins = [len(line) - len(line.lstrip(" ")) for line in lines[1:] if line.strip(" ")]
    margin = min(margins, default=0)
    lines = [lines[0].strip(" "), *(line[margin:].rstrip(" ") for line in lines[1:])]
    return "\n".join(lines).strip("\n")


# ---------------------------------------------------------------- expressions


@maker("name")
def name(kids: Kids, span: Span, report: Report) -> ast.Name:
    return ast.Name(kids[0], span=span)


@maker("boolean")
def boolean(kids: Kids, span: Span, report: Report) -> ast.Bool:
    return ast.Bool(kids[0] == "true", span=span)


@maker("list")
def list_(kids: Kids, span: Span, report: Report) -> ast.ListExpr:
    return ast.ListExpr(tuple(kids), span=span)


@maker("tuple")
def tuple_(kids: Kids, span: Span, report: Report) -> ast.TupleExpr:
    return ast.TupleExpr(tuple(kids), span=span)


@maker("comprehension")
def comprehension(kids: Kids, span: Span, report: Report) -> ast.ListComp:
    return ast.ListComp(kids[0], tuple(kids[1:]), span=span)


@maker("clause")
def clause(kids: Kids, span: Span, report: Report) -> ast.Clause:
    return ast.Clause(kids[0], kids[1], tuple(kids[2:]), span=span)


@maker("unary")
def unary(kids: Kids, span: Span, report: Report) -> ast.Unary:
    return ast.Unary(kids[0], kids[1], span=span)


@maker("binary")
def binary(kids: Kids, span: Span, report: Report) -> ast.Binary:
    return ast.Binary(kids[1], kids[0], kids[2], span=span)


@maker("logical")
def logical(kids: Kids, span: Span, report: Report) -> ast.BoolOp:
    return ast.BoolOp(kids[1], kids[0], kids[2], span=span)


@maker("comparator")
def comparator(kids: Kids, span: Span, report: Report) -> str:
    if not kids:
        return "in"
    return "not in" if kids[0] == "not" else str(kids[0])


@maker("compare")
def compare(kids: Kids, span: Span, report: Report) -> ast.Compare:
    return ast.Compare(kids[0], tuple(zip(kids[1::2], kids[2::2], strict=True)), span=span)


@maker("conditional")
def conditional(kids: Kids, span: Span, report: Report) -> ast.Conditional:
    return ast.Conditional(kids[1], kids[0], kids[2], span=span)


@maker("pipe")
def pipe(kids: Kids, span: Span, report: Report) -> ast.Pipe:
    return ast.Pipe(kids[0], kids[1], span=span)


@maker("range")
def range_(kids: Kids, span: Span, report: Report) -> ast.Range:
    return ast.Range(kids[0], kids[2], kids[1] == "..=", span=span)


@maker("call")
def call(kids: Kids, span: Span, report: Report) -> ast.Call:
    return ast.Call(kids[0], kids[1] or (), span=span)


@maker("index")
def index(kids: Kids, span: Span, report: Report) -> ast.Index:
    return ast.Index(kids[0], kids[1], span=span)


@maker("slice")
def slice_(kids: Kids, span: Span, report: Report) -> ast.Slice:
    return ast.Slice(kids[0], kids[1], kids[2], span=span)


@maker("attribute")
def attribute(kids: Kids, span: Span, report: Report) -> ast.Attribute:
    return ast.Attribute(kids[0], kids[1], span=span)


@maker("positional")
def positional(kids: Kids, span: Span, report: Report) -> ast.Arg:
    return ast.Arg(None, kids[0], span=span)


@maker("argument")
def argument(kids: Kids, span: Span, report: Report) -> ast.Arg:
    return ast.Arg(kids[0], kids[1], span=span)


@maker("input_override")
def input_override(kids: Kids, span: Span, report: Report) -> ast.Arg:
    return ast.Arg("input", kids[0], span=span)


@maker("arguments")
def arguments(kids: Kids, span: Span, report: Report) -> tuple[ast.Arg, ...]:
    named = False
    for kid in kids:
        if kid.name is not None:
            named = True
        elif named:
            report(
                Diagnostic(
                    "E0130",
                    "an argument without a name follows one with a name",
                    kid.span,
                    "which parameter is this for?",
                    help=("name it, `parameter = value`, or move it before the named ones",),
                )
            )
            break
    return distinct(kids, report)


def distinct(args: Kids, report: Report) -> tuple[ast.Arg, ...]:
    """The arguments or bindings, of those with one name the first; reports the others."""
    seen: dict[str, ast.Arg] = {}
    for arg in args:
        if arg.name is not None and seen.setdefault(arg.name, arg) is not arg:
            line, column = arg.span.source.position(seen[arg.name].span.start)
            report(
                Diagnostic(
                    "E0131",
                    f"`{arg.name}` is given twice",
                    arg.span,
                    "given again",
                    notes=(f"first given at {line}:{column}",),
                    help=("keep one of the two",),
                )
            )
    return tuple(arg for arg in args if arg.name is None or seen[arg.name] is arg)


# ---------------------------------------------------------------- targets


@maker("name_target")
def name_target(kids: Kids, span: Span, report: Report) -> ast.NameTarget:
    return ast.NameTarget(kids[0], span=span)


@maker("tuple_target")
def tuple_target(kids: Kids, span: Span, report: Report) -> ast.TupleTarget:
    return ast.TupleTarget(tuple(kids), span=span)


def as_target(expr: ast.Expr, report: Report) -> ast.Target | None:
    """The target an expression left of `=` stands for; reports one that cannot be assigned to."""
    if isinstance(expr, ast.Name):
        return ast.NameTarget(expr.id, span=expr.span)
    if isinstance(expr, ast.TupleExpr) and expr.items:
        items = [as_target(item, report) for item in expr.items]
        found = tuple(item for item in items if item is not None)
        return ast.TupleTarget(found, span=expr.span) if len(found) == len(items) else None
    hint = "assign to a name, or to several at once: `(a, b) = pair`"
    if isinstance(expr, ast.Index | ast.Slice):
        hint = "lists do not change; build a new one: `xs = [… for i in 0..n]`, or append: `xs += [x]`"
    elif isinstance(expr, ast.ListExpr):
        hint = "several names at once stand in parentheses: `(a, b) = pair`"
    elif isinstance(expr, ast.Compare):
        hint = "`==` compares, `=` assigns"
    report(Diagnostic("E0128", "this cannot be assigned to", expr.span, "not a name", help=(hint,)))
    return None
