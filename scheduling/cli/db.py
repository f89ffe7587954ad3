"""``scheduling db``: migrates the database and checks its schema."""

from __future__ import annotations

import os
from time import monotonic, sleep
from typing import TYPE_CHECKING

import click

from scheduling.db import migrations
from scheduling.exceptions import StartupError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from scheduling.cli.program import Program
    from scheduling.config.loader import LoadedPlugin


_POLL_SECONDS = 1.0


@click.group()
def db() -> None:
    """Migrate the database and check its schema."""


def _engine_and_plugins(program: Program) -> tuple[sa.Engine, list[LoadedPlugin]]:
    return program.engine, program.setup.plugins


def _print_current(engine: sa.Engine, plugins: list[LoadedPlugin]) -> None:
    ahead = migrations.ahead(engine, plugins)
    for tree, (here, newest) in migrations.current(engine, plugins).items():
        state = "up to date" if here == newest else f"the newest is {newest}"
        if tree in ahead:
            state = f"ahead of this release, which knows {newest}"
        click.echo(f"{tree:<16} {here or 'nothing'} ({state})")


@db.command()
@click.option(
    "--job",
    metavar="NAME",
    help="The Job of Kubernetes that runs this: do nothing unless SCHEDULING_CURRENT_JOB names it too.",
)
@click.pass_obj
def upgrade(program: Program, job: str | None) -> None:
    """Bring core and every enabled plugin to the newest schema."""
    # An upgrade of the deployment that failed leaves its Job behind, which may start long after a later one.
    if job is not None and job != (wanted := os.environ.get("SCHEDULING_CURRENT_JOB")):
        click.echo(f"Nothing is done: {job} was replaced, and its release now has {wanted or 'no such Job'}.")
        return
    engine, plugins = _engine_and_plugins(program)
    migrations.upgrade(engine, plugins)
    _print_current(engine, plugins)


@db.command()
@click.option(
    "--timeout", type=click.IntRange(0), default=300, show_default=True, help="Seconds until it gives up."
)
@click.pass_obj
def wait(program: Program, timeout: int) -> None:
    """Wait until the database answers and has the schema of this release; exit 1 when that takes longer.

    For containers that start beside the one that upgrades. A newer schema is only warned of.
    """
    engine, plugins = _engine_and_plugins(program)
    deadline = monotonic() + timeout
    last_message = ""
    while True:
        try:
            migrations.require_upgraded(engine, plugins)
        except StartupError as error:
            left = deadline - monotonic()
            if left <= 0:
                raise StartupError(f"Gave up after {timeout} seconds. {error}") from error
            if str(error) != last_message:
                last_message = str(error)
                click.echo(f"Waiting. {last_message}")
            sleep(min(_POLL_SECONDS, left))
        else:
            click.echo("The database is ready.")
            return


@db.command()
@click.pass_obj
def current(program: Program) -> None:
    """Show which revision each tree has."""
    _print_current(*_engine_and_plugins(program))


@db.command()
@click.pass_obj
def check(program: Program) -> None:
    """Compare the database with the models; exit 1 where they differ."""
    engine, plugins = _engine_and_plugins(program)
    behind = migrations.behind(engine, plugins)
    if behind:
        raise click.ClickException(f"Behind: {', '.join(behind)}. Run: scheduling db upgrade")
    found = migrations.differences(engine, plugins)
    if found:
        raise click.ClickException("\n  ".join(["The database differs from the models:", *found]))
    click.echo("The models and the migrations agree.")


@db.command()
@click.argument("tree")
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Do not ask; tables that go take their rows with them.")
@click.pass_obj
def downgrade(program: Program, tree: str, revision: str, *, yes: bool) -> None:
    """Take TREE (core, a plugin's name, or all) back to REVISION ("base" for nothing)."""
    if not yes:
        click.confirm(f"Take {tree} back to {revision}? Rows of tables that go are lost.", abort=True)
    engine, plugins = _engine_and_plugins(program)
    migrations.downgrade(engine, plugins, tree, revision)
    _print_current(engine, plugins)
