"""``scheduling plugins``: lists the installed plugins and checks the enabled ones."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from scheduling.app import make_app
from scheduling.config import loader
from scheduling.config.settings import CoreSchema
from scheduling.config.sources import Configuration
from scheduling.exceptions import StartupError

if TYPE_CHECKING:
    from scheduling.cli.program import Program


@click.group()
def plugins() -> None:
    """Look at the plugins."""


@plugins.command("list")
@click.pass_obj
def list_plugins(program: Program) -> None:
    """List the installed plugins, each with its state and its distribution."""
    # Not program.setup, which fails if a plugin is broken: that is when the list is needed most.
    core = Configuration(program.ini, os.environ).section("scheduling", CoreSchema())
    enabled = core.get("plugins", [])
    installed = loader.installed()
    for name in sorted({*installed, *enabled}):
        state = "enabled" if name in enabled else "installed"
        try:
            plugin = loader.load_manifest(name, installed)
        except StartupError as error:
            click.echo(f"{name:<16} {'broken':<10} {error}")
            continue
        manifest = plugin.manifest
        needs = f" Requires {', '.join(manifest.requires)}." if manifest.requires else ""
        click.echo(f"{name:<16} {state:<10} {plugin.distribution:<20} {manifest.summary}{needs}")


@plugins.command()
@click.pass_obj
def check(program: Program) -> None:
    """Build the application with the enabled plugins; exit 1 with a message where that fails."""
    make_app(program.setup, program.ini)
    names = ", ".join(plugin.name for plugin in program.setup.plugins) or "none"
    click.echo(f"All enabled plugins work together: {names}.")
