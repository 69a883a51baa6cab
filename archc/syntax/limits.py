"""Bounds on source text. Beyond them text is refused before any costly or recursive work."""

from __future__ import annotations

MAX_SOURCE = 256 * 1024  # bytes of UTF-8
MAX_NESTING = 64  # brackets open at once
MAX_DEPTH = 128  # operators and brackets around a subexpression, which bounds the depth of the syntax tree
MAX_NAME = 64  # characters
MAX_INT = 2**53  # exclusive; exact as a float too. Shapes are bounded lower, where they are computed
MAX_FLOAT = 1e300
MAX_DIGITS = 400  # characters of a number
MAX_DIAGNOSTICS = 100
