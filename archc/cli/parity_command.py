"""`archc parity`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archc.analyses.figures import shape_text
from archc.cli.console import print_json
from archc.cli.extras import needs_torch
from archc.cli.files import OutputPath, write_file
from archc.cli.options import format_option, graph_options, load_graph, parse_keyword, spec_argument
from archc.diagnostics import NOWHERE, ArchError, Diagnostic

if TYPE_CHECKING:
    from archc.ir.graph import Graph
    from archc.measure.parity import Difference, Report

SHOWN = 20  # unmatched tensors printed of each side
BATCH = 2

EPILOG = """\b
Examples:
  archc parity resnet50 --with torchvision:resnet50
  archc parity efficientnet_b0 --with timm:efficientnet_b0 --input 3x96x96
  archc parity mynet.arch -p classes=10 --with mypackage.nets:Net --kwargs num_classes=10
  archc parity resnet50 --with torchvision:resnet50 --save-keymap resnet50.keys.json

\b
Both networks run in float64 with the same random weights. The keymap lets `archc build --weights` read
checkpoints of the other one. Exit 1 where the two are not equal."""


@click.command(epilog=EPILOG)
@spec_argument
@click.option(
    "--with", "peer", required=True, metavar="PACKAGE.MODULE:CALLABLE",
    help="What makes the other network; it is imported and called.",
)  # fmt: skip
@click.option(
    "--kwargs", "keywords", type=parse_keyword, multiple=True, metavar="NAME=VALUE",
    help="An argument of the callable; repeatable.",
)  # fmt: skip
@graph_options
@click.option(
    "--save-keymap", "keymap", type=OutputPath(), metavar="FILE",
    help="Write the other network's checkpoint keys and ours, as JSON.",
)  # fmt: skip
@format_option
@click.pass_context
def command(
    ctx: click.Context,
    spec: str,
    peer: str,
    keywords: tuple[tuple[str, Any], ...],
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    sample: int | None,
    keymap: Path | None,
    format_: str,
) -> None:
    """Compare with a torch module of another package, operator by operator."""
    graph = load_graph(spec, params, input_, sample)
    with needs_torch("archc parity"):
        report = _compare(graph, peer, dict(keywords))
    if format_ == "json":
        print_json(report_to_dict(graph, peer, report))
    else:
        _print(graph, peer, report)
    if keymap is not None:
        from archc.measure.weights import keymap_text

        write_file(keymap, keymap_text(report.keymap))
        if format_ == "text":
            click.echo(f"wrote {keymap}: {len(report.keymap)} keys")
    if report.our_shape != report.their_shape:
        raise ArchError([_shape_problem(graph, peer, report)])
    ctx.exit(0 if report.ok else 1)


def _compare(graph: Graph, peer: str, keywords: dict[str, Any]) -> Report:
    from archc.measure.foreign import compare_foreign

    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # last, so that nothing there hides an installed package
    return compare_foreign(graph, peer, keywords, BATCH)


def report_to_dict(graph: Graph, peer: str, report: Report) -> dict[str, Any]:
    """The report as plain data; error is None where the outputs' shapes differ or a value is not finite."""
    first = report.first
    return {
        "name": graph.name,
        "with": peer,
        "input": [list(node.shape) for node in graph.inputs],
        "equal": report.ok,
        "error": _finite(report.error),
        "outputs": {"ours": list(report.our_shape), "theirs": list(report.their_shape)},
        "modules": report.modules,
        "matched": report.matched,
        "differences": [_difference_to_dict(d) for d in report.differences],
        "first": None if first is None else {
            "ours": first.ours,
            "theirs": first.theirs,
            "op": _op(graph, first.ours),
            "where": first.where,
            "error": _finite(first.error),
            "differences": [_difference_to_dict(d) for d in first.differences],
            "origin": [repr(span) for span in _origin(graph, first.ours)],
            "before": {"ours": list(first.our_ops), "theirs": list(first.their_ops)},
        },
        "only_ours": list(report.only_ours),
        "only_theirs": list(report.only_theirs),
    }  # fmt: skip


def _difference_to_dict(d: Difference) -> dict[str, Any]:
    return {
        "ours": d.ours, "theirs": d.theirs, "op": d.op, "parameter": d.parameter,
        "here": _plain(d.our_value), "there": _plain(d.their_value),
    }  # fmt: skip


def _plain(value: object) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _finite(value: float) -> float | None:
    return value if value < float("inf") else None


def _print(graph: Graph, peer: str, report: Report) -> None:
    sizes = " and ".join(shape_text(node.shape) for node in graph.inputs)
    verdict = "equal" if report.ok else "not equal"
    click.echo(f"{graph.name} and {peer}, on {BATCH} examples of {sizes}: {verdict}")
    click.echo(f"  largest difference of the outputs: {_error_text(report.error)}")
    click.echo(f"  {report.matched} of {report.modules} modules with weights matched")
    if report.differences:
        click.echo("\nparameters that differ")
        for text in _difference_lines(report):
            click.echo(f"  {text}")
    if report.first:
        _print_first(graph, report)
    for side, keys in (("here", report.only_ours), (f"in {peer}", report.only_theirs)):
        if keys:
            click.echo(f"\nonly {side}: {len(keys)} tensor{'s' * (len(keys) > 1)}")
            for key in keys[:SHOWN]:
                click.echo(f"  {key}")
            if len(keys) > SHOWN:
                click.echo(f"  and {len(keys) - SHOWN} more")


def _difference_lines(report: Report) -> list[str]:
    """A line per distinct difference, the modules that have it counted."""
    groups: dict[str, list[str]] = {}
    for d in report.differences:
        groups.setdefault(difference_text(d), []).append(d.ours)
    return [
        f"{text}: {paths[0]}" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
        for text, paths in groups.items()
    ]


def difference_text(d: Difference) -> str:
    """`batch_norm eps 1e-5 here, 1e-3 there`."""
    return f"{d.op} {d.parameter} {value_text(d.our_value)} here, {value_text(d.their_value)} there"


def _print_first(graph: Graph, report: Report) -> None:
    first = report.first
    assert first is not None
    op = _op(graph, first.ours)
    if not first.ours:
        click.echo(f"\nfirst difference: after the last module, off by {_error_text(first.error)}")
    elif not first.theirs:
        click.echo(f"\nfirst difference: {first.ours} ({op}) matches no module there")
    else:
        what = "makes" if first.where == "output" else "reads"
        click.echo(f"\nfirst difference: what {first.ours} ({op}) {what}, off by {_error_text(first.error)}")
        click.echo(f"  there: {first.theirs}")
    for d in first.differences:
        click.echo(f"  {difference_text(d)}")
    # the outermost span is the arch's own name
    for word, span in zip(("spec:", *["called:"] * 64), _origin(graph, first.ours)[:-1], strict=False):
        click.echo(f"  {word} {span!r}: {' '.join(span.text.split())}")
    if first.our_ops:
        click.echo(f"  before it, here: {', '.join(first.our_ops)}")
    if first.their_ops:
        click.echo(f"  before it, there: {', '.join(first.their_ops)}")


def value_text(value: object) -> str:
    """A value as a spec writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and 0 < value < 0.01:
        digits, _, exponent = f"{value:.12e}".partition("e")
        return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
    return "none" if value is None else str(value)


def _error_text(error: float) -> str:
    if error == float("inf"):
        return "beyond comparison"
    return f"{error:.1e} (relative)" if error else "0"


def _op(graph: Graph, path: str) -> str:
    from archc.measure.parity import modules_of

    node = modules_of(graph).get(path)
    return node.op.name if node else ""


def _origin(graph: Graph, path: str) -> list[Any]:
    """Spans of the node that a module runs, innermost first, each once."""
    from archc.measure.parity import modules_of

    node = modules_of(graph).get(path)
    return list({repr(span): span for span in graph.origin(node)}.values()) if node else []


def _shape_problem(graph: Graph, peer: str, report: Report) -> Diagnostic:
    ours, theirs = (shape_text(shape[1:]) for shape in (report.our_shape, report.their_shape))
    return Diagnostic(
        "E0611",
        f"{graph.name} makes {ours}, {peer} makes {theirs}",
        NOWHERE,
        help=("give both the same sizes: -p classes=… here, --kwargs num_classes=… there",),
    )
