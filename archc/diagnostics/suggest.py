"""Spelling suggestions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def nearest(word: str, candidates: Iterable[str], likeness: float = 0.6) -> str | None:
    """The candidate most like `word`, or None where none is as close as `likeness`, from 0 to 1, asks."""
    from difflib import get_close_matches

    names = sorted(set(candidates))
    plain = {_plain(name): name for name in reversed(names)}  # ReLU is relu, MaxPool is max_pool
    if _plain(word) in plain:
        return plain[_plain(word)]
    found = get_close_matches(word, names, n=1, cutoff=likeness) or get_close_matches(
        _plain(word), plain, n=1, cutoff=likeness
    )
    if found:
        return plain.get(found[0], found[0])
    prefixed = [n for n in names if len(word) >= 3 and (n.startswith(word) or word.startswith(n))]
    return prefixed[0] if prefixed else None


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def did_you_mean(word: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """A `help` tuple holding one suggestion, or an empty one."""
    found = nearest(word, candidates)
    return (f"did you mean `{found}`?",) if found else ()


def listed(names: Sequence[str]) -> str:
    """``a`, `b` and `c``."""
    quoted = [f"`{name}`" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
