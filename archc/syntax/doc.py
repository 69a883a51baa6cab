"""A document of text with places to break lines, and its layout in a given width (after Wadler, Prettier)."""

from __future__ import annotations

from collections.abc import Iterable

from archc.diagnostics.record import record

INFINITE = 1 << 30


@record
class Line:
    """A place to break: `flat` is what stands there otherwise. A hard one always breaks."""

    flat: str = " "
    hard: bool = False


@record
class Remark:
    """A comment to the right: it goes to the end of the line it is met on, and takes no width."""

    text: str


@record
class Indent:
    by: int
    doc: Doc


@record
class Group:
    """Breaks all of its own lines or, where it fits and holds no hard one, none.

    chain: operands and operators, whose lines may only break where brackets are open around it.
    """

    doc: Doc
    hard: bool
    chain: bool = False


@record
class Fill:
    """Contents and separators by turns; each separator breaks only where the next content does not fit."""

    parts: tuple[Doc, ...]


@record
class IfBroken:
    """Text for a group that is broken, nothing in one that is not."""

    text: str


Doc = str | Line | Remark | Indent | Group | Fill | IfBroken | tuple["Doc", ...]

SPACE = Line(" ")
SOFT = Line("")
HARD = Line("", hard=True)


def group(*docs: Doc) -> Group:
    return Group(docs, any(has_hard(doc) for doc in docs))


def chain(*docs: Doc) -> Group:
    return Group(docs, any(has_hard(doc) for doc in docs), chain=True)


def indent(*docs: Doc, by: int = 2) -> Indent:
    return Indent(by, docs)


def join(separator: Doc, docs: Iterable[Doc]) -> tuple[Doc, ...]:
    out: list[Doc] = []
    for doc in docs:
        if out:
            out.append(separator)
        out.append(doc)
    return tuple(out)


def has_hard(doc: Doc) -> bool:
    """Whether a hard line is within: the groups around it break too."""
    stack = [doc]
    while stack:
        at = stack.pop()
        if isinstance(at, tuple):
            stack.extend(at)
        elif isinstance(at, Indent):
            stack.append(at.doc)
        elif isinstance(at, Fill):
            stack.extend(at.parts)
        elif (isinstance(at, Group) and at.hard) or (isinstance(at, Line) and at.hard):
            return True
    return False


def needs_brackets(doc: Doc) -> bool:
    """Whether a line of the document may break outside the brackets it has itself."""
    stack = [doc]
    while stack:
        at = stack.pop()
        if isinstance(at, tuple):
            stack.extend(at)
        elif isinstance(at, Group) and at.chain:
            stack.append(at.doc)
        elif isinstance(at, Line):
            return True
    return False


@record
class _Rest:
    """What is left of a fill from part `at` on, which is a content."""

    parts: tuple[Doc, ...]
    at: int


_Item = tuple[int, bool, Doc | _Rest]  # indentation, whether flat, document


def layout(doc: Doc, width: int, at: int = 0) -> str:
    """The text of a document whose lines after the first are indented by `at`; no line ends in blanks."""
    out: list[str] = []
    remarks: list[str] = []
    column = at
    work: list[_Item] = [(at, False, doc)]
    while work:
        margin, flat, part = work.pop()
        if isinstance(part, str):
            out.append(part)
            column += len(part)
        elif isinstance(part, tuple):
            work.extend((margin, flat, child) for child in reversed(part))
        elif isinstance(part, Indent):
            work.append((margin + part.by, flat, part.doc))
        elif isinstance(part, Remark):
            remarks.append(part.text)
        elif isinstance(part, IfBroken):
            if not flat:
                out.append(part.text)
                column += len(part.text)
        elif isinstance(part, Group):
            fits = flat or (not part.hard and _fits((margin, True, part.doc), work, width - column))
            work.append((margin, fits, part.doc))
        elif isinstance(part, Fill):
            work.append((margin, flat, _Rest(part.parts, 0)))
        elif isinstance(part, _Rest):
            work.extend(_filled(part, margin, flat, width - column))
        elif flat and not part.hard:
            out.append(part.flat)
            column += len(part.flat)
        else:
            _end_line(out, remarks)
            out.append("\n" + " " * margin)
            column = margin
    _end_line(out, remarks)
    return "".join(out)


def _end_line(out: list[str], remarks: list[str]) -> None:
    while out and not out[-1].strip(" "):
        out.pop()
    if out:
        out[-1] = out[-1].rstrip(" ")
    out.extend("  " + remark for remark in remarks)
    remarks.clear()


def _filled(rest: _Rest, margin: int, flat: bool, room: int) -> list[_Item]:
    """The next content and separator of a fill; the separator breaks unless the content after it fits."""
    parts, at = rest.parts, rest.at
    content = parts[at]
    if at + 1 == len(parts):
        return [(margin, flat or _fits((margin, True, content), [], room), content)]
    separator = parts[at + 1]
    both = flat or _fits((margin, True, (content, separator, parts[at + 2])), [], room)
    alone = both or _fits((margin, True, content), [], room)
    return [(margin, flat, _Rest(parts, at + 2)), (margin, both, separator), (margin, alone, content)]


def _fits(item: _Item, rest: list[_Item], room: int) -> bool:
    """Whether the item, and what of `rest` stands on the same line after it, fits in `room` characters."""
    work = [item]
    left = len(rest)
    while room >= 0:
        if not work:
            if not left:
                return True
            left -= 1
            work.append(rest[left])
        margin, flat, part = work.pop()
        if isinstance(part, str):
            room -= len(part)
        elif isinstance(part, tuple):
            work.extend((margin, flat, child) for child in reversed(part))
        elif isinstance(part, Indent):
            work.append((margin, flat, part.doc))
        elif isinstance(part, Group):
            if part.hard and flat:
                return False
            work.append((margin, flat, part.doc))
        elif isinstance(part, Fill):
            work.append((margin, flat, _Rest(part.parts, 0)))
        elif isinstance(part, _Rest):
            if part.at + 1 < len(part.parts):
                work.append((margin, flat, _Rest(part.parts, part.at + 2)))
                work.append((margin, flat, part.parts[part.at + 1]))
            work.append((margin, flat, part.parts[part.at]))
        elif isinstance(part, IfBroken):
            room -= 0 if flat else len(part.text)
        elif isinstance(part, Line):
            if part.hard or not flat:
                return True
            room -= len(part.flat)
    return False
