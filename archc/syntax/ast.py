"""The syntax tree: frozen, position-carrying, free of meaning.

Every node carries the span of the text it was read from; equality ignores spans, so that
`parse(format(tree)) == tree` states what the formatter promises.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from archc.diagnostics.record import record
from archc.diagnostics.source import NOWHERE, Span


@record(kw_only=True)
class Syntax:
    span: Span = field(default=NOWHERE, compare=False, repr=False)


# ---------------------------------------------------------------- expressions


@record
class Expr(Syntax):
    pass


@record
class Number(Expr):
    """`text` is kept as written: `expect` compares to the digits written. K, M, G, T are powers of 1000."""

    value: int | float
    text: str


@record
class String(Expr):
    value: str


@record
class Bool(Expr):
    value: bool


@record
class Name(Expr):
    id: str


@record
class ListExpr(Expr):
    items: tuple[Expr, ...]


@record
class TupleExpr(Expr):
    """`()`, `(a,)`, `(a, b)`; `(a)` is a itself."""

    items: tuple[Expr, ...]


@record
class Clause(Syntax):
    """`for target in iterable if c1 if c2` of a comprehension."""

    target: Target
    iterable: Expr
    conditions: tuple[Expr, ...]


@record
class ListComp(Expr):
    element: Expr
    clauses: tuple[Clause, ...]


@record
class Unary(Expr):
    op: Literal["-", "+", "not"]
    operand: Expr


@record
class Binary(Expr):
    op: Literal["+", "-", "*", "/", "//", "%", "**"]
    left: Expr
    right: Expr


@record
class BoolOp(Expr):
    op: Literal["and", "or"]
    left: Expr
    right: Expr


@record
class Compare(Expr):
    """`first op1 e1 op2 e2 …`, chained as in Python."""

    first: Expr
    rest: tuple[tuple[Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"], Expr], ...]


@record
class Conditional(Expr):
    """`then if condition else otherwise`."""

    condition: Expr
    then: Expr
    otherwise: Expr


@record
class Pipe(Expr):
    """`left -> right`; left associative."""

    left: Expr
    right: Expr


@record
class Range(Expr):
    """`start..stop`, or `start..=stop` when inclusive."""

    start: Expr
    stop: Expr
    inclusive: bool


@record
class Arg(Syntax):
    """One argument of a call, or one binding of `set` and `info`: `value` or `name = value`."""

    name: str | None
    value: Expr


@record
class Call(Expr):
    function: Expr
    args: tuple[Arg, ...]


@record
class Attribute(Expr):
    value: Expr
    name: str


@record
class Index(Expr):
    value: Expr
    index: Expr


@record
class Slice(Expr):
    """`value[start:stop]`; either bound may be missing."""

    value: Expr
    start: Expr | None
    stop: Expr | None


# ---------------------------------------------------------------- targets


@record
class NameTarget(Syntax):
    id: str


@record
class TupleTarget(Syntax):
    """`(a, b)`, nested at will."""

    items: tuple[Target, ...]


Target = NameTarget | TupleTarget

# ---------------------------------------------------------------- parameters


@record
class TypeExpr(Syntax):
    """`int`, `list[tensor]`, `tuple[int, int]`."""

    name: str
    args: tuple[TypeExpr, ...] = ()


@record
class RangeDomain(Syntax):
    """`in 8..=256 step 8 log`."""

    range: Range
    step: Expr | None
    log: bool


@record
class SetDomain(Syntax):
    """`in {1, 2, 4}`."""

    items: tuple[Expr, ...]


@record
class CallDomain(Syntax):
    """`in pow2_or_log(8, 128, step = 8)`: a named distribution."""

    call: Call


Domain = RangeDomain | SetDomain | CallDomain


@record
class Param(Syntax):
    """`[ambient] name[: type [in domain]] [= default]`. Without a type it is a tensor."""

    name: str
    type: TypeExpr | None
    domain: Domain | None
    default: Expr | None
    ambient: bool


# ---------------------------------------------------------------- statements


@record
class Stmt(Syntax):
    pass


Body = tuple[Stmt, ...]


@record
class Assign(Stmt):
    """`target = value`, or `target += value` when augmented."""

    target: Target
    value: Expr
    augmented: bool = False


@record
class SetStmt(Stmt):
    """`set act = gelu, norm = identity`."""

    bindings: tuple[Arg, ...]


@record
class Input(Stmt):
    """`input [name:] 3 x 224 x 224`."""

    name: str | None
    dims: tuple[Expr, ...]


@record
class Info(Stmt):
    bindings: tuple[Arg, ...]


@record
class Section(Stmt):
    """`stem op`, `head op`, `stage [name:] [repeat x] op`, or `stage [name] { body }`.

    Exactly one of `op` and `body` is given; `repeat` only goes with `op`.
    """

    kind: Literal["stem", "stage", "head"]
    name: str | None
    repeat: Expr | None
    op: Expr | None
    body: Body | None


@record
class For(Stmt):
    target: Target
    iterable: Expr
    body: Body


@record
class If(Stmt):
    """`else if` is an If alone in `otherwise`."""

    condition: Expr
    then: Body
    otherwise: Body


@record
class Return(Stmt):
    value: Expr


@record
class Output(Stmt):
    """`output [train_only] name = tensor`."""

    name: str
    value: Expr
    train_only: bool


@record
class Require(Stmt):
    condition: Expr


@record
class Claim(Syntax):
    """`macs = 6.98G` (rounded half up to the digits written) or `macs ~ 6.9G` (truncated to them)."""

    metric: str
    truncated: bool
    value: Number


@record
class Expect(Stmt):
    """`expect (input = (3, 256, 256)) params = 25.6M, macs = 4.1G from "paper"`."""

    overrides: tuple[Arg, ...]
    claims: tuple[Claim, ...]
    source: str | None


@record
class ExprStmt(Stmt):
    """An expression standing alone: always a mistake, diagnosed by the elaborator."""

    value: Expr


@record
class FnDef(Stmt):
    """`fn w(c) = make_divisible(c * width, 8)`; at top level or in a body."""

    name: str
    params: tuple[Param, ...]
    value: Expr


# ---------------------------------------------------------------- declarations


@record
class Import(Stmt):
    """`import std.nfnet` (names empty) or `from std.nfnet import nf_stem, nf_block as block`."""

    module: tuple[str, ...]
    names: tuple[ImportName, ...]


@record
class ImportName(Syntax):
    name: str
    alias: str | None


@record
class BlockDef(Stmt):
    name: str
    params: tuple[Param, ...]
    doc: str | None
    body: Body
    name_span: Span = field(default=NOWHERE, compare=False, repr=False)


@record
class ArchDef(Stmt):
    name: str
    params: tuple[Param, ...]
    doc: str | None
    body: Body
    name_span: Span = field(default=NOWHERE, compare=False, repr=False)


@record
class VariantDef(Stmt):
    """`variant resnet50 = resnet(depth = 50) { expect …; set … }`; the body may be missing."""

    name: str
    base: Call
    doc: str | None
    body: Body
    name_span: Span = field(default=NOWHERE, compare=False, repr=False)


@record
class File(Syntax):
    """A whole file: top-level `Assign` are constants; FnDef, Import, BlockDef, ArchDef, VariantDef."""

    doc: str | None
    statements: Body
