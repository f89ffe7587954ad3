"""The command ``scheduling``: its subcommands, those of plugins, and how it ends."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack, contextmanager, suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

import click
from alembic.util import CommandError
from sqlalchemy.exc import DatabaseError

import scheduling
from scheduling.cli.config import config as config_group
from scheduling.cli.db import db
from scheduling.cli.email import email
from scheduling.cli.openapi import openapi
from scheduling.cli.outbox import outbox
from scheduling.cli.plugins import plugins
from scheduling.cli.program import Program
from scheduling.cli.smoke import smoke
from scheduling.cli.user import user
from scheduling.cli.web import web
from scheduling.cli.worker import worker
from scheduling.config import loader
from scheduling.db.failures import sentence
from scheduling.exceptions import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterator


_INI_VARIABLE, _DEFAULT_INI = "SCHEDULING_CONFIG", "development.ini"


class Commands(click.Group):
    """Scheduling's subcommands and those of the enabled plugins.

    Errors of the database, and of Alembic such as an unknown revision, are printed as one line.
    """

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names, without those of plugins if the settings cannot be read."""
        names = super().list_commands(context)
        with suppress(StartupError):
            names += _program(context).plugin_commands
        return sorted(names)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return a command, or None; raise ``StartupError`` for a plugin's if the settings are wrong."""
        command = super().get_command(context, name)
        if command is None and name in loader.installed():
            return _program(context).plugin_commands.get(name)
        return command

    def invoke(self, context: click.Context) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(context)
        except DatabaseError as error:
            raise click.ClickException(sentence(error)) from error
        except CommandError as error:
            raise click.ClickException(f"{error}.") from error


def _program(context: click.Context) -> Program:
    """Return the program of the settings file; for ``--help`` it is made before :func:`main` is called."""
    if context.obj is None:
        ini = context.params.get("config") or os.environ.get(_INI_VARIABLE) or _DEFAULT_INI
        context.obj = Program(ini, context.with_resource(ExitStack()))
    program: Program = context.obj
    return program


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """End by ``SystemExit`` on SIGTERM during the ``with`` block, with the status that a shell would give.

    So ``finally`` blocks run, such as the one that deletes the account of the smoke test. As the first
    process of a container it would not end at all otherwise: there the signal does nothing by default.
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
    # A name that the terminal's encoding lacks is shown in escapes; it would end the command otherwise.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # Those two handle SIGTERM themselves: they finish what is in progress.
    if context.invoked_subcommand not in ("web", "worker"):
        context.with_resource(ending_on_sigterm())
    context.obj = Program(config, context.with_resource(ExitStack()))


main.add_command(config_group)
main.add_command(db)
main.add_command(user)
main.add_command(plugins)
main.add_command(openapi)
main.add_command(web)
main.add_command(worker)
main.add_command(outbox)
main.add_command(email)
main.add_command(smoke)
