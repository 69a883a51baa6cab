"""Programs drawn from the grammar itself, and mutations of the shipped ones."""

from __future__ import annotations

import random

from hypothesis import strategies as st
from hypothesis.extra.lark import from_lark
from lark import Lark

from archc.syntax.resources import data_root
from archc.syntax.tables import load

SPECS = sorted(data_root("specs").rglob("*.arch"))


def plain_grammar(start: str = "file") -> Lark:
    """grammar/arch.lark by itself, without the parser's recovery."""
    text = (data_root("grammar") / "arch.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", start=start, maybe_placeholders=True)


def _spaced(words: list[str]) -> st.SearchStrategy[str]:
    return st.sampled_from([f" {word} " for word in words])


def programs(start: str = "file") -> st.SearchStrategy[str]:
    """Texts the grammar derives. Blanks around words keep neighbours from gluing into one token."""
    words = {**load().keywords, **load().soft}
    names = load().terminals
    explicit = {names[kind]: st.just(f" {word} ") for word, kind in words.items()}
    explicit["NAME"] = _spaced(["a", "b", "conv", "x", "step", "log", "_", "A1", "stage_2", "long_" * 11])
    explicit["NUMBER"] = _spaced(
        ["0", "1", "71_489_284", "2.50", "1e-5", "25.6M", "1.6G", "0.1K", "3.0", "1e300"]
    )
    explicit["STRING"] = _spaced(['""', '"a b"', r'"\"\\\n\t"', '"# é"', '"->"'])
    explicit["DOC"] = _spaced(['"""One."""', '"""A "b"\n   c\n\n     d """', '"""\n  x\n    y"""', '""""""'])
    explicit["_NL"] = st.sampled_from(
        ["\n", "\n\n", "\n  \n\n\n", "\n# c\n", " # beside\n\n # own\n", "\r\n"]
    )
    explicit["BLANKS"] = explicit["COMMENT"] = st.just(" ")
    grammar = plain_grammar(start)
    used = {terminal.name for terminal in grammar.terminals}
    return from_lark(grammar, start=start, explicit={k: v for k, v in explicit.items() if k in used})


def with_remarks(text: str, seed: int) -> str:
    """The text with line breaks and comments put where neither has a meaning: inside ( ) and [ ]."""
    rng = random.Random(seed)
    depth, out, quote = 0, [], False
    for at, char in enumerate(text):
        quote ^= char == '"'
        out.append(char)
        if not quote:
            depth += (char in "([") - (char in ")]")
            if depth > 0 and char in "([, " and text[at : at + 2] not in ("->",) and rng.random() < 0.15:
                out.append(rng.choice(["\n", " # note\n", "\n\n  # own line\n", "\n# a, (b\n# c\n"]))
    return "".join(out)


_PIECES = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "\n",
    " x ",
    "->",
    "..",
    "=",
    '"',
    '"""',
    "#",
    ",",
    ":",
    "1",
    "1x",
    "\\",
    "\x00",
]
_PIECES += [
    "é",
    "\u202e",
    "stage ",
    "else",
    "if ",
    "for ",
    "in ",
    "block ",
    "arch ",
    "expect ",
    "not ",
    "-",
    "**",
    "\r",
    "\ufeff",
]


def mutated(text: str, rng: random.Random) -> str:
    """The text after a few deletions, insertions, swaps and repetitions."""
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(text) + 1)
        to = min(len(text), at + rng.choice([1, 1, 2, 5, 40]))
        kind = rng.randrange(4)
        if kind == 0:
            text = text[:at] + text[to:]
        elif kind == 1:
            text = text[:at] + rng.choice(_PIECES) * rng.choice([1, 1, 1, 3, 70]) + text[at:]
        elif kind == 2:
            text = text[:to] + text[at:to] + text[to:]
        else:
            other = rng.randrange(len(text) + 1)
            text = text[:at] + text[other : other + to - at] + text[to:]
    return text
