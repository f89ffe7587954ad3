"""``scheduling email suppressions``: the addresses to which no e-mail is sent any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from marshmallow import ValidationError

from scheduling.accounts import suppressions as service
from scheduling.cli.tables import print_table
from scheduling.db.session import session_scope
from scheduling.logs import printable
from scheduling.times import format_timestamp
from scheduling.web.responses import to_json
from scheduling.web.schemas import EmailAddress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduling.cli.program import Program
    from scheduling.db.metadata import Row

_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")


@click.group()
def suppressions() -> None:
    """Look at the addresses to which no e-mail is sent any more, add some, or remove them."""


@suppressions.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@_as_json
@click.pass_obj
def list_suppressions(program: Program, limit: int, *, as_json: bool) -> None:
    """List the addresses with the reason of each, newest first."""
    query = service.select_suppressions.order_by(*service.NEWEST_FIRST.order_by())
    with session_scope(program.registry) as db:
        rows = db.rows(query.limit(limit + 1))
    if as_json:
        click.echo(to_json(rows[:limit]))
    elif not rows:
        click.echo("No address is suppressed.")
    else:
        print_table(["ADDRESS", "SINCE", "REASON"], [_line(row) for row in rows[:limit]])
    if len(rows) > limit:
        click.echo(f"There are more than {limit}; --limit shows more of them.", err=True)


def _line(row: Row) -> list[str]:
    return [row.address, f"{format_timestamp(row.created_at)[:19]}Z", row.reason]


@suppressions.command()
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@click.option("--reason", default="added by an operator", show_default=True, help="Why, for whoever asks.")
@_as_json
@click.pass_obj
def add(program: Program, addresses: tuple[str, ...], reason: str, *, as_json: bool) -> None:
    """Send no e-mail to these addresses any more; of one that is suppressed already, change the reason."""
    added, refused = [], []
    with session_scope(program.registry) as db:
        for address in dict.fromkeys(addresses):
            try:
                service.suppress(db, EmailAddress().deserialize(address), reason)
                added.append(address)
            except ValidationError:
                refused.append({"address": address, "error": f"{address} is not a valid e-mail address."})
    _report("suppressed", added, refused, as_json=as_json)


@suppressions.command()
@click.argument("addresses", metavar="ADDRESS...", nargs=-1, required=True)
@_as_json
@click.pass_obj
def remove(program: Program, addresses: tuple[str, ...], *, as_json: bool) -> None:
    """Send e-mails to these addresses again.

    E-mails that were skipped meanwhile stay so; scheduling outbox redrive has them sent.
    """
    removed, refused = [], []
    with session_scope(program.registry) as db:
        for address in dict.fromkeys(addresses):
            if service.unsuppress(db, address):
                removed.append(address)
            else:
                refused.append({"address": address, "error": f"{address} is not suppressed."})
    _report("removed", removed, refused, as_json=as_json)


def _report(verb: str, changed: Sequence[str], refused: Sequence[dict[str, str]], *, as_json: bool) -> None:
    """Print what was done, and end with status 1 if anything was refused."""
    if as_json:
        click.echo(to_json({verb: changed, "refused": refused}))
    else:
        click.echo(f"{len(changed)} {'address' if len(changed) == 1 else 'addresses'} {verb}.")
        for refusal in refused:
            click.echo(f"Error: {printable(refusal['error'])}", err=True)
    if refused:
        raise click.exceptions.Exit(1)
