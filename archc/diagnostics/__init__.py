"""Sources, spans and diagnostics: the bottom layer, on which everything stands."""

from archc.diagnostics.diagnostic import ArchError, Diagnostic, Frame, Severity
from archc.diagnostics.render import render
from archc.diagnostics.source import NOWHERE, Source, Span
from archc.diagnostics.suggest import did_you_mean, listed, nearest

__all__ = [
    "NOWHERE",
    "ArchError",
    "Diagnostic",
    "Frame",
    "Severity",
    "Source",
    "Span",
    "did_you_mean",
    "listed",
    "nearest",
    "render",
]
