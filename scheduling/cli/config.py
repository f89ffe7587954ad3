"""``scheduling config``: checks the settings without starting anything."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from scheduling.app import make_app
from scheduling.cli.web import server_options
from scheduling.config import loader
from scheduling.config.announcement import broker
from scheduling.config.database_url import place
from scheduling.config.ini import set_up_logging
from scheduling.config.sources import Configuration
from scheduling.exceptions import StartupError
from scheduling.logs import printable
from scheduling.observability import otel
from scheduling.server import waitress
from scheduling.startup import set_up_from

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from scheduling.cli.program import Program
    from scheduling.config.settings import Settings
    from scheduling.startup import Setup

_OTHER_VARIABLES = frozenset({"SCHEDULING_CONFIG", "SCHEDULING_PASSWORD"})
"""Variables that commands read and that are no settings."""

_LOCAL = ("127.0.0.1", "::1", "localhost")


@click.group()
def config() -> None:
    """Look at the settings."""


@config.command()
@click.pass_obj
def check(program: Program) -> None:
    """Check everything that is read at a start, and build the application; the database is not asked.

    All mistakes are told in one message, with exit status 1. What was found is printed without secrets.
    """
    configuration = Configuration(program.ini, os.environ)
    threads = 0
    with _collecting_mistakes(configuration):
        set_up_logging(program.ini_path)
    with _collecting_mistakes(configuration):
        threads = waitress.adjustments(server_options(program.ini_path, None)).threads
    setup = set_up_from(configuration)
    make_app(setup, program.ini)
    given = sorted(name for name in configuration.variables if os.environ.get(name))
    click.echo(f"settings     {program.ini_path}")
    click.echo(f"variables    {', '.join(given) or 'none'}")
    for line in summary(setup, threads):
        click.echo(printable(line))
    for warning in (*warnings(setup.settings, threads), *unknown_variables(configuration.variables)):
        click.echo(f"warning: {warning}")
    click.echo("Everything can start with these settings.")


@contextmanager
def _collecting_mistakes(configuration: Configuration) -> Iterator[None]:
    """Keep a ``StartupError`` of the ``with`` block, to be reported with the other mistakes."""
    try:
        yield
    except StartupError as error:
        configuration.mistakes.append(str(error))


def summary(setup: Setup, threads: int) -> Iterator[str]:
    """Yield the lines that say what would start with the settings; none has a secret."""
    settings = setup.settings
    plugins = ", ".join(f"{plugin.name} ({plugin.distribution})" for plugin in setup.plugins)
    yield f"environment  {settings.app_env}"
    yield f"web          {settings.host}:{settings.port}, {threads} threads a process"
    yield f"metrics      {settings.host}:{settings.metrics_port}"
    yield f"database     {place(settings.database_url)}"
    yield f"broker       {broker(settings)}"
    yield f"plugins      {plugins or 'none'}"
    yield f"e-mail       {settings.email_provider}, from {settings.email_from}"
    traces = "sent by OpenTelemetry" if otel.is_configured(os.environ) and otel.is_installed() else "not sent"
    yield f"traces       {traces}"
    yield f"origins      {' '.join(settings.cors_origins) or 'none'}"


def warnings(settings: Settings, threads: int) -> Iterator[str]:
    """Yield what is allowed but probably not intended."""
    production = settings.app_env == "production"
    if production and settings.email_provider == "mock":
        yield "no e-mail is sent: EMAIL_PROVIDER is mock, which prints them to the log"
    if settings.email_provider != "mock" and "@localhost" in settings.email_from:
        yield f"e-mails come from {settings.email_from}: set EMAIL_FROM to an address of yours"
    if not production and settings.host not in _LOCAL:
        yield "APP_ENV is development, which takes a secret that everybody knows, and other machines can call"
    if otel.is_configured(os.environ) and not otel.is_installed():
        yield otel.NOT_INSTALLED
    if settings.database_pool_size < threads:
        yield (
            f"SCHEDULING_DATABASE_POOL_SIZE is {settings.database_pool_size}: "
            f"{threads} threads wait for each other's connections"
        )


def unknown_variables(known: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each ``SCHEDULING_…`` variable that neither core nor an installed plugin reads."""
    owners = tuple(f"SCHEDULING_{name.upper()}_" for name in loader.installed())
    for name in sorted(os.environ):
        ours = name.startswith("SCHEDULING_") and not name.startswith(owners)
        if ours and name not in known and name not in _OTHER_VARIABLES:
            yield f"{printable(name)} is not a setting"
