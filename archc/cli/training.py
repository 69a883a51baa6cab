"""What the commands that train or run networks share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from archc.analyses.figures import shape_text
from archc.cli.console import NO_ROOM, complain, fail, warn

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

DIVERGED, INTERRUPTED = 3, 75
EXTRA = ("torch", "safetensors", "numpy")


class RecipeName(type(click.STRING)):  # type: ignore[misc]  # what a plain string is; it has no public name
    """A shipped recipe or a file; where none is given, the message says which are shipped."""

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        return f"Give a TOML file, or one of: {', '.join(_shipped())}."

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        names = [CompletionItem(name) for name in _shipped() if name.startswith(incomplete)]
        return [*names, CompletionItem(incomplete, type="file")]


def _shipped() -> list[str]:
    from archc.train.resources import recipes_root

    return sorted(path.stem for path in recipes_root().glob("*.toml"))


recipe_option = click.option(
    "--recipe", required=True, type=RecipeName(), metavar="RECIPE", help="A shipped recipe, or a TOML file."
)
data_option = click.option(
    "--data", metavar="DATA", help="digits, synthetic, a folder, a parquet file, NAME:PATH, hf:OWNER/NAME."
)


@contextmanager
def data_problems() -> Iterator[None]:
    """Turns mistakes in recipes and data into messages."""
    from archc.train.faults import DataError
    from archc.train.recipe import RecipeError

    try:
        yield
    except (RecipeError, DataError) as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def training_problems(ctx: click.Context) -> Iterator[None]:
    """Turns what a run raises into messages, and exit codes 1, 3 (diverged) and 75 (stopped, to be resumed)."""
    from importlib.util import find_spec

    for module in EXTRA:
        if find_spec(module) is None:
            raise click.ClickException(f"this needs {module}: pip install 'archc[train]'")
    from archc.train.checkpoint import Damaged
    from archc.train.ranks import DeviceError, LostRank
    from archc.train.session import SessionError
    from archc.train.trainer import Diverged, Interrupted, Mismatch

    try:
        with data_problems():
            yield
    except Mismatch as error:
        raise click.ClickException(
            f"{error}\n  = help: give what it was begun with to go on, or another directory to begin anew: -o DIRECTORY"
        ) from None
    except (SessionError, Damaged, DeviceError) as error:
        raise click.ClickException(str(error)) from None
    except Diverged as error:
        fail(f"{error}\n  = help: a lower optim.lr, or clipping: --set optim.agc=0.02")
        ctx.exit(DIVERGED)
    except Interrupted as error:
        warn(f"{error}; the same command goes on from there")
        ctx.exit(INTERRUPTED)
    except LostRank as error:
        raise click.ClickException(
            f"{error}\n  = help: the same command goes on from the last checkpoint"
        ) from None
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        help = "\n  = help: once there is room, the same command goes on from the last checkpoint"
        raise click.ClickException(
            f"cannot read or write{where}: {error.strerror or error}{help * (error.errno in NO_ROOM)}"
        ) from None


def describe(found: dict[str, Any]) -> str:
    """Accuracy of the weights, and of their average where there is one."""
    text = f"accuracy {found['eval_accuracy']:.2%}"
    return text + (f" (average of weights {found['ema_accuracy']:.2%})" if "ema_accuracy" in found else "")


def describe_data(prepared: Any) -> None:
    """On stderr, what is trained on what, and what of the data is not used."""
    data = prepared.data
    shapes = {shape_text(shape): None for shape in (data.shape, data.test_shape)}
    complain(
        f"{prepared.graph.name}: {len(data.train):,} training and {len(data.test):,} held-out examples "
        f"({data.held_out}), {len(data.classes)} classes, {', tested at '.join(shapes)}"
    )
    warn_of_data(data)


def warn_of_data(data: Any) -> None:
    """Names the images that could not be read, and what else is not used."""
    for note in data.notes:
        warn(note)
    if data.bad:
        more = f" and {len(data.bad) - 5:,} more" * (len(data.bad) > 5)
        total = len(data.train) + len(data.test) + len(data.bad)
        warn(
            f"{len(data.bad):,} of {total:,} images cannot be read and are left out: {', '.join(data.bad[:5])}{more}"
        )
