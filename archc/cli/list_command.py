"""`archc list`."""

from __future__ import annotations

import click

from archc.analyses.figures import shape_text, short
from archc.cli.console import print_json, print_table
from archc.cli.options import format_option

EPILOG = """\b
Examples:
  archc list
  archc list 'resnet*'
  archc list '*nfnet*' --format json"""


@click.command(epilog=EPILOG)
@click.argument("glob", default="*")
@format_option
@click.pass_context
def command(ctx: click.Context, glob: str, format_: str) -> None:
    """List the networks of the library."""
    from archc.elaborate import catalog

    entries = list(catalog(glob))
    if format_ == "json":
        print_json(
            [
                {
                    "name": e.name,
                    "kind": e.kind,
                    "file": e.file,
                    "input": list(e.input) if e.input else None,
                    "params": e.params,
                    "macs": e.macs,
                    "activations": e.activations,
                    "info": dict(e.info),
                    "doc": e.doc,
                }
                for e in entries
            ]
        )
        return
    if not entries:
        click.echo(f"nothing in the library is named like {glob!r}; `archc list` shows all", err=True)
        ctx.exit(1)
    rows = [
        (
            e.name,
            str(dict(e.info).get("year", "")),
            str(dict(e.info).get("paper", "")),
            shape_text(e.input or ()),
            "" if e.params is None else short(e.params),
            "" if e.macs is None else short(e.macs),
        )
        for e in entries
    ]
    print_table(("name", "year", "paper", "input", "params", "macs"), rows, left=4)
