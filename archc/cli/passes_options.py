"""Options that name passes, and what a rewrite is shown as."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from archc.cli.console import fail, print_table
from archc.cli.extras import needs_torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from archc.backends.torch_fuse import Form
    from archc.ir.graph import Graph
    from archc.passes.draft import Rewrite


def passes_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """-O PASS,…"""
    return click.option(
        "-O", "names", multiple=True, metavar="PASS,…",
        help="Passes in the order they run; `deploy` and `training` stand for all of those forms.",
    )(command)  # fmt: skip


def rewrite_with(graph: Graph, names: tuple[str, ...]) -> Rewrite:
    """The passes of `-O` applied; raises ArchError (E0721)."""
    from archc.passes.pipeline import optimize, passes_named

    return optimize(graph, passes_named([n.strip() for name in names for n in name.split(",") if n.strip()]))


def print_rewrite(graph: Graph, rewrite: Rewrite) -> None:
    """What each pass did, and what that saves."""
    done: dict[str, int] = {}
    for note in rewrite.notes:
        done[note.rule] = done.get(note.rule, 0) + 1
    for rule, count in done.items():
        click.echo(f"{rule}: {count} node{'s' * (count > 1)}")
    rows = [("nodes", len(graph.nodes), len(rewrite.graph.nodes))]
    rows += [
        (name, getattr(graph.cost, name), getattr(rewrite.graph.cost, name))
        for name in ("params", "macs", "flops")
    ]
    print_table(("", "before", "after"), [(name, f"{a:,}", f"{b:,}") for name, a, b in rows])


def verify_passes(
    graph: Graph, rewrite: Rewrite, state: Mapping[str, Tensor] | None, form: Form = "inference"
) -> bool:
    """Prints how far the two networks' outputs differ; False where that is too far."""
    with needs_torch("--verify"):
        from archc.measure.deploy import TOLERANCE, verify_rewrite

    found = verify_rewrite(graph, rewrite, state, form=form)
    weights = "random weights and statistics" if state is None else "the weights given"
    click.echo(f"ran both networks on random inputs with {weights}; largest relative differences:")
    rows = zip(found.outputs, found.differences, found.exact, strict=True)
    print_table(("output", "float32", "float64"), [(name, f"{a:.1e}", f"{b:.1e}") for name, a, b in rows])
    if found.ok:
        click.echo(f"equal within {TOLERANCE:g}")
    else:
        fail(f"the outputs differ by more than {TOLERANCE:g}")
    return found.ok
