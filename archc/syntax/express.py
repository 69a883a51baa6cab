"""Expressions as documents: with the fewest parentheses that keep their meaning, comments in place."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

from archc.diagnostics import Source
from archc.syntax import ast
from archc.syntax.doc import (
    HARD,
    INFINITE,
    SOFT,
    SPACE,
    Doc,
    Fill,
    IfBroken,
    Remark,
    chain,
    group,
    indent,
    join,
    layout,
    needs_brackets,
)

Item = TypeVar("Item", bound=ast.Syntax)

# How tightly each level of the grammar binds, loosest first.
CONDITIONAL, PIPE, OR, AND, NOT, COMPARE, RANGE, SUM, TERM, UNARY, POWER, POSTFIX = range(12)
_BINARY = {"+": SUM, "-": SUM, "*": TERM, "/": TERM, "//": TERM, "%": TERM, "**": POWER}
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"})


def format_expr(expr: ast.Expr) -> str:
    """The expression on one line, in canonical form."""
    return layout(Express(Remarks(Source("", ""), (), (), ())).expr(expr), INFINITE)


class Remarks:
    """The comments of a text, each handed out once, to whoever prints what stands beside it."""

    def __init__(
        self,
        source: Source,
        comments: Sequence[tuple[int, int]],
        arrows: Sequence[int],
        commas: Sequence[int],
    ) -> None:
        """comments: [start, end) of each; arrows, commas: where each begins; all in order."""
        self.source = source
        self._comments = comments
        self._arrows = arrows
        self._commas = commas
        self._starts = [start for start, _ in comments]
        self._taken = bytearray(len(comments))

    def take(self, start: int, end: int) -> list[tuple[int, str]]:
        """(offset, text) of the comments that begin in [start, end) and were not taken yet."""
        found = []
        at = bisect_left(self._starts, start)
        while at < len(self._starts) and self._starts[at] < end:
            if not self._taken[at]:
                self._taken[at] = 1
                begin, stop = self._comments[at]
                found.append((begin, self.source.text[begin:stop].rstrip()))
            at += 1
        return found

    def within(self, start: int, end: int) -> bool:
        """Whether a comment that was not taken yet begins in [start, end)."""
        at = bisect_left(self._starts, start)
        return at < len(self._starts) and self._starts[at] < end and not self._taken[at]

    def breaks(self, start: int, end: int) -> bool:
        """Whether the text has a line break in [start, end)."""
        return self.source.text.find("\n", start, end) >= 0

    def arrow_begins_line(self, start: int, end: int) -> bool:
        """Whether the `->` in [start, end) is the first on its line."""
        arrow = _first(self._arrows, start, end)
        return arrow >= 0 and not self.source.text[self.source.text.rfind("\n", 0, arrow) + 1 : arrow].strip()

    def comma_ends_line(self, start: int, end: int) -> bool:
        """Whether the `,` in [start, end) is the last on its line, but for a comment."""
        comma = _first(self._commas, start, end)
        if comma < 0:
            return False
        rest = self.source.text[comma + 1 : self.source.text.find("\n", comma, end)]
        return self.breaks(comma, end) and not rest.partition("#")[0].strip()


def _first(places: Sequence[int], start: int, end: int) -> int:
    """The first place in [start, end), or -1."""
    at = bisect_left(places, start)
    return places[at] if at < len(places) and places[at] < end else -1


def level(expr: ast.Expr) -> int:
    if isinstance(expr, ast.Binary):
        return _BINARY[expr.op]
    if isinstance(expr, ast.Unary):
        return NOT if expr.op == "not" else UNARY
    if isinstance(expr, ast.BoolOp):
        return OR if expr.op == "or" else AND
    if isinstance(expr, ast.Conditional):
        return CONDITIONAL
    if isinstance(expr, ast.Pipe):
        return PIPE
    if isinstance(expr, ast.Compare):
        return COMPARE
    return RANGE if isinstance(expr, ast.Range) else POSTFIX


def _is_plain(bound: ast.Expr | None) -> bool:
    """Whether a bound of a slice is so short that its colon needs no spaces."""
    if isinstance(bound, ast.Unary):
        bound = bound.operand
    return bound is None or isinstance(bound, ast.Name | ast.Number | ast.Attribute)


class Express:
    """Makes documents of expressions. `within` says that brackets are open, so that lines may break freely."""

    def __init__(self, remarks: Remarks) -> None:
        self._remarks = remarks

    def value(self, expr: ast.Expr) -> Doc:
        """An expression that stands in a statement; in parentheses over several lines if it is too long."""
        if level(expr) in (PIPE, POSTFIX):
            return self.expr(expr)
        doc = self.expr(expr, within=True)
        if not needs_brackets(doc):
            return doc
        return group(IfBroken("("), indent(SOFT, doc), SOFT, IfBroken(")"))

    def expr(self, expr: ast.Expr, at_least: int = CONDITIONAL, *, within: bool = False) -> Doc:
        """The expression, in parentheses if it binds more loosely than `at_least`."""
        if level(expr) < at_least:
            return group("(", indent(SOFT, self._bare(expr, True)), SOFT, ")")
        return self._bare(expr, within)

    def _bare(self, expr: ast.Expr, within: bool) -> Doc:
        if isinstance(expr, ast.Name):
            return expr.id
        if isinstance(expr, ast.Number):
            return expr.text
        if isinstance(expr, ast.String):
            return quoted(expr.value)
        if isinstance(expr, ast.Bool):
            return "true" if expr.value else "false"
        if isinstance(expr, ast.ListExpr):
            return self.bracketed("[", expr.items, "]", expr.span.start, expr.span.end, self.expr_within)
        if isinstance(expr, ast.TupleExpr):
            start, end = expr.span.start, expr.span.end
            return self.bracketed("(", expr.items, ")", start, end, self.expr_within, lone_comma=True)
        if isinstance(expr, ast.Call):
            return (
                self.expr(expr.function, POSTFIX, within=within),
                self.bracketed("(", expr.args, ")", expr.function.span.end, expr.span.end, self.argument),
            )
        if isinstance(expr, ast.Attribute):
            return (self.expr(expr.value, POSTFIX, within=within), "." + expr.name)
        if isinstance(expr, ast.Index):
            inner = group("[", indent(SOFT, self.expr_within(expr.index)), SOFT, "]")
            return (self.expr(expr.value, POSTFIX, within=within), inner)
        if isinstance(expr, ast.Slice):
            return (self.expr(expr.value, POSTFIX, within=within), self._bounds(expr))
        if isinstance(expr, ast.ListComp):
            return self._comprehension(expr)
        if isinstance(expr, ast.Pipe):
            return self._pipe(expr, within)
        if isinstance(expr, ast.Binary | ast.BoolOp):
            return self._chain(expr, within)
        return self._looser(expr, within)

    def _bounds(self, expr: ast.Slice) -> Doc:
        """`[1:]`, and with spaces around the colon where a bound is more than a name or a number: `[i + 1 :]`."""
        spaced = not all(map(_is_plain, (expr.start, expr.stop)))
        inner: list[Doc] = [":"]
        if expr.start is not None:
            inner = [group(self.expr_within(expr.start)), " :" if spaced else ":"]
        if expr.stop is not None:
            inner += [SPACE if spaced else SOFT, group(self.expr_within(expr.stop))]
        return group("[", indent(SOFT, *inner), SOFT, "]")

    def _looser(self, expr: ast.Expr, within: bool) -> Doc:
        if isinstance(expr, ast.Unary):
            if expr.op == "not":
                return ("not ", self.expr(expr.operand, NOT, within=within))
            return (expr.op, self.expr(expr.operand, UNARY, within=within))
        if isinstance(expr, ast.Compare):
            first = self.expr(expr.first, RANGE, within=within)
            links: list[tuple[str, Doc]] = [(op, self.expr(e, RANGE, within=within)) for op, e in expr.rest]
            return _linked(first, links, within, level(expr.rest[-1][1]) <= PIPE)
        if isinstance(expr, ast.Range):
            dots = "..=" if expr.inclusive else ".."
            return (self.expr(expr.start, SUM, within=within), dots, self.expr(expr.stop, SUM, within=within))
        assert isinstance(expr, ast.Conditional)
        # A pipe binds more tightly than `if`, yet is hard to read beside it without parentheses.
        then = self.expr(expr.then, OR, within=within)
        condition = self.expr(expr.condition, OR, within=within)
        links = [("if", condition), ("else", self._otherwise(expr.otherwise, within))]
        return _linked(then, links, within, isinstance(expr.otherwise, ast.Pipe))

    def _otherwise(self, expr: ast.Expr, within: bool) -> Doc:
        return self.expr(expr, OR if isinstance(expr, ast.Pipe) else CONDITIONAL, within=within)

    def _chain(self, expr: ast.Binary | ast.BoolOp, within: bool) -> Doc:
        """Operators of one level that associate to the left, as one group."""
        own = level(expr)
        if own == POWER:
            left = self.expr(expr.left, POSTFIX, within=within)
            return (left, " ** ", self.expr(expr.right, UNARY, within=within))
        links: list[tuple[str, ast.Expr]] = []
        first: ast.Expr = expr
        while isinstance(first, ast.Binary | ast.BoolOp) and level(first) == own:
            links.append((first.op, first.right))
            first = first.left
        head = self.expr(first, own, within=within)
        rest = [(op, self.expr(e, own + 1, within=within)) for op, e in reversed(links)]
        return _linked(head, rest, within, level(expr.right) <= PIPE)

    def _pipe(self, expr: ast.Pipe, within: bool) -> Doc:
        """A pipeline: lines break before `->` where the author broke them, and where they must."""
        steps: list[tuple[ast.Expr, ast.Expr]] = []
        first: ast.Expr = expr
        while isinstance(first, ast.Pipe):
            steps.append((first.left, first.right))
            first = first.left
        parts: list[Doc] = [""]
        head = self.expr(first, OR, within=within)
        for left, right in reversed(steps):
            remarks = self._remarks.take(left.span.end, right.span.start)
            broken = self._remarks.arrow_begins_line(left.span.end, right.span.start)
            separator: Doc = HARD if broken else SPACE
            if remarks:
                beside = not self._remarks.breaks(left.span.end, remarks[0][0])
                above = remarks[1:] if beside else remarks
                own_lines = [(HARD, text) for _, text in above]
                separator = ((Remark(remarks[0][1]) if beside else ""), *own_lines, HARD)
            parts += [separator, ("-> ", self.expr(right, OR, within=within))]
        return group(head, indent(Fill(tuple(parts)), by=4))

    def _comprehension(self, expr: ast.ListComp) -> Doc:
        clauses: list[Doc] = []
        for clause in expr.clauses:
            target = target_text(clause.target)
            clauses += [SPACE, f"for {target} in ", self.expr(clause.iterable, PIPE, within=True)]
            for condition in clause.conditions:
                clauses += [SPACE, "if ", self.expr(condition, PIPE, within=True)]
        return group("[", indent(SOFT, self.expr_within(expr.element), *clauses), SOFT, "]")

    def expr_within(self, expr: ast.Expr) -> Doc:
        return self.expr(expr, within=True)

    def argument(self, arg: ast.Arg) -> Doc:
        value = self.expr_within(arg.value)
        return value if arg.name is None else (arg.name, " = ", value)

    def bracketed(
        self,
        opening: str,
        items: Sequence[Item],
        closing: str,
        start: int,
        end: int,
        doc: Callable[[Item], Doc],
        *,
        lone_comma: bool = False,
    ) -> Doc:
        """Items in brackets that stand in [start, end) of the text.

        One a line if the author put each on its own line or there are comments, else as many as fit.
        lone_comma: a single item is followed by a comma, as in a tuple of one.
        """
        above = self._above(start, items[0].span.start if items else end)
        pairs = pairwise(items)
        rows = len(items) > 1 and all(
            self._remarks.comma_ends_line(a.span.end, b.span.start) for a, b in pairs
        )
        rows = rows or bool(above)
        table = self._table(items, start, end) if rows else None
        parts: list[Doc] = []
        for i, item in enumerate(items):
            last = i + 1 == len(items)
            content = doc(item) if table is None else table[i]
            above += self._above(item.span.start, item.span.end)
            below = self._remarks.take(item.span.end, end if last else items[i + 1].span.start)
            beside = below and not self._remarks.breaks(item.span.end, below[0][0])
            rows = rows or bool(above or below)
            comma = "" if last and not (lone_comma and i == 0) else ","
            remark = Remark(below.pop(0)[1]) if beside else ""
            parts.append((*_lines_of(above), content, comma, remark))
            above = [text for _, text in below]
        if not parts and not above:
            return opening + closing
        if not rows:
            return group(opening, indent(SOFT, Fill(join(SPACE, parts) or ("",))), SOFT, closing)
        dangling = [(HARD, text) for text in above]
        if not parts:
            return group(opening, indent(*dangling), HARD, closing)
        return group(opening, indent(HARD, *join(HARD, parts), *dangling), HARD, closing)

    def _table(self, items: Sequence[ast.Syntax], start: int, end: int) -> list[str] | None:
        """Tuples of one length, a line each, as rows of a table: columns of numbers to the right, others to the
        left. None where they are something else."""
        rows = [i.items for i in items if isinstance(i, ast.TupleExpr | ast.ListExpr)]
        if len(rows) != len(items) or len({len(r) for r in rows}) != 1 or self._remarks.within(start, end):
            return None
        cells = [[layout(self.expr_within(c), INFINITE) for c in row] for row in rows]
        if not rows[0] or any("\n" in c or len(c) > MAX_CELL for row in cells for c in row):
            return None
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        numeric = [all(isinstance(c, ast.Number) for c in column) for column in zip(*rows, strict=True)]
        if sum(widths) + 2 * len(widths) > MAX_ROW:
            return None
        return [_row(item, texts, widths, numeric) for item, texts in zip(items, cells, strict=True)]

    def _above(self, start: int, end: int) -> list[str]:
        return [text for _, text in self._remarks.take(start, end)]


MAX_CELL, MAX_ROW = 40, 100


def _row(item: ast.Syntax, texts: list[str], widths: list[int], numeric: list[bool]) -> str:
    """One row of a table, its commas behind the cells."""
    opening, closing = "()" if isinstance(item, ast.TupleExpr) else "[]"
    lone = "," if len(texts) == 1 and opening == "(" else ""
    last = len(texts) - 1
    parts = [
        text.rjust(width) + "," * (i < last)
        if is_number
        else (text + "," * (i < last)).ljust(width + (i < last))
        for i, (text, width, is_number) in enumerate(zip(texts, widths, numeric, strict=True))
    ]
    return opening + " ".join(parts).rstrip() + lone + closing


def _linked(first: Doc, links: list[tuple[str, Doc]], within: bool, hugs: bool) -> Doc:
    """Operands with operators between; lines break before all operators, or none if the last operand hugs them."""
    space: Doc = SPACE if within and not hugs else " "
    return chain(first, *((space, op, " ", operand) for op, operand in links))


def _lines_of(comments: list[str]) -> tuple[Doc, ...]:
    return tuple((text, HARD) for text in comments)


def target_text(target: ast.Target) -> str:
    if isinstance(target, ast.NameTarget):
        return target.id
    inner = ", ".join(target_text(item) for item in target.items)
    return f"({inner},)" if len(target.items) == 1 else f"({inner})"


def quoted(value: str) -> str:
    """A string as a literal that reads back as the same string."""
    return f'"{value.translate(_ESCAPES)}"'
