"""``scheduling analytics``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scheduling.plugin import session_scope
from scheduling_analytics import rollups

if TYPE_CHECKING:
    from scheduling.plugin import Program


@click.group()
def commands() -> None:
    """Look after what the dashboard counts."""


@commands.command()
@click.pass_obj
def rebuild(program: Program) -> None:
    """Count all events anew, as after rows were loaded or partitions dropped by hand.

    Others may write and read meanwhile.
    """
    with session_scope(program.registry) as db:
        if not rollups.has_rollups(db):
            click.echo("Only PostgreSQL keeps counts; here the events are counted whenever somebody asks.")
            return
        rollups.rebuild(db)
    click.echo("All events are counted anew.")
