"""`archc why`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from archc.cli.console import print_json
from archc.cli.options import format_option, graph_options, load_graph, saved_network, spec_argument
from archc.cli.passes_options import passes_option, rewrite_with

if TYPE_CHECKING:
    from archc.ir.graph import Graph

EPILOG = """\b
Examples:
  archc why nfnet_f0 s3.0.conv2.groups
  archc why regnety_004 s2.0.bottleneck.conv2.channels
  archc why mynet.arch s1.0.width -p width=32
  archc why resnet50 s1.0.conv1 -O deploy

\b
With -O, PATH alone is enough: it prints what the passes did to the nodes there.

\b
PATH is a module's, as `archc draw` and the compiled network name it; ATTR is an argument of its op or block, or
channels, height, width, params, macs, flops or activations."""


MAX_VALUE = 60
"""Characters of a list's items that are shown."""


@click.command(epilog=EPILOG)
@spec_argument
@click.argument("path", metavar="PATH.ATTR")
@graph_options
@passes_option
@format_option
def command(
    spec: str,
    path: str,
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    sample: int | None,
    names: tuple[str, ...],
    format_: str,
) -> None:
    """Explain where a number of a network came from, or what passes did to a node."""
    if names:
        _passes(load_graph(spec, params, input_, sample), path, names, format_)
        return
    if saved_network(spec):
        raise click.UsageError(
            f"{spec} is a network that was made: give its spec, which says where numbers are from"
        )
    from archc.analyses.parameters import arch_definition
    from archc.analyses.provenance import NotFound, why

    graph = load_graph(spec, params, input_, sample)
    try:
        steps = why(graph, arch_definition(spec), path, dict(params))
    except ValueError as problem:
        raise click.ClickException(f"{problem}: open choices that were sampled cannot be traced") from None
    except NotFound as problem:
        raise click.ClickException("\n  = help: ".join((str(problem), *problem.help))) from None
    if format_ == "json":
        print_json(
            [
                {
                    "name": s.name, "value": s.value, "text": s.text, "rules": list(s.rules),
                    "at": repr(s.span) if s.span else None,
                }
                for s in steps
            ]
        )  # fmt: skip
        return
    first, *rest = steps
    click.echo(f"{first.name} = {_shown(first.value)}  ({first.text})")
    places = [repr(s.span) if s.span else "" for s in rest]
    width = max(map(len, places), default=0)
    for step, place in zip(rest, places, strict=True):
        value = f"{step.name} = {_shown(step.value)}" if step.value is not None else step.name
        click.echo(f"  {place.ljust(width)}  {value:<24}  {step.text}".rstrip())
        for rule in step.rules:
            click.echo(f"  {'':{width}}  {'':<24}  {rule}")


def _passes(graph: Graph, path: str, names: tuple[str, ...], format_: str) -> None:
    """Prints what passes did to a node, or to the nodes of a scope."""
    from archc.diagnostics import did_you_mean

    rewrite = rewrite_with(graph, names)
    known = {g.path(n): n for g in (graph, rewrite.graph) for n in g.nodes}
    inside = [p for p in known if p == path or p.startswith(f"{path}.")]
    if not inside:
        hints = did_you_mean(path, known)
        raise click.ClickException("\n  = help: ".join((f"{graph.name} has no `{path}`", *hints)))
    notes = [note for note in rewrite.notes if note.path in inside]
    left = {rewrite.graph.path(n) for n in rewrite.graph.nodes}
    if format_ == "json":
        print_json([{"pass": n.rule, "path": n.path, "text": n.text} for n in notes])
        return
    for at in inside:
        node = known[at]
        place = f"  {node.span!r}" if node.span else ""
        click.echo(f"{at}: {node.op.label()}{'' if at in left else ' (gone)'}{place}")
        for note in notes:
            if note.path == at:
                click.echo(f"  {note.rule}: {note.text}")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        items = [_shown(item) for item in value[:12]]
        while len(items) > 1 and sum(map(len, items)) > MAX_VALUE:
            items.pop()
        shown = ", ".join(items) + (", …" if len(value) > len(items) else "")
        return f"[{shown}]" if isinstance(value, list) else f"({shown})"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
