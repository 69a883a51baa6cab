"""Graph JSON: what is written reads back, and nothing else does."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archc.diagnostics import ArchError
from archc.ir.json_graph import from_json, json_schema, to_json, to_json_text
from tests.graphs import resnet, unet

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "docs" / "graph.schema.json"


@pytest.mark.parametrize("make", [resnet, unet])
def test_round_trip(make: Callable[[], Any]) -> None:
    graph = make()
    text = to_json_text(graph)
    back = from_json(json.loads(text))
    assert to_json_text(back) == text
    assert back.cost == graph.cost
    assert [n.op for n in back.nodes] == [n.op for n in graph.nodes]
    assert [s.arguments for s in back.scopes] == [s.arguments for s in graph.scopes]
    assert [repr(s) for s in back.origin(back.nodes[-1])] == [repr(s) for s in graph.origin(graph.nodes[-1])]


def test_text_is_the_same_data_a_line_per_node() -> None:
    graph = resnet()
    text = to_json_text(graph)
    assert json.loads(text) == json.loads(json.dumps(to_json(graph)))
    assert text.count("\n") < len(graph.nodes) + len(graph.scopes) + 40


def test_published_schema_is_current() -> None:
    """Renew with `python -m tests.ir.publish_schema`."""
    assert json.loads(SCHEMA.read_text()) == json_schema()


def _set(*path: Any) -> Callable[[Any], None]:
    *way, last, value = path

    def change(data: Any) -> None:
        for step in way:
            data = data[step]
        data[last] = value

    return change


CONV = 1  # the first node after the input is a convolution in both graphs

BROKEN = {
    "unknown field": ("E0801", "extra", _set("extra", 1)),
    "wrong version": ("E0801", "version", _set("version", 99)),
    "bad name": ("E0801", "name", _set("name", "../../etc")),
    "bool for int": ("E0801", "nodes.1.id", _set("nodes", CONV, "id", True)),
    "deep nesting": ("E0801", "info", _set("info", "a", json.loads("[" * 400 + "]" * 400))),
    "unknown op": ("E0802", "no op 'system'", _set("nodes", CONV, "op", "system")),
    "unknown parameter": ("E0307", "no parameter `evil`", _set("nodes", CONV, "arguments", "evil", 1)),
    "Python's own parameter": ("E0307", "no parameter `cls`", _set("nodes", CONV, "arguments", "cls", 1)),
    "missing parameter": ("E0308", "`channels` is missing", _set("nodes", CONV, "arguments", {})),
    "bad argument": ("E0304", "channels", _set("nodes", CONV, "arguments", "channels", "many")),
    "span outside": ("E0803", "outside its source", _set("nodes", CONV, "span", [0, 0, 10**6])),
    "span of no source": ("E0803", "outside its source", _set("nodes", CONV, "span", [9, 0, 0])),
    "wrong path": ("E0803", "path 'elsewhere'", _set("nodes", CONV, "path", "elsewhere")),
    "wrong shape": ("E0803", "puts out", _set("nodes", CONV, "shape", [1, 2, 3])),
    "no dimensions": ("E0801", "nodes.0.shape", _set("nodes", 0, "shape", [])),
    "wrong cost": ("E0803", "costs", _set("nodes", CONV, "cost", "macs", 1)),
    "wrong total": ("E0803", "total cost", _set("cost", "params", 1)),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_documents_are_named(case: str) -> None:
    code, words, change = BROKEN[case]
    data = json.loads(to_json_text(resnet()))
    change(data)
    with pytest.raises(ArchError) as caught:
        from_json(data)
    first = caught.value.diagnostics[0]
    assert first.code == code
    assert words in first.message


def _places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(p for k, v in inner for p in _places(v, (*way, k)))]


DOCUMENT = json.loads(to_json_text(unet()))
PLACES = [place for place in _places(DOCUMENT) if place]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 70),
    st.sampled_from(
        [10**12, 2**31, 1.5, 1e308, "", "relu", "add", "../x", "\0", [], {}, [1, 1], {"a": [{}]}]
    ),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=3))
def test_only_arch_errors_escape(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    data = copy.deepcopy(DOCUMENT)
    for (*way, last), value in changes:
        inner = data
        try:
            for step in way:
                inner = inner[step]
            inner[last] = value
        except (TypeError, IndexError, KeyError):
            continue  # an earlier change removed the place
    try:
        graph = from_json(data)
    except ArchError as error:
        assert all(d.code.startswith("E") for d in error.diagnostics)
    else:
        assert from_json(json.loads(to_json_text(graph))).cost == graph.cost
