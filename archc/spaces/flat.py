"""A graph as a spec of its own: one line an op, no blocks, no imports."""

from __future__ import annotations

import re

from archc.diagnostics import Source
from archc.ir import Graph, Node
from archc.ops.params import parameter_table
from archc.spaces.literal import literal
from archc.syntax.format import format_source


def flat_text(graph: Graph, name: str, doc: str = "", tail: tuple[str, ...] = ()) -> str:
    """The spec, in canonical form. `tail`: further statements, such as `expect`s.

    Figures and results are those of the graph; its sections are gone.
    """
    names = _names(graph)
    lines = [f'"""{doc}"""'] if doc else []
    lines += [f"arch {name}() {{"]
    several = len(graph.inputs) > 1
    for node in graph.inputs:
        label = f"{names[node.id]}: " if several or names[node.id] != "x" else ""
        lines.append(f"  input {label}{' x '.join(map(str, node.shape))}")
    lines += [f"  info {key} = {literal(value)}" for key, value in graph.info]
    lines += [f"  {names[n.id]} = {_call(n, names)}" for n in graph.nodes if n.op.kind != "input"]
    mains = [o for o in graph.outputs if re.fullmatch(r"out\d*", o.name)]
    lines += [
        f"  output {'train_only ' if o.train_only else ''}{o.name} = {names[o.node]}"
        for o in graph.outputs
        if o not in mains
    ]
    lines += [f"  {statement}" for statement in tail]
    returned = ", ".join(names[o.node] for o in mains)
    lines += [f"  return {returned if len(mains) == 1 else f'({returned})'}", "}"]
    return format_source(Source(name, "\n".join(lines) + "\n"))


def _call(node: Node, names: dict[int, str]) -> str:
    tensors = [names[i] for i in node.inputs]
    many = len(node.op.tensors) == 1 and node.op.tensors[0].many
    parts = [f"[{', '.join(tensors)}]"] if many else tensors
    arguments = node.op.arguments()
    if (
        node.op.name == "drop_path"
    ):  # its rate follows from its place among stages, of which there are none here
        arguments |= {"rate": getattr(node.op, "effective_rate", arguments["rate"]), "schedule": "const"}
    for parameter in parameter_table(type(node.op)).values():
        value = arguments[parameter.name]
        if not parameter.hidden and value != parameter.default:
            parts.append(f"{parameter.name} = {literal(value)}")
    return f"{node.op.name}({', '.join(parts)})"


def _names(graph: Graph) -> dict[int, str]:
    """A variable for each node, after its path: `s1_0_conv1`."""
    found: dict[int, str] = {}
    taken: set[str] = set()
    for node in graph.nodes:
        name = graph.path(node).replace(".", "_")
        if node.op.kind != "input" and ("_" not in name or len(name) > 60):
            name = f"{node.op.name}_{node.id}"
        while name in taken:
            name += "_"
        taken.add(name)
        found[node.id] = name
    return found
