"""The shipped tables are those of grammar/arch.lark, and the parser reads them as Lark would."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from lark import UnexpectedInput
from lark import logger as lark_logger

from archc.diagnostics import Source
from archc.syntax.build_statements import makers
from archc.syntax.generate import build_grammar, to_json
from archc.syntax.layout import lay_out
from archc.syntax.lexer import lex
from archc.syntax.parse import parse
from archc.syntax.tables import PATH, load
from tests.syntax.programs import SPECS, plain_grammar


def test_shipped_tables_are_current() -> None:
    assert PATH.read_text(encoding="utf-8") == to_json(build_grammar()), (
        "run `python -m archc.syntax.generate`"
    )


def test_grammar_has_no_conflicts(caplog: pytest.LogCaptureFixture) -> None:
    """Lark settles shift/reduce conflicts silently, but says so in its log; reduce/reduce ones raise."""
    from lark import Lark

    lark_logger.setLevel(logging.DEBUG)
    lark_logger.propagate = True
    try:
        Lark('start: "if" start | "if" start "else" start | "a"', parser="lalr", debug=True)
        assert "conflict" in caplog.text.lower()
        caplog.clear()
        build_grammar(debug=True)
        assert "conflict" not in caplog.text.lower()
    finally:
        lark_logger.setLevel(logging.CRITICAL)


def test_no_state_takes_both_a_name_and_a_soft_keyword() -> None:
    tables = load()
    name = tables.terminals.index("NAME")
    assert not [row for row in tables.actions if name in row and set(row) & set(tables.soft.values())]


def test_every_production_has_a_maker() -> None:
    made = {rule.make for rule in load().rules if rule.make is not None}
    assert made == set(makers())


@pytest.mark.parametrize("word", ["a", "_", "A_1", "x" * 64, "x" * 65, "é", "1a", "", "a b", "ifx"])
def test_lexer_and_grammar_agree_on_names(word: str) -> None:
    lexed = lex(Source("test.arch", word))
    name = load().terminals.index("NAME")
    is_name = lexed.tokens.kinds == [name] and lexed.tokens.ends == [len(word)] and not lexed.errors.shown
    assert is_name == bool(re.fullmatch(load().patterns["NAME"], word))


def _laid_out(text: str) -> str:
    """The tokens of a text with only the newlines that count, as text."""
    tokens = lay_out(lex(Source("test.arch", text)).tokens).tokens
    return " ".join("\n" if tokens.text(i).isspace() else tokens.text(i) for i in range(len(tokens.kinds)))


def test_lark_accepts_what_the_parser_accepts() -> None:
    """Lark's own contextual lexer and parser are the oracle for the driver, on specs and on damaged ones."""
    lark = plain_grammar()
    agreed = {True: 0, False: 0}
    for path in SPECS:
        lines = path.read_text(encoding="utf-8").splitlines()
        for dropped in [None, *range(0, len(lines), 7)]:
            kept = [line for i, line in enumerate(lines) if i != dropped or "{" in line or "}" in line]
            text = "\n".join(" ".join(words[:-1] if i == dropped else words) for i, words in
                             enumerate(line.split(" ") for line in kept))  # fmt: skip
            diagnostics = parse(Source(path.name, text))[1]
            if not {d.code for d in diagnostics} <= {"E0120", "E0124", "E0126", "E0127", "E0133", "E0135"}:
                continue  # not the driver's: characters, brackets, arguments
            try:
                lark.parse(_laid_out(text))
                accepted = True
            except UnexpectedInput:
                accepted = False
            assert accepted == (not diagnostics), (path, dropped)
            agreed[accepted] += 1
    assert min(agreed.values()) > 10


def test_parsing_imports_neither_lark_nor_pickle(tmp_path: Path) -> None:
    code = (
        "import sys; from archc.syntax.parse import parse; from archc.diagnostics import Source;"
        "parse(Source('a', 'a = 1')); print(sorted({'lark', 'pickle', 'torch', 'networkx', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
