"""Every shipped spec checks without a diagnostic: syntax, names, shapes and every `expect`."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import archc
from archc.diagnostics import render
from archc.elaborate import library, library_names
from archc.syntax.format import format_source
from archc.syntax.parse import source_from_bytes

ROOT = library().root
FILES = sorted(ROOT.rglob("*.arch"))
COUNTS = Path(__file__).parents[1] / "data" / "counts.csv"


def test_there_are_specs() -> None:
    assert len(FILES) >= 30


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_spec_holds(path: Path) -> None:
    assert [render(d) for d in archc.check(str(path))] == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_spec_is_formatted(path: Path) -> None:
    source = source_from_bytes(str(path), path.read_bytes())
    assert format_source(source) == source.text


def test_every_network_of_a_family_states_its_figures() -> None:
    """A network without an `expect` proves nothing."""
    from archc.elaborate.arch import elaborate
    from archc.elaborate.definition import definition
    from archc.syntax import ast

    silent = []
    for name, path in library().names().items():
        if path.is_relative_to(ROOT / "spaces"):
            continue
        module = library().shipped(path)
        target = definition(module, name)
        if not target.variants and any(p.default is None for p in target.arch.params):
            continue
        variants = [d for d in module.declarations.values() if isinstance(d, ast.VariantDef)]
        if not target.variants and any(
            isinstance(v.base.function, ast.Name) and v.base.function.id == name for v in variants
        ):
            continue
        if not elaborate(target).claims:
            silent.append(name)
    assert silent == []


def _rows() -> list[dict[str, str]]:
    with COUNTS.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", _rows(), ids=lambda r: r["name"])
def test_published_counts(row: dict[str, str]) -> None:
    """params, MACs and activations of every reference network, to the unit."""
    name, _, mode = row["name"].partition("@")
    name, _, aux = name.removeprefix("dm_").partition("+")
    size = tuple(int(d) for d in row["input"].split("x"))
    graph = archc.load(name, input=(size[0], size[1], size[2]))
    params = graph.cost.params + (graph.train_only_cost.params if aux else 0)
    assert (params, graph.cost.macs, graph.cost.activations) == (
        int(row["params"]),
        int(row["macs"]),
        int(row["activations"]),
    )
    if mode != "test":
        assert archc.load(name).inputs[0].shape == size


def test_reference_table_is_whole() -> None:
    assert len(_rows()) == 118
    assert {r["name"].partition("@")[0].partition("+")[0].removeprefix("dm_") for r in _rows()} <= set(
        library_names()
    )
