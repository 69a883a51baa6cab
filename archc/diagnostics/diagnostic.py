"""A diagnostic is data; `render` turns it into text, `ArchError` carries it out of the library."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from archc.diagnostics.record import record
from archc.diagnostics.source import Span

Severity = Literal["error", "warning"]


@record
class Frame:
    """One step of the way to an error: `text` reads "called from bottleneck, first of 3, in stage s2"."""

    text: str
    span: Span | None = None


@record
class Diagnostic:
    """What is wrong, where, and what to do about it.

    code: `E0312` (errors) or `W0201` (warnings), each with a page for `archc explain`.
    label: the short text under the caret. notes: facts about how it came to this.
    help: what would repair it. frames: innermost first.
    """

    code: str
    message: str
    span: Span
    label: str = ""
    help: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()

    @property
    def severity(self) -> Severity:
        return "warning" if self.code.startswith("W") else "error"

    def to_dict(self) -> dict[str, Any]:
        """The JSON form editors and CI read (`archc check --format json`)."""
        line, column = self.span.source.position(self.span.start)
        end_line, end_column = self.span.source.position(self.span.end)
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "label": self.label,
            "file": self.span.source.name,
            "line": line,
            "column": column,
            "end_line": end_line,
            "end_column": end_column,
            "help": list(self.help),
            "notes": list(self.notes),
            "frames": [frame.text for frame in self.frames],
        }


class ArchError(Exception):
    """The one exception the library raises: a non-empty list of diagnostics, at least one an error."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        from archc.diagnostics.render import render

        return "\n\n".join(render(d) for d in self.diagnostics)
