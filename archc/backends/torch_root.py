"""What only the class of the whole network has: its docstring, features and checkpointing."""

from __future__ import annotations

from textwrap import wrap

from archc.backends.torch_format import WIDTH
from archc.backends.torch_names import prose
from archc.backends.torch_plan import Item, ScopePlan
from archc.ir import Graph
from archc.ops.torch_code import Literal_

Features = tuple[tuple[str, int, tuple[tuple[str, Literal_], ...]], ...]
"""Of every section that makes a feature map: its name, the node of its output, its row of `feature_info`."""


def heading(graph: Graph) -> str:
    """The module docstring, without quotes: what the network is, where it came from, what it costs."""
    sizes = " and ".join(" × ".join(map(str, n.shape)) for n in graph.inputs)
    source = f" from {graph.source_name}" if graph.source_name else ""
    facts = f"{graph.cost.params:,} parameters, {graph.cost.macs:,} multiply-adds an example of {sizes}."
    info = "; ".join(f"{key}: {value}" for key, value in graph.info)
    about = "\n".join([f"`{graph.name}`{source}, compiled by archc.", facts, *([info] if info else [])])
    lines = prose(f"{graph.doc.strip()}\n\n{about}").split("\n")
    # three less for the quotes before the first line
    return (
        "\n".join(
            "\n".join(wrap(line, WIDTH - 3, break_on_hyphens=False, break_long_words=False)) for line in lines
        )
        + "\n"
    )


def features(graph: Graph, root: ScopePlan) -> Features:
    """The stem's and stages' outputs that are feature maps, in order; stride is that from the first input, below 1 where
    a map is larger."""
    found = []
    size = graph.inputs[0].shape if graph.inputs else ()
    last: dict[int, int] = {}
    for node in graph.nodes:
        section = graph.section_of(node)
        if not node.train_only and node.op.kind != "input" and section:
            last[section] = node.id
    made = {value for item in root.items for value in item.outputs}
    for section, value in last.items():
        name, shape = graph.scopes[section].name, graph.nodes[value].shape
        if name == "head" or len(shape) != 3 or len(size) != 3 or value not in made:
            continue
        stride = size[1] / shape[1]
        row = (("name", name), ("channels", shape[0]), ("stride", stride if stride < 1 else round(stride)))
        found.append((name, value, row))
    return tuple(found)


def is_section(item: Item) -> bool:
    """Whether the item calls a section that is a module, which checkpointing can wrap."""
    return item.child is not None and item.child.scope.kind == "section"


def has_sections(root: ScopePlan) -> bool:
    return any(is_section(item) for item in root.items)


def methods(root: ScopePlan, in_parts: bool) -> list[str]:
    """The helper that calls a section, for networks that have any. in_parts: over a few images at a time, perhaps."""
    if not has_sections(root):
        return []
    last = "self.in_parts(section, module, *inputs)" if in_parts else "module(*inputs)"
    many = any(is_section(item) and len(item.outputs) > 1 for item in root.items)
    result = "Tensor | tuple[Tensor, ...]" if many else "Tensor"
    return f'''
    def _run(self, section: str, *inputs: Tensor) -> {result}:
        """Call a section. `checkpoint` (True, or names) makes training recompute it, not store it.

        Recomputing moves the running statistics of batch normalisation a second time.
        """
        module = getattr(self, section)
        if self.training and (self.checkpoint is True or self.checkpoint and section in self.checkpoint):
            return checkpoint(module, *inputs, use_reentrant=False)
        return {last}'''.split("\n")
