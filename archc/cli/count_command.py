"""`archc count`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from archc.analyses.figures import shape_text, short
from archc.analyses.sections import sections
from archc.cli.console import print_json, print_table
from archc.cli.options import format_option, graph_options, load_graph, spec_argument

if TYPE_CHECKING:
    from archc.ir.graph import Graph
    from archc.ops.base import Cost

CONVENTIONS = ("archc", "torch", "fvcore", "thop", "ptflops", "torchinfo", "pycls", "nasbench201")

EPILOG = """\b
Examples:
  archc count resnet50
  archc count mynet.arch --input 3x32x32 -p classes=10
  archc count resnet50 --as fvcore --explain
  archc count resnet50 --format json

\b
One mac is one multiply-add; flops are 2 x macs plus the element-wise work; activations are the
outputs of convolutions. All are of one example, in eval mode."""


@click.command(epilog=EPILOG)
@spec_argument
@graph_options
@click.option(
    "--as",
    "convention",
    type=click.Choice(CONVENTIONS),
    help="Count as this tool does, for the same network.",
)
@click.option(
    "--by",
    type=click.Choice(["section", "block"]),
    default="section",
    show_default=True,
    help="What a row is.",
)
@click.option("--explain", is_flag=True, help="With --as: term by term, what the tool adds and misses.")
@click.option(
    "--written",
    "style",
    type=click.Choice(["emitted", "torchvision", "timm"]),
    help="With --as: whose implementation the tool is taken to look at.  [default: the network's own]",
)
@format_option
def command(
    spec: str,
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    sample: int | None,
    convention: str | None,
    by: str,
    explain: bool,
    style: str | None,
    format_: str,
) -> None:
    """Count parameters, MACs and activations, per section."""
    if convention is None and (explain or style):
        raise click.UsageError("--explain and --written go with --as TOOL")
    graph = load_graph(spec, params, input_, sample)
    if convention is not None:
        print_as(graph, convention, style, explain, format_)
    elif format_ == "json":
        print_json(count_to_dict(graph))
    elif by == "block":
        print_shares(graph)
    else:
        print_summary(graph)


def print_shares(graph: Graph) -> None:
    """A line per block type: how often it is called, and its share of parameters and multiply-adds."""
    from archc.analyses.shares import block_shares

    whole = graph.cost
    rows = [
        (
            share.block,
            f"{share.calls}" if share.calls else "",
            *(short(share.cost.params), f"{share.cost.params / max(whole.params, 1):.1%}"),
            *(short(share.cost.macs), f"{share.cost.macs / max(whole.macs, 1):.1%}"),
        )
        for share in block_shares(graph)
    ]
    print_table(("block", "calls", "params", "share", "macs", "share"), rows)
    click.echo("a block inside another counts for both; (ops) are in no block")


def print_as(graph: Graph, convention: str, style: str | None, explain: bool, format_: str) -> None:
    """A graph's total as another tool counts it, and with `explain` the terms that make the difference."""
    from archc.analyses.conventions import count_as

    counted = count_as(graph, convention, style)
    rules = counted.convention
    if format_ == "json":
        print_json(
            {
                "name": graph.name,
                "as": convention,
                "written": counted.style.name,
                "unit": rules.unit,
                "total": counted.total,
                "activations": counted.activations,
                "macs": graph.cost.macs,
                "terms": [asdict(term) for term in counted.terms],
            }
        )
        return
    difference = counted.total - graph.cost.macs
    share = f" ({difference / graph.cost.macs:+.2%})" if graph.cost.macs else ""
    click.echo(f"{graph.name}, {counted.style.about}: {convention} prints {counted.total:,} {rules.unit}")
    if counted.activations is not None:
        click.echo(f"and {counted.activations:,} activations, where archc has {graph.cost.activations:,}")
    click.echo(f"archc counts {graph.cost.macs:,} multiply-adds; the difference is {difference:+,}{share}")
    if not explain:
        return
    click.echo(f"{convention}: {rules.about} [{rules.source}]")
    rows: list[tuple[str, ...]] = [
        (t.op, t.written or "—", t.why, f"{t.nodes}", f"{t.archc:,}", f"{t.tool:,}", f"{t.tool - t.archc:+,}")
        for t in counted.terms
    ]
    total = ("total", "", "", f"{sum(t.nodes for t in counted.terms)}")
    rows += [(), (*total, f"{graph.cost.macs:,}", f"{counted.total:,}", f"{difference:+,}")]
    print_table(("op", "written as", "rule", "nodes", "archc", convention, "difference"), rows, left=3)


def count_to_dict(graph: Graph) -> dict[str, Any]:
    """The figures of a graph as `--format json` prints them."""
    return {
        "name": graph.name,
        "input": list(graph.inputs[0].shape),
        "outputs": {o.name: list(graph.nodes[o.node].shape) for o in graph.outputs if not o.train_only},
        **cost_to_dict(graph.cost),
        "train_only_params": graph.train_only_cost.params,
        "nodes": len(graph.nodes),
        "sections": [
            {
                "name": s.name,
                "block": s.block,
                "repeats": s.repeats,
                "output": list(s.shape),
                **cost_to_dict(s.cost),
                "train_only_params": s.train_only_cost.params,
            }
            for s in sections(graph)
        ],
    }


def cost_to_dict(cost: Cost) -> dict[str, int]:
    """A cost by the names of its fields."""
    return {
        "params": cost.params,
        "buffers": cost.buffers,
        "macs": cost.macs,
        "flops": cost.flops,
        "activations": cost.activations,
    }


def print_summary(graph: Graph) -> None:
    """The summary table: a line per section, then the totals to the unit."""

    def figures(cost: Cost) -> tuple[str, str, str]:
        return short(cost.params), short(cost.macs), short(cost.activations)

    rows: list[tuple[str, ...]] = [("input", "", shape_text(graph.inputs[0].shape), "", "", "")]
    rows += [
        (s.name, _applied(s.block, s.repeats), shape_text(s.shape), *figures(s.cost)) for s in sections(graph)
    ]
    output = graph.nodes[graph.outputs[0].node].shape
    rows += [(), ("total", "", shape_text(output), *figures(graph.cost))]
    click.echo(graph.name)
    print_table(("section", "block", "output", "params", "macs", "activations"), rows, left=3)
    cost = graph.cost
    click.echo(
        f"params {cost.params:,} · macs {cost.macs:,} · flops {cost.flops:,} · "
        f"activations {cost.activations:,} · buffers {cost.buffers:,}"
    )
    if graph.train_only_cost.params:
        click.echo(f"and {graph.train_only_cost.params:,} params in training only")


def _applied(block: str, repeats: int) -> str:
    return f"{repeats} × {block or 'op'}" if repeats > 1 else block
