"""What must hold of every graph, whoever made it."""

from __future__ import annotations

from collections.abc import Iterator

from archc.diagnostics import NOWHERE, ArchError, Diagnostic
from archc.ir.graph import Graph
from archc.ops.base import OpError

MAX_SCOPES = 256
"""Scopes within each other: more than twice as many as calls nest in a spec."""


def verify_graph(graph: Graph) -> None:
    """Raises ArchError (E0803) listing every broken invariant of a graph:

    scopes form a tree with the arch as root, at most MAX_SCOPES deep; ids count up and inputs precede their users; each
    op's own rules give the node's shape and cost; paths are unique; outputs exist, have distinct names, and the
    first is not train-only; exactly the nodes that reach only train-only outputs are train-only.
    """
    found = list(_scope_faults(graph))
    if not found:
        found = list(_wiring_faults(graph))
    if not found:
        found = [*_op_faults(graph), *_output_faults(graph), *_path_faults(graph)]
    if found:
        raise ArchError(Diagnostic("E0803", f"graph {graph.name}: {text}", NOWHERE) for text in found[:20])


def _scope_faults(graph: Graph) -> Iterator[str]:
    if not graph.scopes or graph.scopes[0].kind != "arch" or graph.scopes[0].parent != -1:
        yield "the first scope must be the arch"
        return
    depths = [1]
    for i, scope in enumerate(graph.scopes[1:], 1):
        depths.append(depths[scope.parent] + 1 if 0 <= scope.parent < i else 1)
        if depths[i] == MAX_SCOPES + 1:
            yield f"scope {i} ({scope.name}): more than {MAX_SCOPES} scopes lie within each other"
        if not 0 <= scope.parent < i:
            yield f"scope {i} ({scope.name}): its parent {scope.parent} does not precede it"
        elif scope.kind == "arch":
            yield f"scope {i} ({scope.name}): only the first scope is an arch"
        elif scope.kind == "repeat" and graph.scopes[scope.parent].kind != "section":
            yield f"scope {i} ({scope.name}): a repeat must lie in a section"


def _wiring_faults(graph: Graph) -> Iterator[str]:
    for i, node in enumerate(graph.nodes):
        if node.id != i:
            yield f"node {i} has the id {node.id}"
        if not 0 <= node.scope < len(graph.scopes):
            yield f"node {i}: there is no scope {node.scope}"
        for source in node.inputs:
            if not 0 <= source < i:
                yield f"node {i}: its input {source} does not precede it"
    if not graph.outputs:
        yield "there is no output"
    for output in graph.outputs:
        if not 0 <= output.node < len(graph.nodes):
            yield f"output {output.name}: there is no node {output.node}"


def _op_faults(graph: Graph) -> Iterator[str]:
    for node in graph.nodes:
        shapes = tuple([graph.nodes[i].shape for i in node.inputs])
        wanted = len(node.op.tensors)
        many = any(t.many for t in node.op.tensors)
        if (len(shapes) < wanted) if many else (len(shapes) != wanted):
            yield f"node {node.id}: {node.op.name} takes {wanted} tensors, not {len(shapes)}"
            continue
        try:
            shape = node.op.shape(*shapes)
        except OpError as error:
            yield f"node {node.id}: {error.message}"
            continue
        if shape != node.shape:
            yield f"node {node.id}: {node.op.name} puts out {shape}, not {node.shape}"
        elif (cost := node.op.cost(shapes, shape)) != node.cost:
            yield f"node {node.id}: {node.op.name} costs {cost}, not {node.cost}"


def _output_faults(graph: Graph) -> Iterator[str]:
    names = [output.name for output in graph.outputs]
    if len(set(names)) < len(names):
        yield f"outputs share a name: {', '.join(names)}"
    if graph.outputs[0].train_only:
        yield "the main output is train-only"
    in_eval = {output.node for output in graph.outputs if not output.train_only}
    for node in reversed(graph.nodes):
        if node.id in in_eval:
            in_eval.update(node.inputs)
    for node in graph.nodes:
        expected = node.id not in in_eval and node.op.kind != "input"
        if node.train_only != expected:
            yield f"node {node.id}: train_only must be {expected}"


def _path_faults(graph: Graph) -> Iterator[str]:
    seen: dict[str, int] = {}
    for node in graph.nodes:
        path = graph.path(node)
        if path in seen:
            yield f"nodes {seen[path]} and {node.id} share the path {path}"
        seen[path] = node.id
