"""The canonical text of a file: comments, docstrings and the author's blank lines kept, the rest settled."""

from __future__ import annotations

from archc.diagnostics import ArchError, Source, Span
from archc.syntax import ast
from archc.syntax.declare import Declare
from archc.syntax.doc import layout
from archc.syntax.express import Express, Remarks, format_expr
from archc.syntax.lexer import Tokens, lex
from archc.syntax.parse import parse
from archc.syntax.tables import load

__all__ = ["format_expr", "format_source"]

WIDTH = 110
STEP = 2  # indentation of a body
_LONG = (ast.BlockDef, ast.ArchDef)


def format_source(source: Source) -> str:
    """The file in canonical form; it parses to an equal tree and formats to itself. Raises ArchError."""
    tree, diagnostics = parse(source)
    if diagnostics:
        raise ArchError(diagnostics)
    lexed = lex(source)
    return _Formatter(source, lexed.tokens, lexed.comments).file(tree)
