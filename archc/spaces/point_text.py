"""Points as text: a JSON object, or one line for the `info` of a spec."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from archc.diagnostics import ArchError, Diagnostic, Source, Span
from archc.elaborate.values import is_op
from archc.spaces.literal import literal

Point = Mapping[str, Any]
"""Path -> answer: a number, string or bool for a parameter, a tuple of indices for a pick."""


class Written(dict[str, Any]):
    """A point that was read, with the text that messages point into."""

    source: Source | None = None


def plain(value: Any) -> Any:
    """A parameter's value as a point holds it: an op by its text."""
    return literal(value) if is_op(value) else value


def to_json(point: Point, indent: int | None = None) -> str:
    """The point as a JSON object; picks of one as a number."""
    plain_picks = {
        path: (answer[0] if len(answer) == 1 else list(answer)) if isinstance(answer, tuple) else answer
        for path, answer in point.items()
    }
    return json.dumps(plain_picks, indent=indent)


def from_json(text: str, parameters: Collection[str], name: str = "point.json") -> dict[str, Any]:
    """The point in a JSON object.

    parameters: whose answers are values, as those of picks are indices. name: of the file, for messages. Raises
    ArchError.
    """
    source = Source(name, text)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        at = min(getattr(error, "pos", 0), len(text))
        raise ArchError([
            Diagnostic("E0531", "this is not JSON", Span(source, at, at), "", ("a point is an object of paths and answers",))
        ]) from None  # fmt: skip
    if not isinstance(found, dict):
        raise ArchError([
            Diagnostic("E0531", "a point is an object", Span(source, 0, len(text)), "not an object",
                       ('paths and answers: `{"d": 16, "cell[0]": 3}`',))
        ])  # fmt: skip
    point = Written(
        (path, answer if path in parameters else _indices(answer)) for path, answer in found.items()
    )
    point.source = source
    return point


def _indices(answer: Any) -> Any:
    if type(answer) is int:
        return (answer,)
    return tuple(answer) if isinstance(answer, list) else answer


_NUMBERED = re.compile(r"(.*)\[(\d+)\]", re.DOTALL)
_BARE = re.compile(r"[\w.\[\]]+", re.ASCII)
_STRING = r'"(?:[^"\\]|\\.)*"'
_ENTRY = re.compile(rf"\s*({_STRING}|[\w.\[\]]+)\s*([:=])\s*({_STRING}|[^;]*?)\s*(?:;|$)", re.ASCII)
_SPAN = re.compile(r"(.*)\[(\d+)\.\.(\d+)\]", re.DOTALL)


def to_line(point: Point) -> str:
    """`d = 16; cell[0..3]: 3 0 1+4`: values behind `=`, indices behind `:`, those of picks in a row together."""
    parts: list[str | tuple[str, int, list[str]]] = []
    for path, answer in point.items():
        if not isinstance(answer, tuple):
            parts.append(f"{_path(path)} = {json.dumps(answer)}")
            continue
        picked = "+".join(map(str, answer))
        numbered = _NUMBERED.fullmatch(path)
        last = parts[-1] if parts else ""
        if numbered is None:
            parts.append(f"{_path(path)}: {picked}")
        elif isinstance(last, tuple) and (last[0], last[1] + len(last[2])) == (numbered[1], int(numbered[2])):
            last[2].append(picked)
        else:
            parts.append((numbered[1], int(numbered[2]), [picked]))
    return "; ".join(part if isinstance(part, str) else _run(*part) for part in parts)


def from_line(text: str) -> dict[str, Any]:
    """The point that `to_line` wrote; raises ValueError for other text."""
    point: dict[str, Any] = {}
    at = 0
    while at < len(text):
        entry = _ENTRY.match(text, at)
        if entry is None:
            raise ValueError(f"not a point: {text[at : at + 40]!r}")
        at = entry.end()
        path, separator, value = entry.groups()
        if separator == "=":
            point[_unquoted(path)] = _value(value)
            continue
        picks = [tuple(map(int, pick.split("+"))) for pick in value.split()]
        span = None if path.startswith('"') else _SPAN.fullmatch(path)
        first, stop = (0, 1) if span is None else (int(span[2]), int(span[3]))
        if len(picks) != stop - first:
            raise ValueError(f"{stop - first} choices at {path}, and answers to {len(picks)}")
        paths = [_unquoted(path)] if span is None else [f"{span[1]}[{i}]" for i in range(first, stop)]
        point.update(zip(paths, picks, strict=True))
    return point


def _value(text: str) -> Any:
    """A value behind `=`; raises ValueError."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("lists are nested too deep") from None


def _run(name: str, first: int, picks: list[str]) -> str:
    if len(picks) == 1:
        return f"{_path(f'{name}[{first}]')}: {picks[0]}"
    if not _BARE.fullmatch(name) or ".." in name:
        return "; ".join(f"{_path(f'{name}[{first + i}]')}: {pick}" for i, pick in enumerate(picks))
    return f"{name}[{first}..{first + len(picks)}]: {' '.join(picks)}"


def _path(path: str) -> str:
    return path if _BARE.fullmatch(path) and ".." not in path else json.dumps(path)


def _unquoted(path: str) -> str:
    return str(json.loads(path)) if path.startswith('"') else path
