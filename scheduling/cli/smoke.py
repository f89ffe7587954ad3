"""``scheduling smoke``: uses a running installation as a client does, and names the step that fails.

Core's steps are those of an account. What is done with bookings, say, their plugin adds.
"""

from __future__ import annotations

from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING

import click
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from scheduling.cli.smoke_client import Failed
from scheduling.cli.smoke_user import ThrowAwayUser
from scheduling.db.failures import one_line
from scheduling.exceptions import name_and_text
from scheduling.logs import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scheduling.cli.program import Program
    from scheduling.config.loader import LoadedPlugin
    from scheduling.plugin import Registry, SmokeStep, SmokeUser


@click.command()
@click.option("--url", metavar="URL", help="Where it answers; by default on this machine, at the PORT.")
@click.option(
    "--email",
    "address",
    metavar="ADDRESS",
    help="The throw-away account's address, to which e-mails go; by default one at example.com.",
)
@click.option(
    "--timeout", type=click.IntRange(1), default=60, show_default=True, help="Seconds to wait for the e-mail."
)
@click.pass_obj
def smoke(program: Program, url: str | None, address: str | None, timeout: int) -> None:
    """Try a running installation out with a throw-away account; exit 1 at the first step that fails.

    The account and what belongs to it are deleted in the end, in the database of the settings.
    """
    registry = program.registry
    url = _checked(url or _own_url(registry))
    user = ThrowAwayUser(registry, url, address, timeout)
    click.echo(f"{user.name} at {url}")
    try:
        for name, step in _steps(registry, user):
            _run_step(name, step)
    finally:
        _run_step("clean up", user.delete)


def _own_url(registry: Registry) -> str:
    host = registry.core_settings.host
    return f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{registry.core_settings.port}"  # noqa: S104


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter("must start with http:// or https://", param_hint="--url")
    return url.rstrip("/")


def _steps(registry: Registry, user: ThrowAwayUser) -> list[SmokeStep]:
    """Return the steps in order: core's, then those of the enabled plugins.

    Waiting for the welcome e-mail shows that e-mails are sent, and is left to the plugins where they have
    steps, since they wait for an e-mail of theirs.
    """
    return [
        ("register", user.register),
        ("find it in the database", user.find_in_database),
        ("log in", user.log_in),
        *(
            _plugin_steps(registry.plugins, user)
            or [("see the e-mail sent", lambda: user.wait_for_email("WELCOME"))]
        ),
    ]


def _plugin_steps(plugins: Sequence[LoadedPlugin], user: SmokeUser) -> list[SmokeStep]:
    modules = [import_module(f"{plugin.package}.smoke") for plugin in plugins if plugin.manifest.smoke_test]
    return [step for module in modules for step in module.steps(user)]


def _run_step(name: str, step: Callable[[], None]) -> None:
    """Run a step and print how long it took, or why it failed; end with status 1 in that case."""
    started = perf_counter()
    try:
        step()
    except (Failed, LookupError, TypeError, SQLAlchemyError) as error:
        click.echo(f"FAILED  {name}: {printable(_reason(error))}")
        raise SystemExit(1) from error
    click.echo(f"ok      {name:<24} {(perf_counter() - started) * 1000:>7.0f} ms")


def _reason(error: Exception) -> str:
    if isinstance(error, DBAPIError):
        return one_line(error)
    return str(error) if isinstance(error, Failed) else name_and_text(error)
