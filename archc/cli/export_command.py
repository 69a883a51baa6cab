"""`archc export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archc import __version__
from archc.analyses.figures import shape_text
from archc.cli.console import print_table, warn
from archc.cli.extras import needs_torch
from archc.cli.files import OutputPath, build_directory, write_file
from archc.cli.options import (
    graph_options,
    load_graph,
    precision,
    precision_options,
    spec_argument,
    weights_of,
    weights_options,
)

if TYPE_CHECKING:
    from archc.ir.graph import Graph
    from archc.measure.exports import Exported, Format

SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torch_export": ".pt2", "safetensors": ".safetensors"}

EPILOG = """\b
Examples:
  archc export resnet50 --to onnx
  archc export resnet50 --to onnx --weights trained.safetensors --half -o resnet50.onnx
  archc export runs/first --to onnx
  archc export mynet.arch -p classes=10 --to torch_export
  archc export resnet50 --to safetensors --weights theirs.safetensors --keymap resnet50.keys.json

\b
The batch is dynamic; the outputs are those of eval mode. Before anything is written, the file is run, onnx by
onnxruntime, at two batch sizes it was not traced at, and compared with the module. Inside are the text of the
spec, its hash and archc's version. Without --weights the network is freshly initialised; of a run of `archc train`,
given as SPEC, network and weights are taken, and inside are its classes and what is done to an image first."""


@click.command(epilog=EPILOG)
@spec_argument
@click.option("--to", type=click.Choice(list(SUFFIXES)), required=True, help="The kind of file.")
@graph_options
@weights_options
@click.option("--opset", type=click.IntRange(18, 23), help="Of the ONNX file.  [default: 18]")
@precision_options
@click.option(
    "-o", "output", type=OutputPath(),
    help="The file.  [default: build/NAME/NAME.onnx, .pt2 or .safetensors]",
)  # fmt: skip
def command(
    spec: str,
    to: Format,
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    sample: int | None,
    weights: Path | None,
    keymap: Path | None,
    opset: int | None,
    half: bool,
    bf16: bool,
    output: Path | None,
) -> None:
    """Write a network for another tool: ONNX, a torch.export program, safetensors."""
    if opset is not None and to != "onnx":
        raise click.UsageError("--opset goes with --to onnx")
    graph = load_graph(spec, params, input_, sample)
    output = output or build_directory(graph.name) / f"{graph.name}{SUFFIXES[to]}"
    with needs_torch(f"archc export --to {to}"):
        from archc.measure.exports import OPSET, export
        from archc.measure.weights import in_precision, loaded

        module = in_precision(loaded(graph, weights_of(spec, weights), keymap), precision(half, bf16))
        images = _images(Path(spec))
        facts = {"archc_images": json.dumps(images)} if images else {}
        made = export(graph, module, to, output.name, opset=opset or OPSET, version=__version__, facts=facts)
    _print(graph, made)
    if images:
        _print_images(graph, images)
    for name, data in made.files.items():
        write_file(output.parent / name, data)
        click.echo(f"wrote {output.parent / name}")


def _images(run: Path) -> dict[str, Any] | None:
    """What a run's network expects of an image; None of a spec."""
    from archc.train.directory import inputs_of

    return inputs_of(run) if (run / "result.json").is_file() else None


def _print_images(graph: Graph, images: dict[str, Any]) -> None:
    mean, std = (", ".join(f"{value:.4f}" for value in images[key]) for key in ("mean", "std"))
    click.echo(
        f"images: pixels / 255, less ({mean}), over ({std}); with the {len(images['classes'])} classes in archc_images"
    )
    if tuple(images["size"]) != graph.inputs[0].shape:
        warn(f"the run was tested at {shape_text(images['size'])}, which this file does not take")


def _print(graph: Graph, made: Exported) -> None:
    opset = f", opset {made.opset}" if made.opset else ""
    shapes = " and ".join(f"{node.name} N×{shape_text(node.shape)}" for node in graph.inputs)
    click.echo(f"{graph.name} on {shapes}{opset}: equal to the module")
    rows = [
        (f"{c.batch}", " and ".join(map(shape_text, c.shapes)), f"{c.error:.1e}" if c.error else "0")
        for c in made.checks
    ]
    print_table(("batch", "outputs", "difference (relative)"), rows)
