"""What a syntax error says: what was found, what could stand there, and what was probably meant."""

from __future__ import annotations

from typing import NamedTuple

from archc.diagnostics import Diagnostic, Span, nearest
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
_FOREIGN = {
    "def": "a block of layers is `block name(x) { … }`, arithmetic is `fn name(a) = …`",
    "class": "an architecture is `arch name(…) { … }`",
    "model": "an architecture is `arch name(…) { … }`",
    "network": "an architecture is `arch name(…) { … }`",
    "let": "assign without a word before it: `name = value`",
    "var": "assign without a word before it: `name = value`",
    "const": "assign without a word before it: `name = value`",
    "elif": "write `} else if condition {`",
    "while": "every loop is bounded: `for i in a..b { … }`",
    "lambda": "name the function: `fn f(a) = …`",
    "function": "arithmetic is `fn name(a) = …`, layers are `block name(x) { … }`",
}


class _Found(NamedTuple):
    """The offending token: its kind's name, its text, how to speak of it, and the kinds before it."""

    kind: str
    text: str
    shown: str
    span: Span
    before: tuple[str, ...]
    expected: frozenset[str]


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
    hint = _hint(tables, tokens, found, i)
    return Diagnostic(
        "E0120", f"unexpected {found.shown}", found.span, f"expected {wanted}", help=(hint,) if hint else ()
    )


def _found(tables: Tables, tokens: Tokens, states: list[int], i: int) -> _Found:
    names = tables.terminals
    expected = frozenset(names[t] for t in tables.actions[states[-1]] if _shifts(tables, states, t))
    before = tuple(_kind(tables, tokens.kinds[j]) for j in range(max(0, i - 3), i))
    span = point(tokens, i)
    if i == len(tokens.kinds):
        return _Found("$END", "", "end of the file", span, before, expected)
    kind, text = _kind(tables, tokens.kinds[i]), tokens.text(i)
    if kind == "_NL":
        return _Found(
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
    return _Found(kind, text, shown, span, before, expected)


def _kind(tables: Tables, kind: int) -> str:
    return tables.terminals[kind] if kind >= 0 else ""


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


def _texts(tables: Tables) -> dict[str, str]:
    """The text of every terminal that has only one."""
    every = {**tables.literals, **tables.keywords, **tables.soft}
    return {tables.terminals[kind]: text for text, kind in every.items()}


def _wanted(tables: Tables, expected: frozenset[str]) -> str:
    texts = _texts(tables)
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


def _docstring(tables: Tables, tokens: Tokens, found: _Found, i: int) -> Diagnostic | None:
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


def _claim(tables: Tables, tokens: Tokens, found: _Found, i: int) -> Diagnostic | None:
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


def _repeated_body(tables: Tables, tokens: Tokens, found: _Found, i: int) -> Diagnostic | None:
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


def _keyword_as_name(tables: Tables, tokens: Tokens, found: _Found, i: int) -> Diagnostic | None:
    word, span = found.text, found.span
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


def _declaration_in_body(tables: Tables, tokens: Tokens, found: _Found, i: int) -> Diagnostic | None:
    if found.kind not in _TOP_WORDS or "_RETURN" not in found.expected:
        return None
    if found.kind == "_FROM" and i + 1 < len(tokens.kinds) and _kind(tables, tokens.kinds[i + 1]) == "STRING":
        return None
    return Diagnostic(
        "E0133",
        f"`{found.text}` stands at the top level of a file",
        found.span,
        "inside a body here",
        help=("move it out of the body, or close the body above with `}`",),
    )


def _statement_outside(tables: Tables, tokens: Tokens, found: _Found, i: int) -> Diagnostic | None:
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


# ---------------------------------------------------------------- hints


def _hint(tables: Tables, tokens: Tokens, found: _Found, i: int) -> str:
    text, kind, expected, before = found.text, found.kind, found.expected, found.before
    previous = tokens.text(i - 1) if i else ""
    if before[-1:] == ("NAME",) and (i == 1 or before[-2:-1] in (("_NL",), ("LBRACE",), ("RBRACE",))):
        if previous in _FOREIGN:
            return _FOREIGN[previous]
        meant = nearest(previous, tables.keywords) if len(previous) > 2 else None
        if meant is not None:
            return f"did you mean `{meant}`?"
    if previous == "lambda":
        return _FOREIGN[previous]
    if text in _FOREIGN and kind == "NAME":
        return _FOREIGN[text]
    habit = _habit(tables, tokens, found, i)
    if habit:
        return habit
    if kind == "NAME":
        texts = _texts(tables)
        meant = nearest(text, [texts[name] for name in expected if texts.get(name, "").isidentifier()])
        if meant is not None:
            return f"did you mean `{meant}`?"
    if text == "=" and "EQUALS" in expected:
        return "`==` compares, `=` assigns"
    if text == ",":
        if "_IN" in expected and "_FOR" in before:
            return "several targets stand in parentheses: `for (a, b) in pairs { … }`"
        if "STAR" in expected:
            return "a tuple stands in parentheses: `(a, b)`"
    if text == "{" and expected == {"LPAR"}:
        return "parameters stand in parentheses, even none: `()`"
    if text == ":" and "RSQB" in expected:
        if previous == "[" or "COMMA" in expected:
            return "a slice stands behind what it is a part of: `xs[1:]`"
        return "a slice takes no step: `[xs[i] for i in range(0, len(xs), 2)]`, `reversed(xs)`"
    if "LBRACE" in expected and text == ":":
        return "a body stands in braces: `{ … }`"
    if text == "{" and previous == ":":
        return "a section with a body takes no colon: `stage name { … }`"
    if text == "->":
        return (
            "a result type is not declared"
            if "LBRACE" in expected
            else "there is no expression to continue above"
        )
    if text in ("..", "..=") and "_FROM" not in before:
        return "a range has two ends, `a..b`; with a stride it is `range(a, b, stride)`"
    if text == "else":
        return "put a conditional that spans lines in parentheses: `(a if c else b)`"
    if text == "from":
        return "a source stays on the line of its `expect`"
    if kind == "_NL" and previous == "->":
        return "a line that ends in `->` does not go on: begin the next one with it"
    if kind == "_NL" and previous == "return":
        return "name what to return: `return x`"
    if kind == "_NL" and before[-2:] == ("PLUS", "PLUS"):
        return "write `+= 1`"
    if kind == "_NL" and "LSQB" in expected:
        return "go on in the same line, or put the whole in parentheses"
    if "COMMA" in expected and kind in ("NAME", "NUMBER", "STRING", "LPAR", "LSQB"):
        return "separate the two by `,`"
    return ""


def _habit(tables: Tables, tokens: Tokens, found: _Found, i: int) -> str:
    """What another language writes this way."""
    text, expected = found.text, found.expected
    after = tokens.text(i + 1) if i + 1 < len(tokens.kinds) else ""
    touching = bool(after) and tokens.ends[i] == tokens.starts[i + 1]
    line = _line(tables, tokens, i)
    if text == "=" and after == ">" and touching:
        return "a pipe is `->`"
    if text == ":" and after == "=" and touching:
        return "assign by `=` alone"
    if text in ("*", "**"):
        if "AMBIENT" in expected:
            return "every parameter is written out; what reaches blocks from afar is `ambient`"
        if line[:1] == ["from"]:
            return "name what is imported: `from module import a, b`"
        if "NAME" in expected and "RPAR" in expected:
            return "arguments are written out one by one"
    if line[:1] in (["from"], ["import"]) and "import" not in line[1:]:
        if text == "as":
            return "`import a.b` binds `b`; another name comes from `from a.b import f as g`"
        if found.kind == "STRING" or text in ("/", "..", "."):
            return (
                "a module is written as names joined by dots, `std.residual`, from this folder or the library"
            )
    if "_X" in expected and line[:1] == ["input"]:
        return "sizes are joined by `x`, channels first: `input 3 x 224 x 224`"
    if "_X" in expected and line[:1] == ["stage"] and found.kind in ("NAME", "LPAR"):
        return "a repeated stage is `stage 3 x f`"
    if line[:1] == ["expect"] and "_FROM" in expected and text not in ("from", ","):
        return "a figure is one number; what must be computed is for `require`"
    if text == "{" and line[:1] == ["fn"]:
        return "a fn is one expression; what has statements is a block"
    if line[:1] == ["variant"] and "LPAR" in expected:
        return "a variant gives its base arguments, even none: `variant a = b()`"
    augment = tables.terminals[tables.literals["+="]]
    if (
        "EQUAL" in expected
        and not expected & {augment, "_NL", "RPAR"}
        and line
        and not _WORDS_OF_BINDINGS.intersection(line)
    ):
        return "only declarations and constants, `name = value`, stand outside a body"
    return ""


_WORDS_OF_BINDINGS = {"set", "info", "output", "expect", "fn", "variant"}


def _line(tables: Tables, tokens: Tokens, i: int) -> list[str]:
    """The tokens between the last newline that counts and token i."""
    start = i
    while start and _kind(tables, tokens.kinds[start - 1]) != "_NL":
        start -= 1
    return [tokens.text(j) for j in range(start, i)]
