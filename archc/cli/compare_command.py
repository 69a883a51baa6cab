"""`archc compare`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from archc.analyses.figures import shape_text, short
from archc.cli.console import print_json, print_table
from archc.cli.count_command import cost_to_dict
from archc.cli.options import complete_spec, format_option, load_graph, parse_input

if TYPE_CHECKING:
    from archc.analyses.compare import SectionChange
    from archc.ir.graph import Graph

EPILOG = """\b
Examples:
  archc compare resnet50 resnext50_32x4d
  archc compare nfnet_f0 nfnet_f1 nfnet_f2 --input 3x224x224

\b
What changed is told against the first network, section by section."""


@click.command(epilog=EPILOG)
@click.argument("specs", metavar="SPEC SPEC…", nargs=-1, required=True, shell_complete=complete_spec)
@click.option(
    "--input", "input_", type=parse_input, metavar="CxHxW", help="Input size instead of the declared ones."
)
@format_option
def command(specs: tuple[str, ...], input_: tuple[int, ...] | None, format_: str) -> None:
    """Compare networks: their figures side by side, and what changed."""
    from archc.analyses.compare import compare

    if len(specs) < 2:
        raise click.UsageError("compare takes two networks or more")
    graphs = [load_graph(spec, (), input_, None) for spec in specs]
    changes = [compare(graphs[0], other) for other in graphs[1:]]
    if format_ == "json":
        print_json(
            {
                "networks": [figures_to_dict(g) for g in graphs],
                "changes": [[asdict(c) for c in found] for found in changes],
            }
        )
        return
    print_figures(graphs)
    for other, found in zip(graphs[1:], changes, strict=True):
        click.echo()
        print_changes(graphs[0], other, found)


def figures_to_dict(graph: Graph) -> dict[str, Any]:
    """Name, input and figures of a network."""
    return {"name": graph.name, "input": list(graph.inputs[0].shape), **cost_to_dict(graph.cost)}


def print_figures(graphs: list[Graph]) -> None:
    """A row per figure, a column per network; beside the others, their ratio to the first."""
    rows = [("input", *(shape_text(g.inputs[0].shape) for g in graphs))]
    for name, first in cost_to_dict(graphs[0].cost).items():
        values = [cost_to_dict(g.cost)[name] for g in graphs]
        cells = [f"{value:,}{_ratio(value, first) if i else ''}" for i, value in enumerate(values)]
        rows.append((name, *cells))
    rows.append(("nodes", *(f"{len(g.nodes):,}" for g in graphs)))
    print_table(("", *(g.name for g in graphs)), rows)


def print_changes(first: Graph, second: Graph, changes: tuple[SectionChange, ...]) -> None:
    """What changed from one network to another, a paragraph per changed section."""
    click.echo(f"{first.name} → {second.name}")
    same = [c.name for c in changes if c.same]
    for change in changes:
        if change.same:
            continue
        if change.first and change.second:
            whats = change.first if change.first == change.second else f"{change.first} → {change.second}"
        else:
            whats = f"{change.first or change.second}, only in {(first if change.first else second).name}"
        params = f"params {short(change.first_cost.params)} → {short(change.second_cost.params)}"
        macs = f"macs {short(change.first_cost.macs)} → {short(change.second_cost.macs)}"
        click.echo(f"  {change.name}: {whats}; {params}, {macs}")
        for text in change.changes:
            click.echo(f"    {text}")
    if same:
        click.echo(f"  the same: {', '.join(same)}")


def _ratio(value: int, first: int) -> str:
    return f" ({value / first:.2f}×)" if first and value != first else ""
