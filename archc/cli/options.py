"""Options that commands share, and loading the SPEC they name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from archc.cli.console import print_diagnostics
from archc.diagnostics import ArchError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from archc.ir.graph import Graph

Command = TypeVar("Command", bound=Callable[..., Any])

_NAME = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)


def complete_spec(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completions of a SPEC: names in the library, and files."""
    from click.shell_completion import CompletionItem

    from archc.elaborate import library

    names = [CompletionItem(n) for n in library().names() if n.startswith(incomplete)]
    return [*names, CompletionItem(incomplete, type="file")]


def parse_input(text: str) -> tuple[int, ...]:
    """`3x224x224` as (3, 224, 224), one number as (features,); raises BadParameter."""
    sizes = re.split(r"\s*[x×,]\s*", text.strip().strip("()"))
    if not all(re.fullmatch(r"[1-9]\d{0,8}", s, re.ASCII) for s in sizes):
        raise click.BadParameter(f"{text!r} is not channels x height x width, such as 3x224x224")
    if len(sizes) == 4:
        raise click.BadParameter(f"{text!r} has four sizes: leave out the batch, as in {'x'.join(sizes[1:])}")
    if len(sizes) not in (1, 3):
        raise click.BadParameter(f"{text!r} has {len(sizes)} sizes: give channels x height x width")
    return tuple(map(int, sizes))


def parse_parameter(text: str) -> tuple[str, Any]:
    """`name=value`, the value a literal of the language: `10`, `0.5`, `true`, `"mean"`, `[1, 2, 4]`.

    A bare word is a string too, as the shell eats quotes. Raises BadParameter.
    """
    from archc.syntax.parse import parse_expression

    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not _NAME.fullmatch(name):
        raise click.BadParameter(f"{text!r} is not name=value, such as classes=10")
    if _NAME.fullmatch(value) and value not in ("true", "false"):
        return name, value
    try:
        return name, literal_value(parse_expression(value))
    except (ArchError, ValueError):
        raise click.BadParameter(
            f'{value!r} is not a literal, such as 10, 0.5, true, "mean" or [1, 2, 4]'
        ) from None


def parse_keyword(text: str) -> tuple[str, Any]:
    """`name=value` as -p takes it; True, False and None may be written as in Python too."""
    name, value = parse_parameter(text)
    return name, {"True": True, "False": False, "None": None, "none": None}.get(str(value), value)


def literal_value(expression: Any) -> Any:
    """The Python value of a literal expression; raises ValueError for any other expression."""
    from archc.syntax import ast

    match expression:
        case ast.Number(value=value) | ast.String(value=value) | ast.Bool(value=value):
            return value
        case ast.Unary(op="-", operand=ast.Number(value=value)):
            return -value
        case ast.ListExpr(items=items):
            return [literal_value(item) for item in items]
        case ast.TupleExpr(items=items):
            return tuple(literal_value(item) for item in items)
    raise ValueError("not a literal")


def spec_argument(command: Command) -> Command:
    """The SPEC argument."""
    return click.argument("spec", metavar="SPEC", shell_complete=complete_spec)(command)


def call_options(command: Command) -> Command:
    """-p and --input: what to call an arch with."""
    for option in (
        click.option(
            "--input",
            "input_",
            type=parse_input,
            metavar="CxHxW",
            help="Input size instead of the declared one.",
        ),
        click.option(
            "-p",
            "params",
            type=parse_parameter,
            multiple=True,
            metavar="NAME=VALUE",
            help="Set a parameter; repeatable.",
        ),
    ):
        command = option(command)
    return command


def graph_options(command: Command) -> Command:
    """-p, --input and --sample: how to call the arch that SPEC names."""
    sample = click.option(
        "--sample", type=click.IntRange(min=0), metavar="SEED", help="Answer open choices at random."
    )
    return call_options(sample(command))


def takes_graph(command: Callable[..., None]) -> Callable[..., None]:
    """SPEC and `graph_options`, of which the command is given the `graph` alone."""

    @wraps(command)
    def loaded(
        spec: str,
        params: tuple[tuple[str, Any], ...],
        input_: tuple[int, ...] | None,
        sample: int | None,
        **options: Any,
    ) -> None:
        command(graph=load_graph(spec, params, input_, sample), **options)

    return spec_argument(graph_options(loaded))


def batch_options(command: Command) -> Command:
    """--batch and --dtype: of what a forward pass is asked about."""
    batch = click.option(
        "--batch", type=click.IntRange(1), default=1, show_default=True, help="Examples at once."
    )
    types = click.Choice(["float32", "float16", "bfloat16", "float64"])
    return batch(click.option("--dtype", type=types, default="float32", show_default=True)(command))


@contextmanager
def measuring() -> Iterator[None]:
    """Around the imports of --measure: says so where torch is not installed."""
    try:
        yield
    except ImportError as error:
        if error.name != "torch":
            raise
        raise click.ClickException(
            "--measure runs the network and needs torch: pip install 'archc[train]'"
        ) from None


def weights_options(command: Command) -> Command:
    """--weights and --keymap."""
    keymap = click.option(
        "--keymap", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", callback=_with_weights,
        help="With --weights: from the file's keys to the network's.",
    )  # fmt: skip
    weights = click.option(
        "--weights",
        type=click.Path(path_type=Path),
        metavar="FILE|RUN",
        is_eager=True,
        help="Load these weights (safetensors, or of a run), all or none.",
    )
    return weights(keymap(command))


def weights_of(spec: str, weights: Path | None) -> Path | None:
    """The file that --weights means: of a run, its average where it has one; without it, that of a SPEC that is a run."""
    from archc.train.directory import weights_file

    run = weights if weights is not None and weights.is_dir() else None
    if weights is None and (Path(spec) / "network.json").is_file():
        run = Path(spec)
    if run is None:
        return weights
    file = weights_file(run)
    if not file.is_file():
        raise click.ClickException(f"{run} holds no finished run: there is no {file.name}")
    return file


def _with_weights(ctx: click.Context, param: click.Parameter, keymap: Path | None) -> Path | None:
    if keymap is not None and ctx.params.get("weights") is None:
        raise click.UsageError("--keymap goes with --weights")
    return keymap


def precision_options(command: Command) -> Command:
    """--half and --bf16, of which one at most may be given."""
    half = click.option("--half", is_flag=True, is_eager=True, help="In float16.")
    bf16 = click.option("--bf16", is_flag=True, callback=_alone, help="In bfloat16.")
    return half(bf16(command))


def precision(half: bool, bf16: bool) -> str | None:
    """The dtype asked for."""
    return "float16" if half else "bfloat16" if bf16 else None


def _alone(ctx: click.Context, param: click.Parameter, bf16: bool) -> bool:
    if bf16 and ctx.params.get("half"):
        raise click.UsageError("--half and --bf16 exclude each other")
    return bf16


def format_option(command: Command) -> Command:
    """--format text|json."""
    return click.option(
        "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True
    )(command)


def load_graph(
    spec: str,
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    sample: int | None,
    *,
    expects: bool = False,
) -> Graph:
    """The graph of SPEC, its warnings printed; `expects` also holds it to the figures it states.

    Raises ArchError, or UsageError for a parameter given twice, or to a network that is settled.
    """
    saved = saved_network(spec)
    if saved:
        if params or input_ or sample is not None:
            raise click.UsageError(
                f"-p, --input and --sample go with a spec: the network of {spec} is settled"
            )
        return _read(saved)
    from archc.elaborate import load_all

    names = [name for name, _ in params]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice:
        raise click.UsageError(f"-p {twice}=… is given twice")
    loaded = load_all(spec, input=input_, sample=sample, arguments=dict(params), expects=expects)
    print_diagnostics(loaded.warnings)
    return loaded.graph


def saved_network(spec: str) -> Path | None:
    """The graph that SPEC is: `network.json` of a run of `archc train`, or what `archc build` wrote; None of a spec."""
    path = Path(spec)
    if path.is_dir() and (path / "network.json").is_file():
        return path / "network.json"
    return path if path.suffix == ".json" and path.is_file() else None


def _read(path: Path) -> Graph:
    import json

    from archc.ir.json_graph import from_json

    try:
        return from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise click.ClickException(f"{path} is no graph that archc wrote: {error}") from None
