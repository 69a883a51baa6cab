"""The report of a one-shot search: its course, the shares it ended in, what it found, drawn, and its training."""

from __future__ import annotations

from typing import Any

from archc.backends.page import charts_page
from archc.ir import Graph
from archc.ops.choice import OPTION
from archc.search.oneshot.network import OneShot
from archc.search.oneshot.outcome import OneShotResult
from archc.search.report import PARTS, WEB, drawing
from archc.spaces.supernet import Supernet

SHOWN = ("eval_accuracy", "held_out", "params", "macs", "seconds")
"""Of the training's result."""


def report(
    net: OneShot, result: OneShotResult, graph: Graph, spec: str, trained: dict[str, Any], told: dict[str, Any], command: str
) -> str:  # fmt: skip
    """The page as HTML. told: how it was searched. The network is not drawn where Graphviz is missing."""
    data = {
        "command": command,
        "told": {
            **told,
            "steps of the supernet": result.steps,
            "seconds of search": round(result.seconds, 1),
        },
        "history": list(result.history),
        "choices": [
            {
                "path": path,
                "answers": answers(net.supernet, path, len(shares)),
                "shares": shares,
                "chosen": list(result.point[path]),
            }
            for path, shares in result.shares.items()
        ],
        "trained": {key: _rounded(trained[key]) for key in SHOWN if key in trained},
        "spec": spec,
        "svg": drawing(graph),
    }
    title = f"{told['space']}: a one-shot search"
    return charts_page(
        title, "Shares in bold are those that were taken.", WEB / "one_shot_report", data, PARTS
    )


def answers(found: Supernet, path: str, count: int) -> list[str]:
    """Names of the answers to a choice: ops by their blocks, tensors by their place; and `nothing`, where a mixture
    has that too."""
    graph = found.graph
    names: list[str] = []
    if path in found.edges:
        names = [f"input {i}" for i in sorted(found.edges[path])]
    else:
        nodes = graph.nodes[found.mixes[path][0]].inputs
        own = [_block(graph, node) for node in nodes]
        others = "identity" if any(own) else ""  # an op that adds no node of its own
        names = [name or others or f"state {i}" for i, name in enumerate(own)]
    return [*names, *["nothing"] * (count - len(names))]


def _block(graph: Graph, node: int) -> str:
    """The block or op that an answer is; empty for a tensor that is there without it."""
    line = list(graph.ancestors(graph.nodes[node].scope))
    option = next((i for i, s in enumerate(line) if graph.scopes[s].block == OPTION), None)
    if option is None:
        return ""
    inside = next((graph.scopes[s].block for s in reversed(line[:option]) if graph.scopes[s].block), "")
    return inside or graph.nodes[node].op.name


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
