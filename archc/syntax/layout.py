"""Which newlines count, and whether brackets match: between the lexer and the parser, in linear time."""

from __future__ import annotations

from dataclasses import dataclass, field

from archc.diagnostics import Diagnostic, Span
from archc.syntax.lexer import BAD, Tokens
from archc.syntax.limits import MAX_DEPTH, MAX_NESTING
from archc.syntax.tables import load

_CLOSER = {"(": ")", "[": "]", "{": "}"}
_DECLARATIONS = ("arch", "block", "variant", "import", "from")
_LINE_STARTERS = (
    *_DECLARATIONS,
    "info",
    "set",
    "stem",
    "stage",
    "head",
    "return",
    "output",
    "expect",
    "require",
    "fn",
)
_OPERATORS = ("->", "+", "-", "*", "/", "//", "%", "**", "..", "==", "!=", "<", "<=", ">", ">=")
_OPERATOR_WORDS = ("if", "and", "or", "not", "in")


@dataclass(slots=True)
class Laid:
    """Tokens with the newlines that count; `inside[i]` says that token i stands within ( ) or [ ]."""

    tokens: Tokens
    inside: bytearray = field(default_factory=bytearray)
    diagnostics: list[Diagnostic] = field(default_factory=list)


@dataclass(slots=True)
class _Level:
    """What is known of one open bracket: a bound on the depth of the tree of what it holds so far.

    operators: those since the last separator; chains of them nest one level each.
    suffixes, child: calls, indices and attributes of the operand at hand, and its deepest bracket.
    operand: the deepest operand since the last separator; deepest: the deepest separated part.
    """

    operators: int = 0
    suffixes: int = 0
    child: int = 0
    operand: int = 0
    deepest: int = 0

    def end_operand(self) -> None:
        self.operand = max(self.operand, self.suffixes + self.child)
        self.suffixes = self.child = 0

    def end_part(self) -> None:
        self.deepest = max(self.deepest, self.depth())
        self.operators = self.suffixes = self.child = self.operand = 0

    def depth(self) -> int:
        return self.operators + max(self.operand, self.suffixes + self.child)


def too_deep(tokens: Tokens) -> Diagnostic | None:
    """The error of text whose brackets or operators nest too deeply for recursion over its tree, if any."""
    tables = load()
    openers = {tables.literals[c] for c in "([{"}
    closers = {tables.literals[c] for c in ")]}"}
    operators = {tables.literals[c] for c in _OPERATORS} | {tables.keywords[w] for w in _OPERATOR_WORDS}
    comma, newline, dot = tables.literals[","], tables.terminals.index("_NL"), tables.literals["."]
    brace = tables.literals["{"]
    level = _Level()
    around: list[_Level] = []
    opened: list[int] = []
    for i, kind in enumerate(tokens.kinds):
        if kind in operators:
            level.end_operand()
            level.operators += 1
        elif kind == dot:
            level.suffixes += 1
        elif kind in openers:
            if len(opened) == MAX_NESTING:
                return Diagnostic(
                    "E0111",
                    f"more than {MAX_NESTING} brackets are open at once",
                    tokens.span(i),
                    "one bracket too many",
                    help=("name parts of it on lines of their own, or move them into a block",),
                )
            level.suffixes += 1
            around.append(level)
            opened.append(kind)
            level = _Level()
        elif kind in closers and opened:
            opened.pop()
            level.end_part()
            inner, level = level, around.pop()
            level.child = max(level.child, inner.deepest)
        elif kind == comma or (kind == newline and (not opened or opened[-1] == brace)):
            level.end_part()
        else:
            continue
        if level.depth() > MAX_DEPTH:
            return Diagnostic(
                "E0112",
                f"this expression chains or nests more than {MAX_DEPTH} operators",
                tokens.span(i),
                "too long from here on",
                help=("give parts of it names on lines of their own; repeat with `for` or `n * f`",),
            )
    return None


def lay_out(tokens: Tokens) -> Laid:
    """Drops the newlines that do not count and repairs brackets, reporting each that has no partner."""
    first = _Layout(tokens, close_at_declarations=False)
    if not first.brace_left_open:
        return first.laid
    return _Layout(tokens, close_at_declarations=True).laid


class _Layout:
    def __init__(self, tokens: Tokens, *, close_at_declarations: bool) -> None:
        tables = load()
        self._tokens = tokens
        self._open: list[tuple[str, int]] = []  # bracket and index of its token
        self._round = 0  # open ( and [
        self._bracket = {tables.literals[c]: c for c in "([{)]}"}
        self._newline = tables.terminals.index("_NL")
        self._out = Tokens(tokens.source)
        self.laid = Laid(self._out)
        self.brace_left_open = False
        arrow, else_ = tables.literals["->"], tables.keywords["else"]
        in_, rbrace = tables.keywords["in"], tables.literals["}"]
        starters = {tables.keywords[word] for word in _LINE_STARTERS}
        declarations = {tables.keywords[word] for word in _DECLARATIONS}
        pending = -1  # index of a newline that will count unless the next line says otherwise
        fresh = True  # at the start of a line
        before = BAD
        for i, kind in enumerate(tokens.kinds):
            if kind == self._newline:
                fresh = True
                if pending < 0 and not self._round:
                    pending = i
                continue
            if fresh and kind in starters and self._open:
                if self._round:
                    self._abandon_round()
                    pending = i - 1
                if close_at_declarations and kind in declarations:
                    while self._open:
                        self._report_open(*self._open.pop())
                        self._put(rbrace, i, width=0)
            if pending >= 0:
                if kind == else_ and before == rbrace:
                    self._report_else(i)
                elif kind != arrow and self._out.kinds:
                    self._put(self._newline, pending)
                pending = -1
            fresh = False
            bracket = self._bracket.get(kind)
            if bracket is None:
                self._put(kind, i)
            elif bracket in _CLOSER:
                ends_line = i + 1 == len(tokens.kinds) or tokens.kinds[i + 1] == self._newline
                if bracket == "{" and self._round and ends_line and before != in_:
                    self._abandon_round()
                self._open.append((bracket, i))
                self._round += bracket != "{"
                self._put(kind, i, inside=self._round > 0)
            else:
                self._close(bracket, kind, i)
            before = kind
        self._finish(rbrace)

    def _put(self, kind: int, i: int, *, width: int | None = None, inside: bool | None = None) -> None:
        start = self._tokens.starts[i]
        self._out.add(kind, start, self._tokens.ends[i] if width is None else start + width)
        self.laid.inside.append(self._round > 0 if inside is None else inside)

    def _close(self, bracket: str, kind: int, i: int) -> None:
        partner = next((at for at in range(len(self._open) - 1, -1, -1) if self._is_partner(at, bracket)), -1)
        if partner < 0:
            opener = next(o for o, c in _CLOSER.items() if c == bracket)
            self.laid.diagnostics.append(
                Diagnostic(
                    "E0122",
                    f"`{bracket}` closes nothing",
                    self._tokens.span(i),
                    f"no open `{opener}`",
                    help=(f"delete it, or open a `{opener}` before",),
                )
            )
            return
        if partner < len(self._open) - 1:
            if bracket == "}":
                self._abandon_round()
            else:
                while len(self._open) > partner + 1:
                    self._report_open(*self._open.pop(), instead=i)
                    self._round -= 1
                self._put(BAD, i, width=0)
        inside = self._round > 0
        self._open.pop()
        self._round -= bracket != "}"
        self._put(kind, i, inside=inside)

    def _is_partner(self, at: int, bracket: str) -> bool:
        """Whether the open bracket at `at` is what `bracket` closes; a `)` does not reach out of braces."""
        opener = self._open[at][0]
        if bracket == "}":
            return opener == "{"
        return _CLOSER[opener] == bracket and all(o != "{" for o, _ in self._open[at:])

    def _abandon_round(self) -> None:
        """Gives up all ( and [ above the last `{`: their statement is broken, what follows is not."""
        while self._open and (self._open[-1][0] != "{" or self._round):
            bracket, i = self._open.pop()
            self._round -= bracket != "{"
            self._report_open(bracket, i)
        self._out.add(BAD, self._out.ends[-1], self._out.ends[-1])
        self.laid.inside.append(0)

    def _finish(self, rbrace: int) -> None:
        self.brace_left_open = any(bracket == "{" for bracket, _ in self._open)
        end = len(self._tokens.source.text)
        broken = False
        while self._open:
            bracket, i = self._open.pop()
            self._report_open(bracket, i)
            if bracket != "{":
                broken = True
                continue
            if broken:
                self._out.add(BAD, end, end)
                self.laid.inside.append(0)
                broken = False
            self._out.add(rbrace, end, end)
            self.laid.inside.append(0)
        if broken:
            self._out.add(BAD, end, end)
            self.laid.inside.append(0)

    def _report_open(self, bracket: str, i: int, instead: int | None = None) -> None:
        span = self._tokens.span(i)
        notes: tuple[str, ...] = ()
        if instead is not None:
            found = self._tokens.span(instead)
            line, column = found.source.position(found.start)
            notes = (f"`{found.text}` at {line}:{column} comes first",)
        self.laid.diagnostics.append(
            Diagnostic(
                "E0121",
                f"this `{bracket}` is never closed",
                span,
                "opened here",
                help=(f"close it with `{_CLOSER[bracket]}`",),
                notes=notes,
            )
        )

    def _report_else(self, i: int) -> None:
        self.laid.diagnostics.append(
            Diagnostic(
                "E0123",
                "`else` stands on the line of the closing brace",
                self._tokens.span(i),
                "begins a line",
                help=("write `} else {`: a newline after `}` ends the `if`",),
            )
        )


def point(tokens: Tokens, i: int) -> Span:
    """Where token i is, or the end of the text for i beyond the last."""
    if i < len(tokens.kinds):
        return tokens.span(i)
    end = len(tokens.source.text.rstrip())
    return Span(tokens.source, end, end)
