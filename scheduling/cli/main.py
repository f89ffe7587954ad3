"""The ``scheduling`` command."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click
from alembic.util import CommandError
from sqlalchemy.exc import DatabaseError

import scheduling
from scheduling.cli.config import config as config_group
from scheduling.cli.db import db
from scheduling.cli.email import email
from scheduling.cli.outbox import outbox
from scheduling.cli.plugins import plugins
from scheduling.cli.program import Program
from scheduling.cli.smoke import smoke
from scheduling.cli.user import user
from scheduling.cli.web import web
from scheduling.cli.worker import worker
from scheduling.config import loader
from scheduling.db.failures import one_line
from scheduling.exceptions import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterator


_INI_VARIABLE, _DEFAULT_INI = "SCHEDULING_CONFIG", "development.ini"


class Commands(click.Group):
    """Scheduling's commands and those of the enabled plugins.

    They say in one line that the database is away, or that it has no such revision.
    """

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names; without those of plugins where the settings cannot be read."""
        names = super().list_commands(context)
        with suppress(StartupError):
            names += _program(context).plugin_commands
        return sorted(names)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return a command, or None; raise ``StartupError`` where settings are wrong that it depends on."""
        command = super().get_command(context, name)
        if command is None and name in loader.installed():
            return _program(context).plugin_commands.get(name)
        return command

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(context)
        except DatabaseError as error:
            raise click.ClickException(f"The database did not answer: {one_line(error)}") from error
        except CommandError as error:
            raise click.ClickException(f"{error}.") from error


def _program(context: click.Context) -> Program:
    # For --help it is asked for before :func:`main` is called.
    if context.obj is None:
        ini = context.params.get("config") or os.environ.get(_INI_VARIABLE) or _DEFAULT_INI
        context.obj = Program(ini, context.with_resource(ExitStack()))
    program: Program = context.obj
    return program


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """End by an exception on SIGTERM, with the status of a shell, so that what is open is closed.

    The first process of a container would not end at all: there the signal does nothing by default.
    """
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@click.group(cls=Commands)
@click.option(
    "-c",
    "--config",
    metavar="INI",
    envvar=_INI_VARIABLE,
    default=_DEFAULT_INI,
    show_default=True,
    # Before --help, which lists the commands of the plugins that it enables.
    is_eager=True,
    help="Settings file; SCHEDULING_CONFIG names another default.",
)
@click.version_option(scheduling.__version__, prog_name="scheduling")
@click.pass_context
def main(context: click.Context, config: str) -> None:
    """Run and look after a Scheduling installation."""
    # These have more to do then, and children that inherit what the signal does.
    if context.invoked_subcommand not in ("web", "worker"):
        context.with_resource(ending_on_sigterm())
    context.obj = Program(config, context.with_resource(ExitStack()))


main.add_command(config_group)
main.add_command(db)
main.add_command(user)
main.add_command(plugins)
main.add_command(web)
main.add_command(worker)
main.add_command(outbox)
main.add_command(email)
main.add_command(smoke)
