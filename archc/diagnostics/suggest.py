"""Spelling suggestions."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `word`, or None where none is close enough to be meant."""
    from difflib import get_close_matches

    names = sorted(set(candidates))
    found = get_close_matches(word, names, n=1, cutoff=0.6)
    if found:
        return found[0]
    prefixed = [n for n in names if len(word) >= 3 and (n.startswith(word) or word.startswith(n))]
    return prefixed[0] if prefixed else None


def did_you_mean(word: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """A `help` tuple holding one suggestion, or an empty one."""
    found = nearest(word, candidates)
    return (f"did you mean `{found}`?",) if found else ()
