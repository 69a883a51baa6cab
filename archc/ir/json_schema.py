"""The schema of graph JSON, as pydantic models. Imported only to read or to publish; pydantic is slow to load."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, Strict

MAX_NODES = 20_000
MAX_TEXT = 256 * 1024

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
ScopeName = Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]{0,63}|[0-9]{1,6})?$")]
Index = Annotated[int, Field(ge=0, lt=2**31)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1, lt=2**31)]
SpanModel = Annotated[
    tuple[Index, Index, Index],
    Strict(False),  # JSON has no tuples
    Field(description="index into `sources`, start and end offset in characters"),
]
Text = Annotated[str, Field(max_length=MAX_TEXT)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CostModel(_Strict):
    """Cost of one example. macs: multiply-adds; flops: 2·macs plus the element-wise work; activations:
    output elements of convolutions; buffers: elements kept but not learned."""

    params: Count
    buffers: Count
    macs: Count
    flops: Count
    activations: Count


class OutputModel(_Strict):
    """A named result; `train_only` ones vanish in eval."""

    name: Name
    node: Index
    train_only: bool


class ScopeModel(_Strict):
    """A named region: the arch (the first), a section, one of its repeats, or a block call."""

    parent: Annotated[int, Field(ge=-1, lt=2**31, description="index into `scopes`; -1 for the first")]
    name: ScopeName
    kind: Literal["arch", "section", "repeat", "block"]
    block: Text
    arguments: dict[str, JsonValue]
    span: SpanModel | None


class NodeModel(_Strict):
    """A primitive applied to earlier nodes. Shapes leave out the batch."""

    id: Index
    path: Text
    op: Name
    arguments: dict[str, JsonValue]
    inputs: Annotated[list[Index], Field(max_length=65_536)]
    shape: Annotated[list[Size], Field(min_length=1, max_length=8)]
    cost: CostModel
    name: Name
    scope: Index
    span: SpanModel | None
    train_only: bool


class SourceModel(_Strict):
    """A spec the network was made from."""

    name: Text
    text: Text


class GraphModel(_Strict):
    """A network as archc writes it: nodes in creation order, the tree of scopes, outputs and costs."""

    format: Literal["archc graph"]
    version: Literal[1]
    name: Name
    doc: Text
    source_name: Text
    arguments: dict[str, JsonValue]
    info: dict[str, JsonValue]
    cost: CostModel
    outputs: Annotated[list[OutputModel], Field(min_length=1, max_length=MAX_NODES)]
    scopes: Annotated[list[ScopeModel], Field(min_length=1, max_length=2 * MAX_NODES)]
    nodes: Annotated[list[NodeModel], Field(min_length=1, max_length=MAX_NODES)]
    sources: Annotated[list[SourceModel], Field(max_length=64)]
