"""`archc completion`."""

from __future__ import annotations

import click

EPILOG = """\b
Examples:
  eval "$(archc completion bash)"                                     in ~/.bashrc
  eval "$(archc completion zsh)"                                      in ~/.zshrc
  archc completion fish > ~/.config/fish/completions/archc.fish"""


@click.command(epilog=EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a shell completion script."""
    from click.shell_completion import get_completion_class

    from archc.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    script = kind(cli, {}, "archc", "_ARCHC_COMPLETE")
    click.echo(script.source_template % script.source_vars())
