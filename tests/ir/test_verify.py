"""Every invariant of a graph is checked: break one, and it is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from archc.diagnostics import ArchError
from archc.ir.graph import Graph, Output, Scope
from archc.ir.verify import verify_graph
from archc.ops.base import Cost
from tests.graphs import resnet, unet


def _node(graph: Graph, index: int, **changes: object) -> Graph:
    nodes = list(graph.nodes)
    nodes[index] = replace(nodes[index], **changes)  # type: ignore[arg-type]  # field names are the caller's
    return replace(graph, nodes=tuple(nodes))


def _scope(graph: Graph, index: int, scope: Scope) -> Graph:
    scopes = list(graph.scopes)
    scopes[index] = scope
    return replace(graph, scopes=tuple(scopes))


def _tower(graph: Graph) -> range:
    """The parents of 3,000 scopes, each within the one before."""
    return range(len(graph.scopes) - 1, len(graph.scopes) + 2_999)


BROKEN: dict[str, tuple[str, Callable[[Graph], Graph]]] = {
    "id out of order": ("node 1 has the id 7", lambda g: _node(g, 1, id=7)),
    "input follows": ("node 2: its input 5 does not precede", lambda g: _node(g, 2, inputs=(5,))),
    "input is itself": ("node 2: its input 2", lambda g: _node(g, 2, inputs=(2,))),
    "no such scope": ("node 2: there is no scope 999", lambda g: _node(g, 2, scope=999)),
    "too many inputs": ("takes 1 tensors, not 2", lambda g: _node(g, 2, inputs=(0, 1))),
    "wrong shape": ("puts out", lambda g: _node(g, 1, shape=(16, 1, 1))),
    "wrong cost": ("costs", lambda g: _node(g, 1, cost=Cost())),
    "shared path": ("share the path stem.batch_norm1", lambda g: _node(g, 1, name="batch_norm1")),
    "false train_only": ("node 1: train_only must be False", lambda g: _node(g, 1, train_only=True)),
    "no outputs": ("there is no output", lambda g: replace(g, outputs=())),
    "output of no node": (
        "output y: there is no node 999",
        lambda g: replace(g, outputs=(Output("y", 999),)),
    ),
    "outputs of one name": (
        "outputs share a name",
        lambda g: replace(g, outputs=(*g.outputs, Output("output", 3))),
    ),
    "main output is train-only": (
        "the main output is train-only",
        lambda g: replace(g, outputs=tuple(reversed(g.outputs))),
    ),
    "root is no arch": ("the first scope must be the arch", lambda g: _scope(g, 0, Scope(-1, "x", "block"))),
    "two roots": ("only the first scope is an arch", lambda g: _scope(g, 1, Scope(0, "stem", "arch"))),
    "parent follows": ("its parent 5 does not precede", lambda g: _scope(g, 1, Scope(5, "stem", "section"))),
    "a tower of scopes": (
        "more than 256 scopes lie within each other",
        lambda g: replace(g, scopes=(*g.scopes, *(Scope(i, "a", "block") for i in _tower(g)))),
    ),
    "repeat outside a section": (
        "a repeat must lie in a section",
        lambda g: _scope(g, 1, Scope(0, "stem", "repeat")),
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_graphs_are_named(case: str) -> None:
    words, change = BROKEN[case]
    with pytest.raises(ArchError) as caught:
        verify_graph(change(resnet()))
    assert {d.code for d in caught.value.diagnostics} == {"E0803"}
    assert any(words in d.message for d in caught.value.diagnostics), str(caught.value)


def test_sound_graphs_pass() -> None:
    verify_graph(resnet())
    verify_graph(unet())
