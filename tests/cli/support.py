"""What tests of commands share."""

from __future__ import annotations

from collections.abc import Callable

Run = Callable[..., tuple[int, str, str]]
"""Runs a command line: its exit code, stdout and stderr."""
