"""The `archc` command: finds commands lazily, and turns what goes wrong into messages and exit codes.

Exit codes: 0 done, 1 diagnostics, 2 usage, 130 interrupted, 141 the reader of our output went away.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from archc import __version__
from archc.cli.console import NO_ROOM, fail, print_diagnostics
from archc.diagnostics import ArchError, nearest

COMMANDS = (
    "build",
    "optimize",
    "check",
    "count",
    "compare",
    "sweep",
    "fit",
    "why",
    "memory",
    "field",
    "roofline",
    "profile",
    "signal",
    "draw",
    "report",
    "emit",
    "parity",
    "bench",
    "export",
    "lift",
    "fmt",
    "list",
    "train",
    "evaluate",
    "predict",
    "runs",
    "tune",
    "sample",
    "search",
    "latency-table",
    "freeze",
    "mutate",
    "space",
    "edf",
    "space-report",
    "scale",
    "explain",
    "completion",
)

OTHER_WORDS = {
    "compile": "build", "convert": "export", "diff": "compare", "eval": "evaluate", "flops": "count", "format": "fmt",
    "import": "lift", "lint": "check", "models": "list", "plot": "draw", "summary": "count", "test": "evaluate",
    "validate": "check", "verify": "parity",
}  # fmt: skip
"""What commands are called elsewhere."""

OTHER_OPTIONS = {
    "--arch": "SPEC", "--batch-size": "--set data.batch=…", "--classes": "-p classes=…", "--config": "--recipe",
    "--finetune": "--weights", "--gpu": "--device cuda", "--gpus": "torchrun --nproc-per-node", "--init": "--weights",
    "--learning-rate": "--set optim.lr=…", "--lr": "--set optim.lr=…", "--model": "SPEC", "--momentum": "--set optim.momentum=…",
    "--num-classes": "-p classes=…", "--out": "-o", "--output": "-o", "--optimizer": "--set optim.name=…",
    "--parameter": "-p", "--pretrained": "--weights", "--seed": "--set seed=…", "--weight-decay": "--set optim.weight_decay=…",
    "--workers": "--set data.workers=…",
}  # fmt: skip
"""What options are called elsewhere."""

EPILOG = """\b
A first walk:
  archc list 'resnet*'            what is in the library
  archc build resnet50            check, count, draw and compile one
  archc check mynet.arch          what is wrong with yours
  archc explain E0312             what a message means

\b
SPEC is a file (mynet.arch), one declaration of a file (mynet.arch:small), or a library name (resnet50).
Where a network is all that is needed, it is also the directory of a run (runs/first), or a NAME.json of `archc build`."""


class LazyGroup(click.Group):
    """Imports `archc.cli.NAME_command` when NAME is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"archc.cli.{cmd_name.replace('-', '_')}_command").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            guess = OTHER_WORDS.get(name) or nearest(name, COMMANDS)
            hint = f" Did you mean `archc {guess}`?" if guess else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:  # caught here, as click would exit 0
            raise click.exceptions.Exit(_reader_gone()) from None


@click.command(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="archc", message="%(prog)s %(version)s")
def cli() -> None:
    """A compiler for convolutional architectures: twenty lines of text, checked, counted, drawn and
    compiled to torch."""


def main(args: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code; the console script passes it to `sys.exit`."""
    _put_off_collecting()
    _open_closed_streams()
    try:
        words = sys.argv[1:] if args is None else list(args)
        code = cli.main(args=words, prog_name="archc", standalone_mode=False, obj=words)
        sys.stdout.flush()
    except ArchError as error:
        print_diagnostics(error.diagnostics)
        return 1
    except click.ClickException as error:
        if isinstance(error, click.UsageError):
            _with_hint(error).show()
        else:
            fail(error.format_message())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        fail("interrupted")
        return 130
    except BrokenPipeError:
        return _reader_gone()
    except OSError as error:
        if error.errno not in NO_ROOM or error.filename is not None:
            raise
        _silence_stdout()
        fail(f"cannot write the output: {error.strerror}")
        return 1
    return code if isinstance(code, int) else 0


def _with_hint(error: click.UsageError) -> click.UsageError:
    """Of an option that is called otherwise here, the message with the name it has, where the command has it."""
    if not isinstance(error, click.NoSuchOption) or not error.ctx:
        return error
    guess = OTHER_OPTIONS.get(error.option_name, "")
    words = {w for param in error.ctx.command.params for w in (*param.opts, param.human_readable_name)}
    if guess and (guess.split()[0] in words or guess.startswith("torchrun")):
        return click.UsageError(
            f"No such option {error.option_name!r}. Did you mean {guess!r}?", ctx=error.ctx
        )
    return error


def _put_off_collecting() -> None:
    """Keep the collector of cycles out of small commands: it finds nothing among modules, syntax trees and graphs, and
    takes a quarter of their time. What grows beyond them, as a training does, is collected as ever from then on."""
    usual, small = gc.get_threshold(), 200_000
    if usual[0] == small:  # by a command before in this process
        return

    def end(phase: str, info: dict[str, int]) -> None:
        gc.callbacks.remove(end)
        gc.set_threshold(*usual)

    gc.callbacks.append(end)
    gc.set_threshold(small)
    atexit.register(gc.freeze)  # nor at the end, where nothing is left to be told


def _reader_gone() -> int:
    _silence_stdout()
    return 141


def _silence_stdout() -> None:
    """Let stdout lead nowhere, so that the interpreter's own last flush stays silent."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_closed_streams() -> None:
    """Python has None for a stream that was closed (`archc … >&-`); no file is to take its place."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
