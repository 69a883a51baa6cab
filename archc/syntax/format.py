"""The canonical text of a file: comments, docstrings and the author's blank lines kept, the rest settled."""

from __future__ import annotations

from bisect import bisect_left

from archc.diagnostics import ArchError, Source
from archc.diagnostics.record import record
from archc.syntax import ast
from archc.syntax.declare import Declare
from archc.syntax.doc import INFINITE, layout
from archc.syntax.express import Express, Remarks, format_expr
from archc.syntax.lexer import Tokens, lex
from archc.syntax.parse import parse
from archc.syntax.tables import load

__all__ = ["format_expr", "format_source"]

WIDTH = 110
STEP = 2  # indentation of a body


def format_source(source: Source) -> str:
    """The file in canonical form; it parses to an equal tree and formats to itself. Raises ArchError."""
    tree, diagnostics = parse(source)
    if diagnostics:
        raise ArchError(diagnostics)
    lexed = lex(source)
    return _Formatter(lexed.tokens, lexed.comments).file(tree)


@record(frozen=False)
class _Entry:
    """Something that stands on lines of its own in a body, and where it stood in the text."""

    text: str
    start: int
    end: int
    comment: bool = False
    long: bool = False  # a declaration with a body over several lines


@record(frozen=False)
class _Marks:
    """Where the tokens are that the tree does not point to."""

    braces: list[int]  # where bodies open, in order
    closing: dict[int, int]  # the end of the `}` of each
    docs: list[tuple[int, int]]
    arrows: list[int]
    commas: list[int]


def _marks(tokens: Tokens) -> _Marks:
    tables = load()
    marks = _Marks([], {}, [], [], [])
    text_of = {kind: text for text, kind in tables.literals.items()}
    doc = tables.terminals.index("DOC")
    open_: list[tuple[str, int]] = []
    inside = 0
    for i, kind in enumerate(tokens.kinds):
        text = text_of.get(kind)
        start = tokens.starts[i]
        if kind == doc:
            marks.docs.append((start, tokens.ends[i]))
        elif text == "->":
            marks.arrows.append(start)
        elif text == ",":
            marks.commas.append(start)
        elif text in ("(", "[", "{"):
            if text == "{" and not inside:
                marks.braces.append(start)
            inside += text != "{"
            open_.append((text, start))
        elif text in (")", "]", "}"):
            opener, at = open_.pop()
            inside -= opener != "{"
            if opener == "{":
                marks.closing[at] = tokens.ends[i]
    return marks


class _Formatter:
    def __init__(self, tokens: Tokens, comments: list[tuple[int, int]]) -> None:
        self._text = tokens.source.text
        self._marks = _marks(tokens)
        self._remarks = Remarks(tokens.source, comments, self._marks.arrows, self._marks.commas)
        self._declare = Declare(Express(self._remarks))

    def file(self, tree: ast.File) -> str:
        lines = self._body(tree.doc, tree.statements, 0, len(self._text), 0)
        return "".join(line + "\n" for line in lines)

    # ------------------------------------------------------------ bodies

    def _body(self, doc: str | None, stmts: ast.Body, start: int, end: int, margin: int) -> list[str]:
        """The lines of the statements and comments in [start, end) of the text."""
        entries: list[_Entry] = []
        at = start
        if doc is not None:
            doc_start, doc_end = self._marks.docs[bisect_left(self._marks.docs, (start, 0))]
            self._comments(entries, at, doc_start, margin)
            entries.append(_Entry(_docstring(doc, margin), doc_start, doc_end))
            at = doc_end
        for stmt in stmts:
            self._comments(entries, at, stmt.span.start, margin)
            text = self._statement(stmt, margin)
            for _, comment in self._remarks.take(stmt.span.start, stmt.span.end):
                entries.append(_Entry(" " * margin + comment, stmt.span.start, stmt.span.start, comment=True))
            declares = isinstance(stmt, ast.BlockDef | ast.ArchDef)
            entries.append(_Entry(text, stmt.span.start, stmt.span.end, long=declares and "\n" in text))
            at = stmt.span.end
        self._comments(entries, at, end, margin)
        return self._spaced(entries, top=margin == 0)

    def _comments(self, entries: list[_Entry], start: int, end: int, margin: int) -> None:
        """Comments between two statements: beside the one before, or on lines of their own."""
        for at, text in self._remarks.take(start, end):
            if entries and not entries[-1].comment and not self._remarks.breaks(entries[-1].end, at):
                entries[-1].text += "  " + text
                entries[-1].end = at + len(text)
            else:
                entries.append(_Entry(" " * margin + text, at, at + len(text), comment=True))

    def _spaced(self, entries: list[_Entry], top: bool) -> list[str]:
        """Blank lines as the author set them, at most one in a body and two at the top level."""
        blanks = [0] * len(entries)
        for i in range(1, len(entries)):
            newlines = self._text.count("\n", entries[i - 1].end, entries[i].start)
            blanks[i] = max(0, min(newlines - 1, 2 if top else 1))
        if top:
            for i, entry in enumerate(entries):
                if entry.long:
                    first = i  # of the comments that belong to it
                    while first and entries[first - 1].comment and not blanks[first]:
                        first -= 1
                    for at in (first, i + 1):
                        if 0 < at < len(entries):
                            blanks[at] = max(1, blanks[at])
        return [
            line
            for blank, entry in zip(blanks, entries, strict=True)
            for line in ([""] * blank + [entry.text])
        ]

    # ------------------------------------------------------------ statements

    def _statement(self, stmt: ast.Stmt, margin: int) -> str:
        pad = " " * margin
        if not self._remarks.breaks(stmt.span.start, stmt.span.end):
            line = pad + self._one_line(stmt)
            if len(line) <= WIDTH and "\n" not in line:
                return line
        brace = self._brace(stmt.span.start)
        doc, body = _parts(stmt)
        if body is None or brace >= stmt.span.end:
            return pad + layout(self._declare.statement(stmt, stmt.span.end), WIDTH, margin)
        head = layout((self._declare.statement(stmt, brace), " {"), WIDTH, margin)
        text = pad + head + self._braced(doc, body, brace, margin)
        if isinstance(stmt, ast.If) and stmt.otherwise:
            nested = stmt.otherwise[0]
            brace = self._brace(self._marks.closing[brace])
            if isinstance(nested, ast.If) and nested.span.start < brace:
                text += " else " + self._statement(nested, margin).lstrip(" ")
            else:
                text += " else {" + self._braced(None, stmt.otherwise, brace, margin)
        return text

    def _one_line(self, stmt: ast.Stmt) -> str:
        """The statement on one line, as it was in the text: so it holds no comment."""
        doc, body = _parts(stmt)
        head = layout(self._declare.statement(stmt, stmt.span.end), INFINITE)
        if body is None or self._brace(stmt.span.start) >= stmt.span.end:
            return head
        parts = [_docstring(doc, 0)] if doc is not None else []
        parts += [self._one_line(inner) for inner in body]
        text = f"{head} {{ {chr(10).join(parts)} }}" if parts else head + " {}"
        if isinstance(stmt, ast.If) and stmt.otherwise:
            (nested,) = stmt.otherwise
            inner = self._one_line(nested)
            brace = self._brace(self._marks.closing[self._brace(stmt.span.start)])
            chained = isinstance(nested, ast.If) and nested.span.start < brace
            text += f" else {inner}" if chained else f" else {{ {inner} }}"
        return text

    def _braced(self, doc: str | None, body: ast.Body, brace: int, margin: int) -> str:
        """A body from after its `{` to its `}`, one statement a line."""
        end = self._marks.closing[brace]
        beside = brace + 1
        while self._text[beside] in " \t":
            beside += 1
        remark = "".join("  " + text for _, text in self._remarks.take(beside, beside + 1))
        lines = self._body(doc, body, brace + 1, end, margin + STEP)
        if not lines and not remark:
            return "}"
        return "\n".join([remark, *lines, " " * margin + "}"])

    def _brace(self, start: int) -> int:
        """Where the first body after `start` opens; the end of the text if none does."""
        at = bisect_left(self._marks.braces, start)
        return self._marks.braces[at] if at < len(self._marks.braces) else len(self._text)


def _parts(stmt: ast.Stmt) -> tuple[str | None, ast.Body | None]:
    """The docstring and the body of a statement that has one."""
    if isinstance(stmt, ast.BlockDef | ast.ArchDef | ast.VariantDef):
        return stmt.doc, stmt.body
    if isinstance(stmt, ast.If):
        return None, stmt.then
    if isinstance(stmt, ast.For | ast.Section):
        return None, stmt.body
    return None, None


def _docstring(text: str, margin: int) -> str:
    """A docstring as written in a body indented by `margin`."""
    pad = " " * margin
    lines = text.split("\n")
    if len(lines) == 1:
        return f'{pad}"""{text}{" " if text.endswith(QUOTE) else ""}"""'
    indented = [pad + line if line else "" for line in lines]
    hanging = all(line.startswith(" ") for line in lines[1:] if line)
    first = [pad + '"""', *indented] if hanging else [pad + '"""' + lines[0], *indented[1:]]
    return "\n".join([*first, pad + '"""'])


QUOTE = '"'
