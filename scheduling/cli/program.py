"""What every command is given: the settings, the engine and the application, made when first used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

from scheduling.app import make_app
from scheduling.config.ini import read_ini
from scheduling.db import migrations
from scheduling.db.engine import create_engine
from scheduling.startup import Setup, set_up

if TYPE_CHECKING:
    from contextlib import ExitStack

    import click
    from pyramid.registry import Registry
    from pyramid.router import Router
    from sqlalchemy import Engine


@dataclass(frozen=True)
class Program:
    """What every command is given; each part is made when it is first used."""

    ini_path: str
    resources: ExitStack
    """Closes what was opened, when the command ends."""

    def with_ini(self, path: str) -> Program:
        """Return a program for another ini file."""
        return Program(path, self.resources)

    @cached_property
    def ini(self) -> dict[str, str]:
        """The settings of the ini file."""
        return read_ini(self.ini_path)

    @cached_property
    def setup(self) -> Setup:
        """The checked settings and the plugins."""
        return set_up(self.ini, os.environ)

    @cached_property
    def engine(self) -> Engine:
        """The database, migrated or not, for commands that need no application."""
        engine = create_engine(self.setup.settings)
        self.resources.callback(engine.dispose)
        return engine

    @cached_property
    def application(self) -> Router:
        """The whole application, which has asked nothing of the database yet."""
        application = make_app(self.setup, self.ini)
        self.resources.callback(application.registry.engine.dispose)
        return application

    @cached_property
    def registry(self) -> Registry:
        """The registry of the whole application, on a database that is migrated."""
        registry = self.application.registry
        migrations.require_upgraded(registry.engine, registry.plugins)
        return registry

    @property
    def plugin_commands(self) -> dict[str, click.Group]:
        """The commands of the enabled plugins, by the plugins' names."""
        plugins = [plugin for plugin in self.setup.plugins if plugin.manifest.commands]
        return {plugin.name: import_module(f"{plugin.package}.cli").commands for plugin in plugins}
