"""``scheduling plugins``: what is installed and what is enabled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import scheduling
from scheduling import loader
from scheduling.errors import StartupError

if TYPE_CHECKING:
    from scheduling.cli import Program


@click.group()
def plugins() -> None:
    """Look at the plugins."""


@plugins.command("list")
@click.pass_obj
def list_plugins(program: Program) -> None:
    """List the installed plugins, each with its state and its distribution."""
    enabled = {plugin.name for plugin in program.setup.plugins}
    for name, entries in sorted(loader.installed().items()):
        state = "enabled" if name in enabled else "installed"
        try:
            manifest = loader.load_manifest(name).manifest
        except StartupError as error:
            click.echo(f"{name:<16} {'broken':<10} {error}")
            continue
        needs = f" Requires {', '.join(manifest.requires)}." if manifest.requires else ""
        click.echo(f"{name:<16} {state:<10} {loader.distribution(entries[0]):<20} {manifest.summary}{needs}")


@plugins.command()
@click.pass_obj
def check(program: Program) -> None:
    """Build the application with the enabled plugins; exit 1 with a message where that fails."""
    scheduling.make_app(program.setup, program.ini)
    names = ", ".join(plugin.name for plugin in program.setup.plugins) or "none"
    click.echo(f"All enabled plugins work together: {names}.")
