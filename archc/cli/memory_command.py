"""`archc memory`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from archc.cli.console import print_json, print_table
from archc.cli.options import batch_options, format_option, measuring, takes_graph

if TYPE_CHECKING:
    from archc.ir.graph import Graph

EPILOG = """\b
Examples:
  archc memory resnet50 --batch 32
  archc memory nfnet_f0 --batch 8 --dtype bfloat16 --optimiser adam
  archc memory resnet50 --batch 2 --measure

\b
Inference is the peak of tensors alive at once; training is what the backward pass keeps, with parameters, gradients
and optimiser state. What kernels allocate for themselves comes on top."""


@click.command(epilog=EPILOG)
@takes_graph
@batch_options
@click.option(
    "--optimiser",
    type=click.Choice(["none", "sgd", "momentum", "adam"]),
    default="momentum",
    show_default=True,
)
@click.option(
    "--measure", is_flag=True, help="Run the network too, and show how far off this is (needs torch)."
)
@format_option
def command(
    graph: Graph,
    batch: int,
    dtype: str,
    optimiser: str,
    measure: bool,
    format_: str,
) -> None:
    """Memory of inference and of a training step."""
    from archc.analyses.memory import inference_memory, training_memory

    inference, training = (
        inference_memory(graph, batch, dtype),
        training_memory(graph, batch, dtype, optimiser),
    )
    measured = _measured(graph, batch, dtype) if measure else None
    if format_ == "json":
        print_json(
            {
                "name": graph.name, "batch": batch, "dtype": dtype, "optimiser": optimiser,
                "inference": {"peak": inference.peak, "at": inference.at, "params": inference.params},
                "training": {
                    "saved": training.saved, "params": training.params, "grads": training.grads,
                    "state": training.state, "total": training.total,
                },
                "measured": measured,
            }
        )  # fmt: skip
        return
    click.echo(f"{graph.name}, batch {batch}, {dtype}")
    rows = [
        ("inference", f"tensors alive at once, most at {inference.at}", mebibytes(inference.peak)),
        ("", "parameters and buffers", mebibytes(inference.params)),
        ("", "total", mebibytes(inference.total)),
        (),
        ("training", "saved for backward", mebibytes(training.saved)),
        ("", "parameters", mebibytes(training.params)),
        ("", "gradients", mebibytes(training.grads)),
        ("", f"optimiser state ({optimiser})", mebibytes(training.state)),
        ("", "total", mebibytes(training.total)),
    ]
    print_table(("", "", "MiB"), rows, left=2)
    if measured:
        for name, predicted, found in (
            ("tensors alive at once", inference.peak, measured["inference"]),
            ("saved for backward", training.saved, measured["saved"]),
        ):
            click.echo(f"measured {name}: {mebibytes(found)} MiB, predicted {predicted / found - 1:+.2%}")


def mebibytes(count: int) -> str:
    """Bytes as MiB, to a hundredth."""
    return f"{count / 2**20:,.2f}"


def _measured(graph: Graph, batch: int, dtype: str) -> dict[str, int]:
    with measuring():
        from archc.measure.memory import measure_graph
    found = measure_graph(graph, batch, dtype)
    return {"inference": found.inference, "saved": found.saved}
