"""Graphviz: DOT to SVG, PNG or PDF."""

from __future__ import annotations

import shutil
import subprocess

from archc.backends.svg_file import finished
from archc.diagnostics import NOWHERE, ArchError, Diagnostic

TIMEOUT = 120  # seconds
PNG = {"dpi": "144", "bgcolor": "white"}  # pixels cannot suit themselves to a dark page
INSTALL = (
    "Debian, Ubuntu: sudo apt install graphviz; macOS: brew install graphviz",
    'or, without a system package: pip install "pygraphviz>=2.0.4"',
    "or write a .dot file and draw it elsewhere",
)


def run_dot(source: str, format_: str) -> bytes:
    """A drawing in `format_` (svg, png on white, pdf), by `dot` on PATH or else by pygraphviz.

    Raises ArchError E0701 where neither is there, E0702 where Graphviz fails or takes over two minutes.
    """
    program = shutil.which("dot")
    drawn = _run_program(program, source, format_) if program else _run_pygraphviz(source, format_)
    return finished(drawn.decode()).encode() if format_ == "svg" else drawn


def _run_program(program: str, source: str, format_: str) -> bytes:
    options = [f"-G{name}={value}" for name, value in PNG.items()] if format_ == "png" else []
    try:
        done = subprocess.run(
            [program, f"-T{format_}", *options],
            input=source.encode(),
            capture_output=True,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        raise _failed(f"Graphviz took longer than {TIMEOUT} s", "draw it at a coarser level") from None
    except OSError as error:
        raise _failed(f"Graphviz did not start: {error.strerror}", *INSTALL) from error
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise _failed(f"Graphviz failed: {reason}", "draw it at a coarser level, or write a .dot file")
    return done.stdout


def _run_pygraphviz(source: str, format_: str) -> bytes:
    try:
        from pygraphviz import AGraph
    except ImportError:  # its wheel also needs shared libraries that may be missing
        raise ArchError(
            [Diagnostic("E0701", "drawing needs Graphviz, which is not installed", NOWHERE, help=INSTALL)]
        ) from None
    try:
        graph = AGraph(string=source)
        if format_ == "png":
            graph.graph_attr.update(PNG)
        drawn: bytes = graph.draw(format=format_, prog="dot")
    except (ValueError, OSError) as error:  # its DotError is a ValueError
        raise _failed(
            f"Graphviz failed: {error}", "draw it at a coarser level, or write a .dot file"
        ) from error
    return drawn


def _failed(message: str, *help: str) -> ArchError:
    return ArchError([Diagnostic("E0702", message, NOWHERE, help=help)])
