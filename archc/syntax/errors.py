"""A list of diagnostics that stops describing errors once there are more than anybody reads."""

from __future__ import annotations

from dataclasses import field

from archc.diagnostics import Diagnostic
from archc.diagnostics.record import record
from archc.syntax.limits import MAX_DIAGNOSTICS


@record(frozen=False)
class Errors:
    shown: list[Diagnostic] = field(default_factory=list)
    unshown: int = 0

    def room(self) -> bool:
        """Whether to describe one more error; if not, it is counted only."""
        if len(self.shown) < MAX_DIAGNOSTICS:
            return True
        self.unshown += 1
        return False

    def offer(self, diagnostic: Diagnostic) -> None:
        """Takes one more error, or only counts it."""
        if self.room():
            self.add(diagnostic)

    def add(self, diagnostic: Diagnostic) -> None:
        self.shown.append(diagnostic)


def merged(*parts: Errors) -> list[Diagnostic]:
    """All errors in order of position, the first MAX_DIAGNOSTICS with a note of how many are left out."""
    ordered = sorted((d for part in parts for d in part.shown), key=lambda d: d.span.start)
    unshown = sum(part.unshown for part in parts) + len(ordered[MAX_DIAGNOSTICS:])
    if not unshown:
        return ordered
    ordered = ordered[:MAX_DIAGNOSTICS]
    message = f"{unshown} more syntax errors are not shown"
    return [*ordered, Diagnostic("E0114", message, ordered[-1].span, "the last one shown")]
