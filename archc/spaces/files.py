"""A population on disk: a spec for each sample, a table of them all, and how they were drawn."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from archc.spaces.sample import Population
from archc.spaces.space import Draw, Space
from archc.spaces.written import importable, is_local, written

LISTS = ("widths", "depths")
"""Columns that hold lists: of numbers in parquet, as `24 56 152 368` in CSV."""


def files(population: Population, *, expand: bool = False) -> Iterator[tuple[str, str | bytes]]:
    """File names and contents: `NAME.arch` for each draw, population.json, and the tables.

    expand: specs without blocks and imports. Raises ArchError.
    """
    space = Space(population.request)
    found = rows(population)
    for draw, line in zip(population.draws, found, strict=True):
        yield f"{line['name']}.arch", spec_text(space, draw, expand)
    local = _local_source(space)
    if local is not None and not expand:
        yield local
    yield "population.json", json.dumps(statistics(population), indent=2) + "\n"
    yield from tables(found)


def rows(population: Population) -> list[dict[str, Any]]:
    """The table of a population, a line for each draw."""
    space = Space(population.request)
    return [row(space, draw) for draw in population.draws]


def tables(rows: list[dict[str, Any]]) -> Iterator[tuple[str, str | bytes]]:
    """population.csv, and population.parquet given pyarrow."""
    yield "population.csv", csv_text(rows)
    if rows and find_spec("pyarrow") is not None:
        yield "population.parquet", parquet_bytes(rows)


TEXTS = ("name", "space", "hash", "status", "failure")


def row(space: Space, draw: Draw) -> dict[str, Any]:
    """The line of a draw in the table; its arguments after the figures, numbers as numbers."""
    return {
        "name": f"{space.name}_{draw.index:06}",
        "space": space.request.space,
        "seed": space.request.seed,
        "draw": draw.index,
        "params": draw.params,
        "macs": draw.macs,
        "activations": draw.activations,
        "widths": list(draw.widths),
        "depths": list(draw.depths),
        "hash": draw.digest,
        **{name: _plain(text) for name, text in draw.arguments},
    }


def spec_text(space: Space, draw: Draw, expand: bool = False) -> str:
    """A spec for one draw: a variant of the space, or flat where the arguments do not tell all."""
    request = space.request
    source = f"archc sample {Path(request.space).name} --seed {request.seed}"
    doc = f"Draw {draw.index} of {request.space}, seed {request.seed}."
    graph = partial(space.graph, draw.index)
    return written(space, draw, graph, row(space, draw)["name"], doc, source, expand=expand)


def statistics(population: Population) -> dict[str, Any]:
    """How a population was drawn, and what became of every draw."""
    request = population.request
    return {
        "space": request.space,
        "seed": request.seed,
        "requires": list(request.requires),
        "arguments": {
            name: value for name, value in request.arguments if isinstance(value, int | float | str)
        },
        "input": list(request.input) if request.input else None,
        "drawn": population.drawn,
        "accepted": len(population.draws),
        "acceptance": population.acceptance,
        "duplicates": population.duplicates,
        "rejected": dict(population.rejected),
    }


def csv_text(rows: list[dict[str, Any]]) -> str:
    """The table as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]) if rows else ["name"], lineterminator="\n")
    writer.writeheader()
    for line in rows:
        writer.writerow({k: " ".join(map(str, v)) if k in LISTS else v for k, v in line.items()})
    return out.getvalue()


def parquet_bytes(rows: list[dict[str, Any]]) -> bytes:
    """The table as parquet. Needs pyarrow."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue().to_pybytes())


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The table of a population: a directory, its population.csv or .parquet; numbers as numbers.

    Raises OSError, and ValueError where there is no table.
    """
    if path.is_dir():
        path = next((p for p in (path / "population.csv", path / "population.parquet") if p.is_file()), path)
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return found
    if path.suffix != ".csv":
        raise ValueError(f"{path} is no population: a directory of `archc sample`, or its .csv or .parquet")
    with path.open(newline="") as file:
        return [{k: _cell(k, v) for k, v in line.items()} for line in csv.DictReader(file)]


def _cell(column: str, text: str | None) -> Any:
    if column in LISTS:
        return [int(part) for part in (text or "").split()]
    return text if column in TEXTS else _plain(text or "")


def _plain(text: str) -> Any:
    if not text:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _local_source(space: Space) -> tuple[str, str] | None:
    """The user's own space, to stand beside the specs that import it."""
    if not is_local(space) or not importable(space):
        return None
    return Path(space.module.source.name).name, space.module.source.text
