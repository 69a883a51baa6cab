"""What a syntax error says: what was found, what could stand there, and what was probably meant."""

from __future__ import annotations

from archc.diagnostics import Diagnostic, Span
from archc.syntax.hints import Found, begins_statement, hint, kind_of, texts_of
from archc.syntax.layout import point
from archc.syntax.lexer import Tokens
from archc.syntax.tables import Tables

_WORDS = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a string",
    "DOC": "a docstring",
    "_NL": "the end of the line",
    "$END": "the end of the file",
}


def unexpected(tables: Tables, tokens: Tokens, states: list[int], i: int) -> Diagnostic:
    """The diagnostic of token i (one past the last: the end of the text), met in the given LALR states."""
    found = _found(tables, tokens, states, i)
    for rule in (
        _docstring,
        _claim,
        _repeated_body,
        _keyword_as_name,
        _declaration_in_body,
        _statement_outside,
    ):
        diagnostic = rule(tables, tokens, found, i)
        if diagnostic is not None:
            return diagnostic
    wanted = _wanted(tables, found.expected)
    help = hint(tables, tokens, found, i)
    return Diagnostic(
        "E0120", f"unexpected {found.shown}", found.span, f"expected {wanted}", help=(help,) if help else ()
    )


def _found(tables: Tables, tokens: Tokens, states: list[int], i: int) -> Found:
    names = tables.terminals
    expected = frozenset(names[t] for t in tables.actions[states[-1]] if _shifts(tables, states, t))
    before = tuple(kind_of(tables, tokens.kinds[j]) for j in range(max(0, i - 3), i))
    span = point(tokens, i)
    if i == len(tokens.kinds):
        return Found("$END", "", "end of the file", span, before, expected)
    kind, text = kind_of(tables, tokens.kinds[i]), tokens.text(i)
    if kind == "_NL":
        return Found(
            kind, text, "end of the line", Span(span.source, span.start, span.start), before, expected
        )
    if text in tables.keywords:
        shown = f"keyword `{text}`"
    elif kind in ("NAME", "NUMBER"):
        shown = f"{'name' if kind == 'NAME' else 'number'} `{text[:40]}`"
    elif kind in ("STRING", "DOC"):
        shown = "string" if kind == "STRING" else "docstring"
    else:
        shown = f"`{text}`"
    return Found(kind, text, shown, span, before, expected)


def _shifts(tables: Tables, states: list[int], terminal: int) -> bool:
    """Whether the parser would in the end consume `terminal`: LALR lookaheads alone promise too much."""
    stack = list(states)
    while True:
        action = tables.actions[stack[-1]].get(terminal)
        if action is None:
            return False
        if action >= 0:
            return True
        rule = tables.rules[~action]
        if rule.length:
            del stack[-rule.length :]
        stack.append(tables.gotos[stack[-1]][rule.origin])
        if len(stack) == 2 and stack[-1] in tables.ends.values():
            return terminal == tables.terminals.index("$END")


# ---------------------------------------------------------------- what could stand there

_OPERANDS = frozenset({"NAME", "NUMBER", "STRING", "LPAR", "LSQB", "MINUS", "PLUS", "NOT", "TRUE", "FALSE"})
_BODY_WORDS = frozenset({"_INPUT", "STEM", "STAGE", "HEAD", "_FOR", "_IF", "_RETURN", "_OUTPUT", "_REQUIRE"})
_PARTICULARS = frozenset({"_SET", "_INFO", "_EXPECT"})
_TOP_WORDS = frozenset({"_ARCH", "_BLOCK", "_VARIANT", "_IMPORT", "_FROM"})
_OPERATORS = (
    "STAR",
    "SLASH",
    "FLOOR",
    "PERCENT",
    "POWER",
    "PLUS",
    "MINUS",
    "DOTDOT",
    "AND",
    "OR",
    "NOT",
    "_IN",
    "_IF",
)
_OPERATOR_SYMBOLS = ("->", "==", "!=", "<", "<=", ">", ">=", "(", "[", ".", "+=")


def _wanted(tables: Tables, expected: frozenset[str]) -> str:
    texts = texts_of(tables)
    left = set(expected) - {"ERROR"}
    parts: list[str] = []
    if "STAR" in left:  # an operand stands before: whatever goes on with it counts as an operator
        symbols = {tables.terminals[tables.literals[text]] for text in _OPERATOR_SYMBOLS}
        left -= symbols | set(_OPERATORS)
        parts.append("an operator")
    elif "_RETURN" in left:
        left -= _OPERANDS | _BODY_WORDS | _PARTICULARS | {"_FN", "DOC"}
        parts.append("a statement")
    elif "_ARCH" in left:
        left -= _OPERANDS | _TOP_WORDS | {"_FN", "DOC"}
        parts.append("`arch`, `block`, `variant`, `fn`, an import or a constant")
    elif "LSQB" in left and "NUMBER" in left:
        left -= _OPERANDS
        parts.append("an expression")
    if "_NL" in left:
        left -= {"$END", "RBRACE"}
    if parts == ["an operator"] and left:
        parts = []
    words = [_WORDS.get(name) or f"`{texts[name]}`" for name in sorted(left, key=_rank)]
    parts += words
    if not parts:
        return "nothing more"
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " or " + parts[-1]


def _rank(name: str) -> tuple[bool, str]:
    return name in ("_NL", "$END"), name


# ---------------------------------------------------------------- mistakes with a code of their own


def _docstring(tables: Tables, tokens: Tokens, found: Found, i: int) -> Diagnostic | None:
    if found.kind != "DOC":
        return None
    return Diagnostic(
        "E0125",
        "a docstring stands first or not at all",
        Span(found.span.source, found.span.start, found.span.start + 3),
        "not first here",
        help=(
            "it opens a file, or the body of an arch, block or variant; anywhere else write a comment: `# …`",
        ),
    )


def _claim(tables: Tables, tokens: Tokens, found: Found, i: int) -> Diagnostic | None:
    if found.expected == {"NUMBER"}:
        message, label = "`expect` compares with a number", "expected a number"
    elif found.expected == {"EQUAL", "TILDE"}:
        message, label = "`expect` states a figure", "expected `=` or `~`"
    else:
        return None
    return Diagnostic(
        "E0126",
        message,
        found.span,
        label,
        help=(
            'write `expect params = 25.6M, macs ~ 4.1G from "source"`; `~` marks a figure cut off',
            "bounds and computed values are for `require params <= 5M`",
        ),
    )


def _repeated_body(tables: Tables, tokens: Tokens, found: Found, i: int) -> Diagnostic | None:
    if found.kind != "LBRACE" or "LSQB" not in found.expected or not i or tokens.text(i - 1) != "x":
        return None
    return Diagnostic(
        "E0127",
        "a repeated stage has no body",
        found.span,
        "expected an op",
        help=(
            "put the body in a block and repeat that: `stage 3 x my_block(…)`",
            "or repeat the section: `for i in 0..3 { stage { … } }`",
        ),
    )


def _keyword_as_name(tables: Tables, tokens: Tokens, found: Found, i: int) -> Diagnostic | None:
    word, span = found.text, found.span
    if found.text == ":" and begins_statement(tables, tokens, i - 1):
        return None
    if found.text in ("=", "+=", ":") and i and tokens.text(i - 1) in tables.keywords:
        word, span = tokens.text(i - 1), tokens.span(i - 1)
    elif word not in tables.keywords or "NAME" not in found.expected:
        return None
    else:
        after = tokens.text(i + 1) if i + 1 < len(tokens.kinds) else ""
        starts_statement = "_RETURN" in found.expected or "_ARCH" in found.expected
        if (starts_statement or word in _INFIX) and after not in ("=", "+=", ":", ",", ")"):
            return None
    return Diagnostic(
        "E0124",
        f"`{word}` is a keyword and cannot be a name",
        span,
        "reserved",
        help=(f"choose another name, such as `{word}_`",),
    )


_INFIX = ("and", "or", "not", "in", "if", "else", "for", "as", "from")


def _declaration_in_body(tables: Tables, tokens: Tokens, found: Found, i: int) -> Diagnostic | None:
    if found.kind not in _TOP_WORDS or "_RETURN" not in found.expected:
        return None
    if (
        found.kind == "_FROM"
        and i + 1 < len(tokens.kinds)
        and kind_of(tables, tokens.kinds[i + 1]) == "STRING"
    ):
        return None
    return Diagnostic(
        "E0133",
        f"`{found.text}` stands at the top level of a file",
        found.span,
        "inside a body here",
        help=("move it out of the body, or close the body above with `}`",),
    )


def _statement_outside(tables: Tables, tokens: Tokens, found: Found, i: int) -> Diagnostic | None:
    if "_SET" in found.expected and "_RETURN" not in found.expected:
        return Diagnostic(
            "E0135",
            f"unexpected {found.shown} in a variant",
            found.span,
            "expected `set`, `expect` or `info`",
            help=("a variant changes arguments and ambient values; structure belongs in its arch",),
        )
    if found.kind not in _BODY_WORDS | _PARTICULARS or "_ARCH" not in found.expected:
        return None
    return Diagnostic(
        "E0134",
        f"`{found.text}` stands in a body",
        found.span,
        "outside any body here",
        help=("put it in `arch name(…) { … }` or `block name(x) { … }`",),
    )
