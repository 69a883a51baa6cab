"""What was probably meant where a text cannot be parsed."""

from __future__ import annotations

from typing import NamedTuple

from archc.diagnostics import Span, nearest
from archc.syntax.lexer import Tokens
from archc.syntax.tables import Tables

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


class Found(NamedTuple):
    """The offending token: its kind's name, its text, how to speak of it, and the kinds before it."""

    kind: str
    text: str
    shown: str
    span: Span
    before: tuple[str, ...]
    expected: frozenset[str]


def kind_of(tables: Tables, kind: int) -> str:
    return tables.terminals[kind] if kind >= 0 else ""


def texts_of(tables: Tables) -> dict[str, str]:
    """The text of every terminal that has only one."""
    every = {**tables.literals, **tables.keywords, **tables.soft}
    return {tables.terminals[kind]: text for text, kind in every.items()}


def begins_statement(tables: Tables, tokens: Tokens, i: int) -> bool:
    """Whether token i is a keyword that a statement begins with, where one may begin."""
    if i < 0 or tokens.text(i) not in _COLONS:
        return False
    return i == 0 or kind_of(tables, tokens.kinds[i - 1]) in ("_NL", "LBRACE", "RBRACE")


_COLONS = {
    "stage": "`stage f` applies f; a name stands before the colon: `stage neck: f`",
    "stem": "a stem has no name and no colon: `stem f`",
    "head": "a head has no name and no colon: `head f`",
    "input": "only a name is followed by a colon: `input 3 x 224 x 224`, `input image: 3 x 224 x 224`",
    "output": "an output is `output name = tensor`",
    "return": "without a colon: `return x`",
    "set": "without a colon: `set act = gelu`",
    "info": "without a colon: `info year = 2021`",
    "expect": "without a colon: `expect params = 25.6M`",
    "require": "without a colon: `require params <= 5M`",
}
"""What to write instead of a colon in a statement that begins with these."""


def _section(tables: Tables, found: Found, line: list[str]) -> str:
    """What is meant in the line of a section."""
    text, expected = found.text, found.expected
    if line[:1] == ["stage"]:
        if text == ":" and "_X" in expected:
            if len(line) == 2 and line[1].isdigit():
                return f"a repeated stage is `stage {line[1]} x f`, one with a name `stage neck: f`"
            return "a stage's name is one word right after `stage`: `stage neck: f`"
        if (
            len(line) == 2
            and line[1] != "x"
            and line[1].isidentifier()
            and found.kind == "NAME"
            and "COLON" in expected
        ):
            return f"a stage's name takes a colon: `stage {line[1]}: {text}`"
        if "_X" in expected and found.kind in ("NAME", "LPAR"):
            return "a repeated stage is `stage 3 x f`"
    elif line[:1] in (["stem"], ["head"]):
        if text == "x" and len(line) == 2:
            return f"only a stage is repeated: `stage 3 x f`; or repeat the op: `{line[0]} 3 * f`"
        if text == ":":
            return _COLONS[line[0]]
    return ""


def hint(tables: Tables, tokens: Tokens, found: Found, i: int) -> str:
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
        texts = texts_of(tables)
        meant = nearest(text, [texts[name] for name in expected if texts.get(name, "").isidentifier()])
        if meant is not None:
            return f"did you mean `{meant}`?"
    if text == "=" and "EQUALS" in expected:
        return "`==` compares, `=` assigns"
    if text == ",":
        if "_IN" in expected and "_FOR" in before:
            return "several targets stand in parentheses: `for (a, b) in pairs { … }`"
        if "RSQB" in expected and previous not in (",", "["):
            return "one index or slice at a time, `xs[a][b]`; channels of a tensor are `x -> slice_channels(start, stop)`"
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
    if (text == "]" and before[-1:] == ("DOTDOT",)) or (text in ("..", "..=") and previous == "["):
        return "a part of a list is a slice: `xs[a:]`, `xs[:b]`"
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


def _habit(tables: Tables, tokens: Tokens, found: Found, i: int) -> str:
    """What another language writes this way."""
    text, expected = found.text, found.expected
    after = tokens.text(i + 1) if i + 1 < len(tokens.kinds) else ""
    touching = bool(after) and tokens.ends[i] == tokens.starts[i + 1]
    line = line_before(tables, tokens, i)
    if text == ":" and begins_statement(tables, tokens, i - 1):
        return _COLONS[tokens.text(i - 1)]
    if text == ":" and line[:1] == ["output"]:
        return _COLONS["output"]
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
    section = _section(tables, found, line)
    if section:
        return section
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


def line_before(tables: Tables, tokens: Tokens, i: int) -> list[str]:
    """The tokens between the last newline that counts and token i."""
    start = i
    while start and kind_of(tables, tokens.kinds[start - 1]) != "_NL":
        start -= 1
    return [tokens.text(j) for j in range(start, i)]
