"""`archc scale`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archc.analyses.figures import short
from archc.cli.console import print_json, print_table
from archc.cli.files import OutputPath, write_file
from archc.cli.options import complete_spec, format_option

if TYPE_CHECKING:
    from archc.ir.graph import Graph
    from archc.spaces.scaling import Scale

SHOWN = 10

EPILOG = """\b
Examples:
  archc scale efficientnet_b0 --phi 3
  archc scale mobilenet_v2 --phi 1 --strategy width -o wider.arch
  archc scale efficientnet_b0 --search --score '-activations'
  archc scale resnet_rs --grid

\b
SPEC has parameters `width`, `depth` and `resolution`, as far as the strategy changes them. φ doubles
the cost each time it grows by one. compound: alpha^φ in depth, beta^φ in width, gamma^φ in resolution.
--score is an expression of params, macs, flops, activations, width, depth and resolution; the highest
wins. From Python, archc.spaces.scaling.search takes any function."""


@click.command(epilog=EPILOG)
@click.argument("spec", metavar="SPEC", shell_complete=complete_spec)
@click.option("--phi", type=float, default=1.0, show_default=True, help="How often to double the cost.")
@click.option(
    "--strategy",
    type=click.Choice(["compound", "fast", "width", "depth", "resolution"]),
    default="compound",
    show_default=True,
)
@click.option("--alpha", type=float, default=1.2, show_default=True, help="Depth, of compound scaling.")
@click.option("--beta", type=float, default=1.1, show_default=True, help="Width.")
@click.option("--gamma", type=float, default=1.15, show_default=True, help="Resolution.")
@click.option("--search", "searched", is_flag=True, help="Score a grid of alpha, beta and gamma at phi = 1.")
@click.option(
    "--score", default="-activations", show_default=True, metavar="EXPRESSION", help="For --search."
)
@click.option(
    "--step", type=click.FloatRange(0.01, 0.5), default=0.05, show_default=True, help="Of that grid."
)
@click.option("--grid", is_flag=True, help="Count every network of a small design space.")
@click.option("-o", "output", type=OutputPath(), help="Write the scaled spec.")
@format_option
def command(
    spec: str,
    phi: float,
    strategy: str,
    alpha: float,
    beta: float,
    gamma: float,
    searched: bool,
    score: str,
    step: float,
    grid: bool,
    output: Path | None,
    format_: str,
) -> None:
    """Scale a network's width, depth and resolution."""
    from archc.spaces.scaling import scale

    if grid:
        _grid(spec, format_)
    elif searched:
        _search(spec, score, step, format_)
    else:
        found = scale(strategy, phi, alpha=alpha, beta=beta, gamma=gamma)
        _scaled(spec, phi, strategy, found, output, format_)


def _scaled(spec: str, phi: float, strategy: str, found: Scale, output: Path | None, format_: str) -> None:
    from archc.elaborate import load
    from archc.spaces.scaled import scaled
    from archc.spaces.scaling import deviation

    before, after = load(spec), scaled(spec, found)
    published = deviation(int(phi), found) if strategy == "compound" and _is_b0(spec, phi) else None
    if format_ == "json":
        print_json(
            {
                "spec": spec,
                "phi": phi,
                "strategy": strategy,
                "width": found.width,
                "depth": found.depth,
                "resolution": found.resolution,
                "arguments": dict(after.changed),
                "before": _figures(before),
                "after": _figures(after.graph),
                "deviation": published,
            }
        )
    else:
        click.echo(f"{spec}, {strategy}, φ = {phi:g}")
        click.echo(
            f"width × {found.width:.4g}, depth × {found.depth:.4g}, resolution × {found.resolution:.4g}"
        )
        click.echo(", ".join(f"{name} = {value}" for name, value in after.changed))
        rows = [
            (name, short(a), short(b), f"{b / a:.2f}")
            for name, a, b in zip(
                _figures(before), _figures(before).values(), _figures(after.graph).values(), strict=True
            )
        ]
        print_table(("", "before", "after", "ratio"), rows)
        if published is not None:
            click.echo(
                f"from the published B{int(phi)}: width {published[0]:+.1%}, depth {published[1]:+.1%}, "
                f"resolution {published[2]:+.1%}"
            )
    if output is not None:
        write_file(output, after.text(output.stem))
        click.echo(f"wrote {output}", err=format_ == "json")


def _is_b0(spec: str, phi: float) -> bool:
    return spec == "efficientnet_b0" and phi == int(phi)


def _search(spec: str, score: str, step: float, format_: str) -> None:
    from archc.spaces.scaled import scaled, scorer
    from archc.spaces.scaling import search

    rate = scorer(score)
    found = search(lambda s: rate(scaled(spec, s).graph, s), step=step)
    if format_ == "json":
        print_json([{"alpha": c.alpha, "beta": c.beta, "gamma": c.gamma, "score": c.score} for c in found])
        return
    click.echo(f"{spec}: {len(found)} candidates with α·β²·γ² within 0.1 of 2, scored by {score}")
    print_table(
        ("alpha", "beta", "gamma", "α·β²·γ²", "score"),
        [
            (f"{c.alpha:.2f}", f"{c.beta:.2f}", f"{c.gamma:.2f}", f"{c.cost:.3f}", f"{c.score:,.6g}")
            for c in found[:SHOWN]
        ],
        left=0,
    )


def _grid(spec: str, format_: str) -> None:
    from archc.spaces.scaled import every

    found = sorted(every(spec), key=lambda g: g.cost.macs)
    if format_ == "json":
        print_json([{**dict(g.arguments), **_figures(g)} for g in found])
        return
    shown = [name for name, _ in found[0].arguments if len({dict(g.arguments)[name] for g in found}) > 1]
    print_table(
        (*shown, "params", "macs", "activations"),
        [(*(str(dict(g.arguments)[n]) for n in shown), *map(short, _figures(g).values())) for g in found],
        left=0,
    )


def _figures(graph: Graph) -> dict[str, Any]:
    cost = graph.cost
    return {"params": cost.params, "macs": cost.macs, "activations": cost.activations}
