"""Which newlines count, and whether brackets match: between the lexer and the parser, in linear time."""

from __future__ import annotations

from dataclasses import field
from typing import NamedTuple

from archc.diagnostics import Diagnostic, Span
from archc.diagnostics.record import record
from archc.syntax.errors import Errors
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


class _Open(NamedTuple):
    """An open bracket: the index of its token as read and as laid out."""

    bracket: str
    token: int
    at: int


@record(frozen=False)
class Laid:
    """Tokens with the newlines that count.

    inside[i]: token i stands within ( ) or [ ]. reported[i]: it stands in brackets reported as unclosed.
    """

    tokens: Tokens
    inside: bytearray = field(default_factory=bytearray)
    reported: bytearray = field(default_factory=bytearray)
    errors: Errors = field(default_factory=Errors)


@record(frozen=False)
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
    first = _Layout(tokens)
    if first.brace_left_open:
        return _Layout(tokens, close_at_declarations=True).laid
    if first.brace_too_many:
        lacking = _headers_without_brace(tokens)
        return _Layout(tokens, lacking=lacking, extra=frozenset() if lacking else first.too_early()).laid
    return first.laid


def _headers_without_brace(tokens: Tokens) -> frozenset[int]:
    """The last tokens of lines that should end in `{`, as what follows is indented further."""
    tables = load()
    newline, lbrace = tables.terminals.index("_NL"), tables.literals["{"]
    words = {tables.keywords[word] for word in ("arch", "block", "for", "if")}
    found = set()
    start = 0
    for i, kind in enumerate(tokens.kinds):
        if kind != newline:
            continue
        line = tokens.kinds[start:i]
        begin = next((word for word in line if word != tables.literals["}"]), BAD)
        header = begin in words or (begin == tables.keywords["else"] and len(line) > 1)
        if header and lbrace not in line and i + 1 < len(tokens.kinds):
            after = next((j for j in range(i, len(tokens.kinds)) if tokens.kinds[j] != newline), i)
            if indentation(tokens, after) > indentation(tokens, start):
                found.add(i - 1)
        start = i + 1
    return frozenset(found)


def indentation(tokens: Tokens, i: int) -> int:
    """How many blanks begin the line of token i."""
    text, offset = tokens.source.text, tokens.starts[i]
    line = text[text.rfind("\n", 0, offset) + 1 : offset + 1].expandtabs(4)
    return len(line) - len(line.lstrip(" "))


class _Layout:
    """lacking: after which tokens a `{` is missing. extra: the `}`s that are too many."""

    def __init__(
        self,
        tokens: Tokens,
        *,
        close_at_declarations: bool = False,
        lacking: frozenset[int] = frozenset(),
        extra: frozenset[int] = frozenset(),
    ) -> None:
        tables = load()
        self._tokens = tokens
        self._open: list[_Open] = []
        self._round = 0  # how many of them are ( or [
        self._crooked: list[tuple[int, int]] = []  # matched braces on lines of different indentation
        self._bracket = {tables.literals[c]: c for c in "([{)]}"}
        self._newline = tables.terminals.index("_NL")
        self._out = Tokens(tokens.source)
        self.laid = Laid(self._out)
        self._extra = extra
        self.brace_left_open = self.brace_too_many = False
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
                    self._abandon(self._outermost_round())
                    pending = i - 1
                if close_at_declarations and kind in declarations:
                    while self._open:
                        self._give_up(self._open.pop())
                        self._insert(rbrace, tokens.starts[i])
            if pending >= 0:
                if kind == else_ and before == rbrace:
                    if self.laid.errors.room():
                        self._report_else(i)
                elif kind != arrow and self._out.kinds and self._out.kinds[-1] != self._newline:
                    self._put(self._newline, pending)
                pending = -1
            fresh = False
            bracket = self._bracket.get(kind)
            if bracket is None:
                self._put(kind, i)
            elif bracket in _CLOSER:
                ends_line = i + 1 == len(tokens.kinds) or tokens.kinds[i + 1] == self._newline
                if bracket == "{" and self._round and ends_line and before != in_:
                    self._abandon(self._outermost_round())
                self._open.append(_Open(bracket, i, len(self._out.kinds)))
                self._round += bracket != "{"
                self._put(kind, i)
            else:
                self._close(bracket, kind, i)
            if i in lacking:
                self._add_brace(i)
            before = kind
        self._finish(rbrace)

    def _put(self, kind: int, i: int) -> None:
        self._out.add(kind, self._tokens.starts[i], self._tokens.ends[i])
        self.laid.inside.append(self._round > 0)
        self.laid.reported.append(0)

    def _insert(self, kind: int, at: int) -> None:
        """A token that the text lacks, or BAD for what is wrong with it, of no width."""
        self._out.add(kind, at, at)
        self.laid.inside.append(0)
        self.laid.reported.append(0)

    def _close(self, bracket: str, kind: int, i: int) -> None:
        partner = -1 if i in self._extra else self._partner(bracket)
        if partner < 0:
            self.brace_too_many |= bracket == "}"
            if self.laid.errors.room():
                self._report_closer(bracket, i)
            return
        if partner < len(self._open) - 1:
            self._abandon(partner + 1)
        self._put(kind, i)
        opened = self._open.pop()
        self._round -= bracket != "}"
        if bracket == "}" and indentation(self._tokens, opened.token) != indentation(self._tokens, i):
            self._crooked.append((opened.token, i))

    def _partner(self, bracket: str) -> int:
        """Where in the open brackets the one is that `bracket` closes, or -1; `)` does not reach out of braces."""
        if bracket == "}" and self._round == len(self._open):
            return -1
        for at in range(len(self._open) - 1, -1, -1):
            opener = self._open[at].bracket
            if _CLOSER[opener] == bracket:
                return at
            if opener == "{":
                break
        return -1

    def _outermost_round(self) -> int:
        return next(at for at, opened in enumerate(self._open) if opened.bracket != "{")

    def _abandon(self, keep: int) -> None:
        """Gives up all open brackets but the first `keep`: their statement is broken, what follows is not."""
        while len(self._open) > keep:
            opened = self._open.pop()
            self._round -= opened.bracket != "{"
            self._give_up(opened)
        self._insert(BAD, self._out.ends[-1])

    def too_early(self) -> frozenset[int]:
        """The first `}` that stands further in than what it closes, where there is one too many."""
        deeper = (
            closer
            for opener, closer in self._crooked
            if indentation(self._tokens, closer) > indentation(self._tokens, opener)
        )
        return frozenset([next(deeper, -1)])

    def _add_brace(self, i: int) -> None:
        """Goes on as if `{` followed token i."""
        end = self._tokens.ends[i]
        colon = self._tokens.kinds[i] == load().literals[":"]  # where it stands instead, the parser says so
        if not colon and self.laid.errors.room():
            span, help_ = Span(self._tokens.source, end, end), ("a body stands in braces: `{ … }`",)
            self.laid.errors.add(
                Diagnostic("E0120", "unexpected end of the line", span, "expected `{`", help=help_)
            )
        self._open.append(_Open("{", i, len(self._out.kinds)))
        self._insert(load().literals["{"], end)

    def _finish(self, rbrace: int) -> None:
        end = len(self._tokens.source.text)
        while self._open:
            if self._open[-1].bracket == "{":
                self.brace_left_open = True
                self._give_up(self._open.pop())
                self._insert(rbrace, end)
            else:
                braces = [at for at, opened in enumerate(self._open) if opened.bracket == "{"]
                self._abandon(braces[-1] + 1 if braces else 0)

    def _give_up(self, opened: _Open) -> None:
        if opened.bracket != "{":
            count = len(self._out.kinds) - opened.at
            self.laid.reported[opened.at :] = b"\1" * count
        if self.laid.errors.room():
            self._report_opener(opened)

    # ------------------------------------------------------------ what is said of it

    def _report_opener(self, opened: _Open) -> None:
        token = opened.token
        notes: tuple[str, ...] = ()
        if opened.bracket == "{":
            # the indentation tells which brace inside took the one that was meant for this
            inside = next((pair for pair in self._crooked if pair[0] > opened.token), None)
            if inside is not None:
                token, notes = inside[0], self._taken(inside[1], opened.token)
        self.laid.errors.add(
            Diagnostic(
                "E0121",
                f"this `{opened.bracket}` is never closed",
                self._tokens.span(token),
                "opened here",
                help=(f"close it with `{_CLOSER[opened.bracket]}`",),
                notes=notes,
            )
        )

    def _taken(self, closer: int, opener: int) -> tuple[str, ...]:
        (there, _), (meant, _) = (
            self._tokens.source.position(self._tokens.starts[i]) for i in (closer, opener)
        )
        return (f"by its indentation the `}}` of line {there} belongs to the `{{` of line {meant}",)

    def _report_closer(self, bracket: str, i: int) -> None:
        opener = next(o for o, c in _CLOSER.items() if c == bracket)
        self.laid.errors.add(
            Diagnostic(
                "E0122",
                f"`{bracket}` closes nothing",
                self._tokens.span(i),
                f"no open `{opener}`",
                help=(f"delete it, or open a `{opener}` before",),
            )
        )

    def _report_else(self, i: int) -> None:
        self.laid.errors.add(
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
