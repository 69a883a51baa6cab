"""The primitives. Every module of this package that defines ops is imported, and found, by `registry`."""
