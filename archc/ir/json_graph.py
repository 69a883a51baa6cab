"""Graph <-> JSON. What is read is validated, rebuilt op by op and verified; nothing in it is believed.

The schema is published at docs/graph.schema.json (`json_schema` makes it).
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from archc.diagnostics import NOWHERE, ArchError, Diagnostic, Source, Span
from archc.ir.graph import Graph, Node, Output, Scope
from archc.ir.verify import verify_graph
from archc.ops.base import Cost, OpError
from archc.ops.registry import registry

if TYPE_CHECKING:
    from archc.ir.json_schema import GraphModel, SpanModel

SCHEMA_VERSION = 1


def to_json(graph: Graph) -> dict[str, Any]:
    """A graph as JSON-ready data: lists for tuples, spans as [source, start, end] offsets in `sources`."""
    sources: dict[Source, int] = {}

    def span(value: Span | None) -> list[int] | None:
        if value is None:
            return None
        return [sources.setdefault(value.source, len(sources)), value.start, value.end]

    scopes = [
        {
            "parent": s.parent,
            "name": s.name,
            "kind": s.kind,
            "block": s.block,
            "arguments": _plain_items(s.arguments),
            "span": span(s.span),
        }
        for s in graph.scopes
    ]
    nodes = [
        {
            "id": n.id,
            "path": graph.path(n),
            "op": n.op.name,
            "arguments": _plain_items(n.op.arguments().items()),
            "inputs": list(n.inputs),
            "shape": list(n.shape),
            "cost": dataclasses.asdict(n.cost),
            "name": n.name,
            "scope": n.scope,
            "span": span(n.span),
            "train_only": n.train_only,
        }
        for n in graph.nodes
    ]
    return {
        "format": "archc graph",
        "version": SCHEMA_VERSION,
        "name": graph.name,
        "doc": graph.doc,
        "source_name": graph.source_name,
        "arguments": _plain_items(graph.arguments),
        "info": _plain_items(graph.info),
        "cost": dataclasses.asdict(graph.cost),
        "outputs": [dataclasses.asdict(o) for o in graph.outputs],
        "scopes": scopes,
        "nodes": nodes,
        "sources": [{"name": s.name, "text": s.text} for s in sources],
    }


def to_json_text(graph: Graph) -> str:
    """`to_json` as text with a line per scope and node, which people and diffs can read."""

    def text(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    fields = []
    for name, value in to_json(graph).items():
        lines = ",\n  ".join(map(text, value)) if isinstance(value, list) else ""
        fields.append(f"{text(name)}: " + (f"[\n  {lines}\n ]" if lines else text(value)))
    return "{\n " + ",\n ".join(fields) + "\n}\n"


def from_json(data: Any) -> Graph:
    """The graph that `to_json` wrote; raises ArchError E0801 for data that do not fit the schema, E0802 for
    unknown ops, an op's own code where it refuses its arguments, and what `verify_graph` raises."""
    from pydantic import ValidationError

    from archc.ir.json_schema import GraphModel

    try:
        model = GraphModel.model_validate(data)
    except ValidationError as error:
        raise ArchError(
            _wrong("E0801", f"graph JSON: {'.'.join(map(str, e['loc'][:6])) or 'document'}: {e['msg']}")
            for e in error.errors(include_url=False, include_input=False)[:20]
        ) from None
    graph = _rebuild(model)
    verify_graph(graph)
    for given, node in zip(model.nodes, graph.nodes, strict=True):
        if given.path != graph.path(node):
            raise ArchError(
                [_wrong("E0803", f"node {node.id}: path {given.path!r} is not {graph.path(node)!r}")]
            )
    if model.cost.model_dump() != dataclasses.asdict(graph.cost):
        raise ArchError([_wrong("E0803", "the total cost is not the sum of the nodes'")])
    return graph


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `to_json`'s result."""
    from archc.ir.json_schema import GraphModel

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **GraphModel.model_json_schema()}


def _rebuild(model: GraphModel) -> Graph:
    sources = [Source(s.name, s.text) for s in model.sources]

    def span(value: SpanModel | None) -> Span | None:
        if value is None:
            return None
        index, start, end = value
        if index >= len(sources) or not start <= end <= len(sources[index].text):
            raise ArchError([_wrong("E0803", f"span {list(value)} lies outside its source")])
        return Span(sources[index], start, end)

    nodes = []
    for i, n in enumerate(model.nodes):
        op = registry().get(n.op)
        if op is None:
            raise ArchError([_wrong("E0802", f"node {i}: there is no op {n.op!r}")])
        try:
            made = op.make(**{name: _frozen(value) for name, value in n.arguments.items()})
        except OpError as error:
            raise ArchError([_wrong(error.code, f"node {i}: {error.message}")]) from None
        nodes.append(
            Node(
                n.id, made, tuple(n.inputs), tuple(n.shape), Cost(**n.cost.model_dump()), n.name, n.scope,
                span(n.span), n.train_only,
            )
        )  # fmt: skip
    return Graph(
        name=model.name,
        nodes=tuple(nodes),
        outputs=tuple(Output(o.name, o.node, o.train_only) for o in model.outputs),
        scopes=tuple(
            Scope(s.parent, s.name, s.kind, s.block, _items(s.arguments), span(s.span)) for s in model.scopes
        ),
        doc=model.doc,
        source_name=model.source_name,
        arguments=_items(model.arguments),
        info=_items(model.info),
    )


def _plain_items(items: Any) -> dict[str, Any]:
    return {name: _plain(value) for name, value in items}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _items(values: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, _frozen(value)) for name, value in values.items())


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _wrong(code: str, message: str) -> Diagnostic:
    return Diagnostic(code, message, NOWHERE)
