"""Diagnostics as text, in the manner of rustc: what, where, how it came to it, what to do."""

from __future__ import annotations

import unicodedata

from archc.diagnostics.diagnostic import Diagnostic

MAX_LINE = 160  # longer source lines are shown as a window around the span


def render(diagnostic: Diagnostic) -> str:
    """One diagnostic as plain text, without colour and without a trailing newline."""
    source = diagnostic.span.source
    line, column = source.position(diagnostic.span.start)
    text, caret_at, caret_len = _window(diagnostic)
    number = str(line)
    pad = " " * len(number)
    out = [f"{diagnostic.severity}[{diagnostic.code}]: {_printable(diagnostic.message)}"]
    if not source.text:  # about a whole file, or none
        if not source.name.startswith("<"):
            out.append(f"{pad}--> {_printable(source.name)}")
    else:
        out.append(f"{pad}--> {_printable(source.name)}:{line}:{column}")
        carets = " " * caret_at + "^" * caret_len
        label = f" {_printable(diagnostic.label)}" if diagnostic.label else ""
        out += [f"{pad} |", f"{number} | {text}", f"{pad} | {carets}{label}"]
    for frame in diagnostic.frames:
        out.append(f"{pad} = {_printable(frame.text)}")
    for note in diagnostic.notes:
        out.append(f"{pad} = note: {_printable(note)}")
    for hint in diagnostic.help:
        out.append(f"{pad} = help: {_printable(hint)}")
    return "\n".join(out)


def _window(diagnostic: Diagnostic) -> tuple[str, int, int]:
    """The line shown, the column of the first caret in it and the number of carets."""
    span = diagnostic.span
    line, column = span.source.position(span.start)
    text = span.source.line(line)
    start = column - 1
    length = max(1, min(span.end - span.start, len(text) - start))
    if len(text) > MAX_LINE:
        left = max(0, start - 40)
        text = text[left : left + MAX_LINE]
        start -= left
        length = max(1, min(length, len(text) - start))
    shown = "".join(_cell(c) for c in text)
    before = sum(_width(_cell(c)) for c in text[:start])
    carets = sum(_width(_cell(c)) for c in text[start : start + length])
    return shown, before, max(1, carets)


def _cell(char: str) -> str:
    """One character as shown: tabs as spaces, control and bidirectional characters made visible."""
    if char == "\t":
        return "    "
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
        return f"<U+{ord(char):04X}>"
    return char


def _width(shown: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in shown)


def _printable(text: str) -> str:
    return "".join(c if c == "\n" else _cell(c) for c in text)
