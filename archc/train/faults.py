"""What is wrong with the data a user gives; imported without torch."""

from __future__ import annotations


class DataError(Exception):
    """Data cannot be read, or does not fit the network; the message says which and what to do."""
