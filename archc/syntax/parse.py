"""Text to syntax tree: an LALR driver that reports every independent error and keeps what parsed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from archc.diagnostics import ArchError, Diagnostic, Source, Span
from archc.syntax import ast
from archc.syntax.build import Maker
from archc.syntax.build_statements import makers
from archc.syntax.errors import Errors, merged
from archc.syntax.explain import unexpected
from archc.syntax.layout import Laid, indentation, lay_out, too_deep
from archc.syntax.lexer import BAD, Tokens, lex
from archc.syntax.limits import MAX_SOURCE
from archc.syntax.tables import Production, Tables, load


def parse(source: Source) -> tuple[ast.File, list[Diagnostic]]:
    """The tree of a file and its syntax errors, in order of position; raises nothing.

    With errors the tree holds the statements that parsed, so that the others' errors of meaning can be
    found in the same run.
    """
    tree, diagnostics = _parse(source, "file")
    if not isinstance(tree, ast.File):
        tree = ast.File(None, (), span=Span(source, 0, len(source.text)))
    return tree, diagnostics


def parse_expression(text: str, name: str = "<expression>") -> ast.Expr:
    """One expression, such as the value of `-p key=value`. Raises ArchError."""
    tree, diagnostics = _parse(Source(name, text), "expression")
    if diagnostics:
        raise ArchError(diagnostics)
    assert isinstance(tree, ast.Expr)
    return tree


def source_from_bytes(name: str, data: bytes) -> Source:
    """The source of a file's bytes: UTF-8, a byte-order mark and CRLF accepted. Raises ArchError."""
    if len(data) > MAX_SOURCE:
        raise ArchError([_too_large(Source(name, ""), len(data))])
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        shown = before + data[error.start :].decode("latin-1")
        span = Span(Source(name, shown), len(before), len(before) + 1)
        raise ArchError(
            [
                Diagnostic(
                    "E0113",
                    f"the byte 0x{data[error.start]:02X} is not valid UTF-8",
                    span,
                    error.reason,
                    help=("save the file as UTF-8",),
                )
            ]
        ) from None
    return Source(name, text.removeprefix("\ufeff").replace("\r\n", "\n"))


def _too_large(source: Source, size: int) -> Diagnostic:
    return Diagnostic(
        "E0110",
        f"a source of {size} bytes is too large",
        Span(source, 0, 0),
        f"at most {MAX_SOURCE} bytes",
        help=(
            "split it into several files, and repeat with `for`, `variant` and blocks rather than by hand",
        ),
    )


def _parse(source: Source, start: str) -> tuple[Any, list[Diagnostic]]:
    size = len(source.text)
    if size <= MAX_SOURCE and not source.text.isascii():
        size = len(source.text.encode("utf-8", "surrogatepass"))
    if size > MAX_SOURCE:
        return None, [_too_large(source, size)]
    lexed = lex(source)
    deep = too_deep(lexed.tokens)
    if deep is not None:
        return None, merged(lexed.errors, Errors([deep]))
    laid = lay_out(lexed.tokens)
    parser = _Parser(laid, start)
    tree = parser.run()
    return tree, merged(lexed.errors, laid.errors, parser.errors)


class _Reduction(NamedTuple):
    """A production as the driver uses it; offsets count from the top of the stack."""

    origin: str
    length: int
    make: Maker | None
    through: int  # offset of the one child handed through, or 0
    plain: tuple[int, ...] | None  # offsets of the children, if none is a list to splice in or absent
    keep: tuple[int | None, ...]


@cache
def _reductions() -> tuple[_Reduction, ...]:
    return tuple(_reduction(rule) for rule in load().rules)


def _reduction(rule: Production) -> _Reduction:
    make = makers()[rule.make] if rule.make is not None else None
    plain = tuple(at - rule.length for at in rule.keep if at is not None and at >= 0)
    through = plain[0] if make is None and not rule.origin.startswith("_") else 0
    whole = len(plain) == len(rule.keep)
    return _Reduction(rule.origin, rule.length, make, through, plain if whole else None, rule.keep)


class _Parser:
    def __init__(self, laid: Laid, start: str) -> None:
        tables = load()
        self.errors = Errors()
        self._tables: Tables = tables
        self._laid = laid
        self._tokens: Tokens = laid.tokens
        self._start = start
        self._end = tables.terminals.index("$END")
        self._error = tables.terminals.index("ERROR")
        self._name = tables.terminals.index("NAME")
        self._newline = tables.terminals.index("_NL")
        self._colon, self._bracket_close = tables.literals[":"], tables.literals["}"]
        braces = (tables.literals["{"], tables.literals["}"])
        self._sync = frozenset((self._newline, *braces))
        self._states = [tables.starts[start]]
        self._values: list[Any] = []
        self._from: list[int] = []  # for each value the start and end of its text
        self._to: list[int] = []
        self._mark, self._mark_at = self._states.copy(), 0  # the states before a token, to replay from
        self._resumed = -1
        self._quiet = False  # after an error, until the next newline: further errors would be its echo

    def run(self) -> Any:
        """The value of the start rule, or None where nothing parsed."""
        tables, tokens = self._tables, self._tokens
        text, source = tokens.source.text, tokens.source
        actions, gotos = tables.actions, tables.gotos
        reductions = _reductions()
        report: Callable[[Diagnostic], None] = self.errors.offer
        states, values, from_, to = self._states, self._values, self._from, self._to
        kinds = [*tokens.kinds, self._end]
        starts = [*tokens.starts, len(text)]
        ends = [*tokens.ends, len(text)]
        final = tables.ends[self._start]
        newline, soft, name = self._newline, tables.soft, self._name
        i = 0
        while True:
            kind = kinds[i]
            row = actions[states[-1]]
            action = row.get(kind)
            if action is None and kind == name:
                action = row.get(soft.get(text[starts[i] : ends[i]], BAD))
            if action is None:
                resumed = self._recover(kinds, i)
                if resumed is None:
                    return None
                i = resumed
                continue
            if action >= 0:
                states.append(action)
                values.append(text[starts[i] : ends[i]])
                from_.append(starts[i])
                to.append(ends[i])
                if kind == newline:
                    self._quiet = False
                    self._mark, self._mark_at = states.copy(), i + 1
                i += 1
                continue
            origin, length, make, through, plain, keep = reductions[~action]
            if through:
                if length > 1:
                    values[-length:] = (values[through],)
                    from_[-length:] = (from_[-length],)
                    to[-length:] = (to[-1],)
                    del states[-length:]
                else:
                    del states[-1]
                states.append(gotos[states[-1]][origin])
                continue
            kids = _spliced(values, length, keep) if plain is None else [values[at] for at in plain]
            if length:
                begin, finish = from_[-length], to[-1]
                del states[-length:], values[-length:], from_[-length:], to[-length:]
            else:
                begin = finish = starts[i]
            values.append(kids if make is None else make(kids, Span(source, begin, finish), report))
            from_.append(begin)
            to.append(finish)
            state = gotos[states[-1]][origin]
            states.append(state)
            if state == final and len(states) == 2:
                return values[-1]

    def _recover(self, kinds: list[int], i: int) -> int | None:
        """Reports the error at token i, replaces its statement by ERROR; the token to go on with."""
        known = kinds[i] == BAD or (i < len(kinds) - 1 and self._laid.reported[i])
        if not self._quiet and not known and self.errors.room():
            self.errors.add(unexpected(self._tables, self._tokens, self._replay(i), i))
        self._quiet = True
        if i == self._resumed:
            i += 1  # recovery stopped here before and could not go on
        actions, states = self._tables.actions, self._states
        depth = len(states) - 1
        while depth >= 0 and self._error not in actions[states[depth]]:
            depth -= 1
        if depth < 0 or i == len(kinds):
            return None
        begin = self._to[depth - 1] if depth else 0
        del states[depth + 1 :], self._values[depth:], self._from[depth:], self._to[depth:]
        states.append(actions[states[-1]][self._error])
        self._values.append(None)
        self._from.append(begin)
        self._to.append(begin)
        inside = self._laid.inside
        while i < len(kinds) - 1 and (inside[i] or kinds[i] not in self._sync):
            i += 1
        if kinds[i] == self._newline and kinds[i - 1] == self._colon:
            i = self._after_suite(kinds, i)
        self._resumed = i
        self._mark, self._mark_at = states.copy(), i
        return i

    def _after_suite(self, kinds: list[int], i: int) -> int:
        """The newline after the indented lines that follow a broken line ending in `:`, as Python's suites do."""
        tokens = self._tokens
        margin = indentation(tokens, i - 1)
        rbrace = self._bracket_close
        while kinds[i] == self._newline and i + 1 < len(tokens.starts):
            if kinds[i + 1] == rbrace or indentation(tokens, i + 1) <= margin:
                break
            i += 1
            while i < len(kinds) - 1 and (self._laid.inside[i] or kinds[i] not in (self._newline, rbrace)):
                i += 1
        return i

    def _replay(self, i: int) -> list[int]:
        """The states just after token i - 1: the reductions made on seeing token i hide what could follow."""
        tables, tokens = self._tables, self._tokens
        states = self._mark
        for j in range(self._mark_at, i):
            while True:
                row = tables.actions[states[-1]]
                action = row.get(tokens.kinds[j])
                if action is None:
                    action = row[tables.soft[tokens.text(j)]]
                if action >= 0:
                    states.append(action)
                    break
                rule = tables.rules[~action]
                if rule.length:
                    del states[-rule.length :]
                states.append(tables.gotos[states[-1]][rule.origin])
        return states


def _spliced(values: list[Any], length: int, keep: tuple[int | None, ...]) -> list[Any]:
    """The arguments of a production of which some are lists to splice in, or absent."""
    kids: list[Any] | None = None
    for at in keep:
        if at is not None and at < 0:
            part = values[~at - length]
            if kids is None:
                kids = part  # the list grows in place, so that long lists take linear time
            else:
                kids += part
        else:
            kids = kids if kids is not None else []
            kids.append(None if at is None else values[at - length])
    return kids if kids is not None else []
