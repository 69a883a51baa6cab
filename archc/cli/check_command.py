"""`archc check`."""

from __future__ import annotations

from pathlib import Path

import click

from archc.cli.console import print_diagnostics, print_json
from archc.cli.fmt_command import spec_files
from archc.cli.options import complete_spec, format_option
from archc.diagnostics import Diagnostic

EPILOG = """\b
Examples:
  archc check mynet.arch
  archc check specs/ examples/mynet.arch resnet50
  archc check mynet.arch --format json

\b
Checks every declaration of a file, at every size its expects name, and every figure it states.
Exit 1 if there is an error; warnings alone are 0."""


@click.command(epilog=EPILOG)
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...", shell_complete=complete_spec)
@format_option
@click.pass_context
def command(ctx: click.Context, specs: tuple[str, ...], format_: str) -> None:
    """Report all that is wrong with specs."""
    from archc.elaborate import check

    wanted = [str(f) for s in specs for f in (spec_files((Path(s),)) if Path(s).is_dir() else [s])]
    found: dict[tuple[object, ...], Diagnostic] = {}
    for spec in wanted:
        for diagnostic in check(spec):
            # files that import the same broken file report it each
            span = diagnostic.span
            found.setdefault(
                (diagnostic.code, span.source.name, span.start, span.end, diagnostic.message), diagnostic
            )
    diagnostics = list(found.values())
    errors = sum(d.severity == "error" for d in diagnostics)
    if format_ == "json":
        print_json({"diagnostics": [d.to_dict() for d in diagnostics]})
    else:
        print_diagnostics(diagnostics)
        click.echo(_summary(len(wanted), errors, len(diagnostics) - errors))
    ctx.exit(1 if errors else 0)


def _summary(specs: int, errors: int, warnings: int) -> str:
    def of(count: int, noun: str) -> str:
        return f"{count} {noun}{'s' * (count != 1)}"

    found = [of(n, noun) for n, noun in ((errors, "error"), (warnings, "warning")) if n]
    return f"{of(specs, 'spec')} checked: {' and '.join(found) or 'all good'}"
