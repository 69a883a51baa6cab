"""Text to syntax tree and back."""

from archc.syntax.parse import parse, parse_expression, source_from_bytes

__all__ = ["parse", "parse_expression", "source_from_bytes"]
