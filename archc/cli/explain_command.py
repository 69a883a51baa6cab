"""`archc explain`."""

from __future__ import annotations

import click

from archc.diagnostics import nearest

EPILOG = """\b
Examples:
  archc explain E0312
  archc explain"""


@click.command(epilog=EPILOG)
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Explain a diagnostic; without CODE, list all."""
    from archc.diagnostics.pages import page, titles

    known = titles()
    if code is None:
        for name, title in known.items():
            click.echo(f"{name}  {title}")
        return
    name = code.strip("[]:").upper()
    if name not in known:
        guess = nearest(name, known)
        hint = f" Did you mean {guess}?" if guess else ""
        raise click.UsageError(f"No diagnostic has the code {code!r}.{hint} `archc explain` lists all.")
    click.echo(page(name).rstrip("\n"))
