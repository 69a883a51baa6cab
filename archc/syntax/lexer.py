"""Text to tokens, in one pass and linear time. Every lexical error of a text is found in one run."""

from __future__ import annotations

import re
from dataclasses import field
from functools import cache

from archc.diagnostics import Diagnostic, Source, Span
from archc.diagnostics.record import record
from archc.syntax.errors import Errors
from archc.syntax.limits import MAX_NAME
from archc.syntax.tables import load

FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]|\r(?!\n)"
)
BAD = -1  # the kind of a token that stands for text already reported as wrong


@record(frozen=False)
class Tokens:
    """Parallel lists: kind (a number of `Tables.terminals`, or BAD) and the text's [start, end)."""

    source: Source
    kinds: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def add(self, kind: int, start: int, end: int) -> None:
        self.kinds.append(kind)
        self.starts.append(start)
        self.ends.append(end)

    def span(self, i: int) -> Span:
        return Span(self.source, self.starts[i], self.ends[i])

    def text(self, i: int) -> str:
        return self.source.text[self.starts[i] : self.ends[i]]


@record(frozen=False)
class Lexed:
    tokens: Tokens
    comments: list[tuple[int, int]]  # [start, end) of each, from `#` to the end of its line
    errors: Errors


@cache
def _scanner() -> re.Pattern[str]:
    """One alternative a group, in order of trial; the grammar's own patterns where it has one."""
    tables = load()
    literals = "|".join(re.escape(text) for text in sorted(tables.literals, key=len, reverse=True))
    groups = (
        r"[^\W\d]\w*",  # 1 a word: keyword or name
        literals,  # 2
        r"\r?\n",  # 3
        tables.patterns["NUMBER"],  # 4
        tables.patterns["DOC"],  # 5
        r'"""[\s\S]*',  # 6 an unterminated docstring
        tables.patterns["STRING"],  # 7
        r'"[^\n]*',  # 8 an unterminated string
        r"#[^\n]*",  # 9
        r"\d\w*(?:\.\w+)*",  # 10 a number that touches a word, or otherwise malformed
        r"'[^'\n]*'|&&|\|\||\|>|[^\w\s\"#]",  # 11 a character of no token; literals were tried before
        r"[^\S \t]",  # 12 a blank of no token
        r"\Z",  # 13 the end, after blanks
    )
    return re.compile(r"[ \t]*(?:" + "|".join(f"({group})" for group in groups) + ")")


def lex(source: Source) -> Lexed:
    """The tokens of a text with newlines (layout decides which count), its comments, its lexical errors."""
    tables = load()
    kind_of = {name: i for i, name in enumerate(tables.terminals)}
    name, number, string, doc, newline = (kind_of[k] for k in ("NAME", "NUMBER", "STRING", "DOC", "_NL"))
    keywords, literals = tables.keywords, tables.literals
    text = source.text
    tokens = Tokens(source)
    kinds, starts, ends = tokens.kinds, tokens.starts, tokens.ends
    comments: list[tuple[int, int]] = []
    errors = Errors()
    end = 1 if text.startswith("\ufeff") else 0
    for match in FORBIDDEN.finditer(text, end):
        if errors.room():
            errors.add(_forbidden(Span(source, match.start(), match.end())))
    for match in _scanner().finditer(text, end):
        group = match.lastindex
        assert group is not None
        start, end = match.span(group)
        if group == 1:
            word = match[1]
            kind = keywords.get(word, name)
            if kind == name and (len(word) > MAX_NAME or not word.isascii()) and errors.room():
                errors.add(_bad_name(Span(source, start, end)))
        elif group == 2:
            kind = literals[match[2]]
        elif group == 3:
            kind = newline
        elif group == 4:
            kind = number
        elif group == 5:
            kind = doc
        elif group == 7:
            kind = string
        elif group == 9:
            comments.append((start, end))
            continue
        elif group == 13:
            break
        else:
            if not FORBIDDEN.match(text, start) and errors.room():
                errors.add(_REPORTS[group](Span(source, start, end)))
            kind = BAD
        kinds.append(kind)
        starts.append(start)
        ends.append(end)
    return Lexed(tokens, comments, errors)


def _forbidden(span: Span) -> Diagnostic:
    char = span.text
    what = "a lone carriage return" if char == "\r" else f"the invisible character U+{ord(char):04X}"
    return Diagnostic(
        "E0109",
        f"{what} is not allowed in a spec",
        span,
        "not allowed, in comments and strings neither",
        help=("delete it: invisible characters can make a text read as what it is not",),
    )


def _bad_name(span: Span) -> Diagnostic:
    word = span.text
    if not word.isascii():
        odd = next(c for c in word if not c.isascii())
        return Diagnostic(
            "E0108",
            f"the name `{word[:MAX_NAME]}` has the character `{odd}`",
            span,
            f"`{odd}` is not an ASCII letter",
            help=("names are made of the letters A-Z and a-z, digits and `_`",),
        )
    return Diagnostic(
        "E0107",
        f"a name of {len(word)} characters is too long",
        span,
        f"names have at most {MAX_NAME} characters",
    )


def _open_docstring(span: Span) -> Diagnostic:
    opening = Span(span.source, span.start, span.start + 3)
    return Diagnostic(
        "E0103", "this docstring never ends", opening, "opened here", help=('close it with `"""`',)
    )


def _open_string(span: Span) -> Diagnostic:
    return Diagnostic(
        "E0102",
        "this string does not end on its line",
        span,
        'expected a closing `"`',
        help=(r'close it with `"`; a quote inside a string is written `\"`, a line end `\n`',),
    )


def _bad_number(span: Span) -> Diagnostic:
    text = span.text
    good = re.match(load().patterns["NUMBER"].removesuffix(r"(?!\w|\.[0-9])"), text)
    number = good[0] if good else ""
    rest = text[len(number) :]
    if not number:
        return Diagnostic("E0105", f"`{text[:40]}` is not a number", span, "numbers use the digits 0-9")
    help_ = f"write `{number} {rest}` if two things are meant"
    if re.fullmatch(r"(x\w+)+", rest):
        help_ = f"leave a blank on both sides of `x`: `{' x '.join(text.split('x'))}`"
    elif rest == "x":
        help_ = f"leave a blank before `x`: `{number} x`"
    elif rest.lower() in ("k", "m", "g", "t", "b"):
        help_ = "the suffixes are K, M, G and T: thousand, million, 10^9 and 10^12"
    elif rest.startswith("_"):
        help_ = "`_` stands between two digits: `25_557_032`"
    elif rest[:1] in ("e", "E"):
        help_ = "an exponent needs digits: `1e-5`"
    elif rest.startswith("."):
        help_ = "a number has one decimal point; a range is written `a..b`"
    elif number == "0" and rest[:1] in "xXbBoO":
        help_ = "numbers are decimal"
    return Diagnostic(
        "E0105", f"the number `{number[:40]}` runs into `{rest[:40]}`", span, "not a number", help=(help_,)
    )


_HINTS = {
    "&": "write `and`",
    "&&": "write `and`",
    "||": "write `or`",
    "|>": "a pipe is `->`",
    "|": "write `or`; a pipe is `->`",
    "!": "write `not`; unequal is `!=`",
    "'": 'strings take double quotes: `"…"`',
    "“": 'strings take plain double quotes: `"…"`',
    "”": 'strings take plain double quotes: `"…"`',
    "\u2019": 'strings take plain double quotes: `"…"`',
    ";": "one statement a line; a newline ends it",
    "^": "a power is `a ** b`",
    "?": "a choice is `a if condition else b`",
    "\\": "newlines inside brackets do not count, and a line that begins with `->` continues the one above",
    "\u00d7": "write `x`, the letter, with blanks around it",
    "→": "write `->`",
    "\u2212": "write `-`, the ASCII minus",
    "\u2013": "write `-`, the ASCII minus",
    "≤": "write `<=`",
    "≥": "write `>=`",
    "≠": "write `!=`",
    "…": "a range is written `a..b`",
    "@": "decorators and matrix products do not exist; a call is `f(x)`, a pipe `x -> f`",
    "$": "a parameter is used by its bare name",
    "\u00a0": "this is a no-break space: replace it by a plain one",
}


def _odd_character(span: Span) -> Diagnostic:
    char = span.text
    if char.startswith("'") and len(char) > 1:
        quoted = char[1:-1].replace('"', "")[:40]
        help_ = (f'strings take double quotes: `"{quoted}"`',)
        return Diagnostic("E0101", "unexpected character `'`", span, "not a string", help=help_)
    shown = char if len(char) > 1 or (char.isprintable() and not char.isspace()) else f"U+{ord(char):04X}"
    hint = (_HINTS[char],) if char in _HINTS else ()
    what = "character " if len(char) == 1 else ""
    return Diagnostic("E0101", f"unexpected {what}`{shown}`", span, "has no meaning here", help=hint)


_REPORTS = {
    6: _open_docstring,
    8: _open_string,
    10: _bad_number,
    11: _odd_character,
    12: _odd_character,
}
