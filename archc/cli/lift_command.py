"""`archc lift`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from archc.cli.console import complain, fail
from archc.cli.extras import needs_torch
from archc.cli.files import OutputPath, write_file
from archc.cli.options import parse_input, parse_keyword

if TYPE_CHECKING:
    from archc.measure.lift.lift import Lifted

EPILOG = """\b
Examples:
  archc lift torchvision:resnet50
  archc lift timm:nf_regnet_b1 --input 3x256x256 -o nf_regnet_b1.arch
  archc lift mypackage.nets:Net --kwargs num_classes=10 --input 3x32x32 --save-keymap net.keys.json

\b
The module is imported, called and traced by torch.export in eval mode; what runs in training only (auxiliary
heads, stochastic depth) is left out. The text is built again and compared with the module in float64, with the same
random weights: exit 1 where they are not equal. The keymap lets `archc build --weights` read its checkpoints."""


@click.command(epilog=EPILOG)
@click.argument("module", metavar="PACKAGE.MODULE:CALLABLE")
@click.option(
    "--kwargs", "keywords", type=parse_keyword, multiple=True, metavar="NAME=VALUE",
    help="An argument of the callable; repeatable.",
)  # fmt: skip
@click.option(
    "--input", "input_", type=parse_input, default="3x224x224", show_default=True, metavar="CxHxW",
    help="Size of one example.",
)  # fmt: skip
@click.option("--name", metavar="NAME", help="Of the arch.  [default: the callable's]")
@click.option("-o", "output", type=OutputPath(), help="File; stdout without.")
@click.option(
    "--save-keymap", "keymap", type=OutputPath(), metavar="FILE",
    help="Write the module's checkpoint keys and the lifted network's, as JSON.",
)  # fmt: skip
@click.pass_context
def command(
    ctx: click.Context,
    module: str,
    keywords: tuple[tuple[str, Any], ...],
    input_: tuple[int, ...],
    name: str | None,
    output: Path | None,
    keymap: Path | None,
) -> None:
    """Write a torch module as a spec, re-rolled into blocks and stages, and prove it equal."""
    named = name or re.sub(r"\W", "_", module.rpartition(":")[2], flags=re.ASCII).lower()
    if not re.fullmatch(r"[A-Za-z_]\w{0,63}", named, re.ASCII):
        raise click.BadParameter(f"{named!r} is not a name, such as my_net", param_hint="--name")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # last, so that nothing there hides an installed package
    with needs_torch("archc lift"):
        from archc.measure.foreign import make_foreign
        from archc.measure.lift.lift import lift
        from archc.measure.weights import keymap_text

        found = lift(make_foreign(module, **dict(keywords)), input_, named, module)
    if output is None or str(output) == "-":
        click.echo(found.text, nl=False)
    else:
        write_file(output, found.text)
        click.echo(f"wrote {output}")
    if keymap is not None:
        write_file(keymap, keymap_text(found.report.keymap))
    ctx.exit(0 if _told(found, module) else 1)


def _told(found: Lifted, module: str) -> bool:
    """Says on stderr how the text compares with the module; False where they are not equal."""
    report = found.report
    error = f"{report.error:.1e} (relative)" if report.error else "0"
    if not found.ok:
        fail(f"what was written is not {module}: largest difference of the outputs {error}")
        for side, keys in (("here", report.only_ours), (f"in {module}", report.only_theirs)):
            if keys:
                complain(f"  only {side}: {', '.join(keys[:5])}{' …' * (len(keys) > 5)}")
        return False
    complain(
        f"equal to {module}: largest difference of the outputs {error}; {len(found.graph.nodes)} nodes in"
        f" {len(found.text.splitlines())} lines"
    )
    if found.left_out:
        complain(
            f"left out, as eval mode does not read them: {len(found.left_out)} tensors, {found.left_out[0]} the first"
        )
    return True
