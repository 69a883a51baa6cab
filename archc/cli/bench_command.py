"""`archc bench`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archc.analyses.figures import shape_text
from archc.cli.console import fail, print_json, print_table
from archc.cli.extras import needs_torch
from archc.cli.options import format_option, graph_options, load_graph, parse_keyword, spec_argument

if TYPE_CHECKING:
    from archc.measure.bench import Row, Setting
    from archc.measure.race import Times

MODES = ("forward", "train", "build", "meta")

EPILOG = """\b
Examples:
  archc bench resnet50
  archc bench resnet50 --against torchvision:resnet50 --batch 1,16
  archc bench nfnet_f0 --against timm:dm_nfnet_f0 --mode forward,train --layout channels_last
  archc bench mynet.arch -p classes=10 --against mypackage.nets:Net --kwargs num_classes=10
  archc bench resnet50 --device cuda --dtype bfloat16 --compile --batch 256

\b
Modes: forward (eval), train (forward, backward and an SGD step), build (the constructor, weights started),
meta (the constructor on the meta device). Two networks run in turn in one process after a warm-up; the ratio
is the median of ours / theirs over the pairs, with its quartiles. With one thread CPU time is measured, which
work beside does not lengthen; with more, the wall clock; on a GPU, events."""


class Words(click.ParamType[tuple[str, ...]]):
    """Comma-separated words of a list."""

    name = "words"

    def __init__(self, known: tuple[str, ...]) -> None:
        self.known = known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        words = value if isinstance(value, tuple) else tuple(w.strip() for w in str(value).split(","))
        for word in words:
            if word not in self.known:
                self.fail(f"{word!r} is not one of {', '.join(self.known)}", param, ctx)
        return words


class Counts(click.ParamType[tuple[int, ...]]):
    """Comma-separated whole numbers above 0."""

    name = "counts"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        words = [w.strip() for w in str(value).split(",")]
        if not all(w.isascii() and w.isdigit() and 0 < int(w) < 2**31 for w in words):
            self.fail(f"{value!r} is not a list of sizes, such as 1,16", param, ctx)
        return tuple(map(int, words))


@click.command(epilog=EPILOG)
@spec_argument
@graph_options
@click.option(
    "--against",
    metavar="PACKAGE.MODULE:CALLABLE",
    help="The network to race with; it is imported and called.",
)
@click.option(
    "--kwargs", "keywords", type=parse_keyword, multiple=True, metavar="NAME=VALUE",
    help="An argument of the callable; repeatable.",
)  # fmt: skip
@click.option("--batch", "batches", type=Counts(), default="1", show_default=True, metavar="N,…")
@click.option(
    "--mode", "modes", type=Words(MODES), default="forward,train,build", show_default=True, metavar="MODE,…"
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads of the CPU.")
@click.option(
    "--dtype", type=click.Choice(["float32", "bfloat16", "float16", "float64"]), default="float32",
    show_default=True,
)  # fmt: skip
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--compile", "compiled", is_flag=True, help="Run both under torch.compile, and time that too.")
@click.option(
    "--layout", type=click.Choice(["contiguous", "channels_last"]), default="contiguous", show_default=True
)
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), default=5.0, show_default=True,
    help="Wall time for each row; five pairs at least.",
)  # fmt: skip
@format_option
@click.pass_context
def command(
    ctx: click.Context,
    spec: str,
    params: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...] | None,
    sample: int | None,
    against: str | None,
    keywords: tuple[tuple[str, Any], ...],
    batches: tuple[int, ...],
    modes: tuple[Any, ...],
    threads: int,
    dtype: str,
    device: str,
    compiled: bool,
    layout: str,
    seconds: float,
    format_: str,
) -> None:
    """Time and memory of a network, and of another one beside it."""
    if keywords and against is None:
        raise click.UsageError("--kwargs goes with --against")
    graph = load_graph(spec, params, input_, sample)
    with needs_torch("archc bench"):
        from archc.measure.bench import TORCH, Setting, bench, has_device, ours, theirs
    if not has_device(device):
        raise click.ClickException("--device cuda: torch sees no GPU here")
    how = Setting(threads, dtype, device, layout, compiled, seconds)
    subjects = [ours(graph)]
    if against:
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))  # last, so that nothing there hides an installed package
        subjects.append(theirs(against, **dict(keywords)))
    names = [s.name for s in subjects]
    shapes = [node.shape for node in graph.inputs]
    if format_ == "text":
        click.echo(f"{' and '.join(names)} on {' and '.join(map(shape_text, shapes))}: {setting_text(how)}")
    rows = list(bench(subjects, shapes, modes, batches, how))
    if format_ == "json":
        print_json({
            "names": names, "inputs": [list(s) for s in shapes], "threads": threads, "dtype": dtype,
            "device": device, "layout": layout, "compile": compiled, "torch": TORCH,
            "rows": [row_to_dict(row) for row in rows],
        })  # fmt: skip
    else:
        _print(rows, names, compiled)
    ctx.exit(1 if any(row.error for row in rows) else 0)


def setting_text(how: Setting) -> str:
    """The setting as a line: `cpu, 1 thread, float32, contiguous`."""
    threads = f"{how.threads} thread{'s' * (how.threads > 1)}, " if how.device == "cpu" else ""
    return f"{how.device}, {threads}{how.dtype}, {how.layout}{', compiled' * how.compile}"


def row_to_dict(row: Row) -> dict[str, Any]:
    """A row as plain data: seconds, ratios, bytes."""
    race = row.race
    sides = [] if race is None else [race.first, race.second] if race.second else [race.first]
    return {
        "mode": row.mode,
        "batch": row.batch,
        "error": row.error or None,
        "clock": race.clock if race else None,
        "runs": len(sides[0].seconds) if sides else 0,
        "seconds": [{"median": t.median, "quartiles": list(t.quartiles)} for t in sides],
        "ratio": race.ratio if race else None,
        "ratio_quartiles": list(race.spread) if race and race.spread else None,
        "memory_bytes": list(row.memory),
        "compile_seconds": list(row.compile_seconds),
    }


def _print(rows: list[Row], names: list[str], compiled: bool) -> None:
    both = len(names) > 1
    columns = ["mode", "batch"]
    for name in names:
        columns += [f"{name}, ms", "memory, MB", *(["compile, s"] if compiled else [])]
    columns += ["ratio", "quartiles"] if both else []
    table = []
    for row in rows:
        if row.race is None:
            continue
        cells = [row.mode, str(row.batch or "")]
        for i, side in enumerate([row.race.first, row.race.second][: len(names)]):
            assert side is not None
            cells += [_milliseconds(side), f"{row.memory[i] / 1e6:,.3g}" if row.memory else ""]
            if compiled:
                cells.append(f"{row.compile_seconds[i]:.1f}" if row.compile_seconds else "")
        if row.race.spread:
            low, high = row.race.spread
            cells += [f"{row.race.ratio:.3f}", f"{low:.3f} to {high:.3f}"]
        table.append(cells)
    if table:
        print_table(columns, table)
        runs = [len(row.race.first.seconds) for row in rows if row.race]
        clock = {"cpu": "CPU time", "wall": "wall time", "cuda": "CUDA events"}
        used = sorted({clock[row.race.clock] for row in rows if row.race})
        counted = f"{min(runs)} to {max(runs)}" if min(runs) < max(runs) else f"{runs[0]}"
        click.echo(f"medians of {counted} runs; {' and '.join(used)}")
    for row in rows:
        if row.error:
            where = f"{row.mode}, batch {row.batch}" if row.batch else row.mode
            fail(f"{where}: {row.error}")


def _milliseconds(times: Times) -> str:
    low, high = times.quartiles
    return f"{times.median * 1e3:,.2f} ± {(high - low) / 2 * 1e3:.2f}"
