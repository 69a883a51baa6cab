"""Short ways to say what a text parses to."""

from __future__ import annotations

from archc.diagnostics import Diagnostic, Source
from archc.syntax import ast, parse


def tree(text: str) -> ast.File:
    """The tree of a text without syntax errors."""
    file, diagnostics = parse(Source("test.arch", text))
    assert diagnostics == []
    return file


def only(text: str) -> ast.Stmt:
    """The one top-level statement of a text."""
    (statement,) = tree(text).statements
    return statement


def body(text: str) -> ast.Body:
    """The statements of a text that stands in the body of a block."""
    block = only("block b(x) {\n" + text + "\n}")
    assert isinstance(block, ast.BlockDef)
    return block.body


def stmt(text: str) -> ast.Stmt:
    (statement,) = body(text)
    return statement


def errors(text: str) -> list[Diagnostic]:
    return parse(Source("test.arch", text))[1]


def codes(text: str) -> list[str]:
    return [diagnostic.code for diagnostic in errors(text)]


def name(id_: str) -> ast.Name:
    return ast.Name(id_)


def num(value: float, text: str | None = None) -> ast.Number:
    return ast.Number(value, str(value) if text is None else text)
