"""``scheduling outbox``: lists messages of the outbox, has them tried again, or gives them up."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from pyramid.httpexceptions import HTTPConflict

from scheduling.cli.tables import print_table
from scheduling.db.session import session_scope
from scheduling.exceptions import Missing
from scheduling.logs import printable
from scheduling.messaging.administration import service
from scheduling.messaging.models import State
from scheduling.observability.metrics.outbox import oldest_due_seconds
from scheduling.times import format_timestamp
from scheduling.web.responses import to_json
from scheduling.web.schemas import parse_uuid

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Sequence

    from scheduling.cli.program import Program
    from scheduling.db.metadata import Row
    from scheduling.db.session import Session

_KIND_WIDTH = 20

_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")


def _state(*states: State, text: str) -> Callable[..., Any]:
    return click.option("--state", type=click.Choice([state.value for state in states]), help=text)


@click.group()
def outbox() -> None:
    """Look at messages, have them tried again, or give them up."""


@outbox.command("list")
@_state(*State, text="Only messages in this state.")
@click.option("--kind", help="Only messages of this kind, such as WELCOME.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@_as_json
@click.pass_obj
def list_messages(
    program: Program, state: str | None, kind: str | None, limit: int, *, as_json: bool
) -> None:
    """List messages, newest first."""
    query = service.select(state, kind).order_by(*service.NEWEST_FIRST.order_by())
    with session_scope(program.registry) as db:
        rows = db.rows(query.limit(limit + 1))
    if as_json:
        click.echo(to_json(rows[:limit]))
    elif not rows:
        click.echo("There are no such messages.")
    else:
        lines = [_line(row) for row in rows[:limit]]
        print_table(["ID", "KIND", "STATE", "TRIES", "CREATED", "LAST ERROR"], lines)
    if len(rows) > limit:
        click.echo(f"There are more than {limit}; --limit shows more of them.", err=True)


def _line(row: Row) -> list[str]:
    kind = row.kind if len(row.kind) <= _KIND_WIDTH else f"{row.kind[: _KIND_WIDTH - 1]}…"
    # Without milliseconds, which nobody misses here, to leave room for the error.
    created = f"{format_timestamp(row.created_at)[:19]}Z"
    return [str(row.id), kind, row.state, str(row.attempts), created, row.last_error or ""]


@outbox.command()
@click.argument("message_id", metavar="ID")
@_as_json
@click.pass_obj
def show(program: Program, message_id: str, *, as_json: bool) -> None:
    """Show the message ID with its payload."""
    try:
        with session_scope(program.registry) as db:
            row = service.find(db, _uuid(message_id))
    except Missing as error:
        raise click.ClickException(error.detail) from error
    if as_json:
        click.echo(to_json(row))
        return
    members = row._asdict()
    payload = json.dumps(members.pop("payload"), indent=2, ensure_ascii=False)
    for name, value in members.items():
        shown = format_timestamp(value) if isinstance(value, datetime) else value
        click.echo(f"{name:<13}{'-' if shown is None else printable(str(shown))}")
    click.echo("payload")
    for line in payload.splitlines():
        click.echo(f"  {printable(line)}")


@outbox.command()
@click.argument("message_ids", metavar="[ID]...", nargs=-1)
@_state(*service.REDRIVABLE, text="Instead of IDs: every message in this state.")
@click.option("--kind", help="With --state: only messages of this kind.")
@_as_json
@click.pass_obj
def redrive(
    program: Program, message_ids: tuple[str, ...], state: str | None, kind: str | None, *, as_json: bool
) -> None:
    """Have dead, retry or skipped messages tried again at once, with all their attempts before them.

    A message keeps its id, so that a provider that knows repetitions does not send it twice.
    """
    if bool(message_ids) == bool(state):
        raise click.UsageError("Name messages by their IDs, or all of a state with --state.")
    if kind is not None and state is None:
        raise click.UsageError("--kind narrows --state, and has no use with IDs.")
    if state is None:
        changed, refused = _change_each(program, message_ids, service.redrive)
    else:
        changed, refused = service.redrive_all(program.registry, state, kind), []
    _report("redriven", changed, refused, as_json=as_json)


@outbox.command()
@click.argument("message_ids", metavar="ID...", nargs=-1, required=True)
@_as_json
@click.pass_obj
def discard(program: Program, message_ids: tuple[str, ...], *, as_json: bool) -> None:
    """Give up messages that are not done, keeping them as skipped."""
    _report("discarded", *_change_each(program, message_ids, service.discard), as_json=as_json)


def _change_each(
    program: Program, message_ids: Sequence[str], change: Callable[[Session, uuid.UUID], Row]
) -> tuple[list[uuid.UUID], list[dict[str, str]]]:
    """Change those messages that allow it; return their ids, and the others with the reason of each."""
    changed, refused = [], []
    with session_scope(program.registry) as db:
        for message_id in dict.fromkeys(message_ids):
            try:
                changed.append(change(db, _uuid(message_id)).id)
            except (Missing, HTTPConflict) as error:
                refused.append({"id": message_id, "error": error.detail})
    return changed, refused


def _report(
    verb: str, changed: Sequence[uuid.UUID], refused: Sequence[dict[str, str]], *, as_json: bool
) -> None:
    """Print what was done, and end with status 1 if anything was refused."""
    if as_json:
        click.echo(to_json({verb: changed, "refused": refused}))
    else:
        click.echo(f"{len(changed)} {'message' if len(changed) == 1 else 'messages'} {verb}.")
        for refusal in refused:
            click.echo(f"Error: {refusal['error']}", err=True)
    if refused:
        raise click.exceptions.Exit(1)


@outbox.command()
@_as_json
@click.pass_obj
def stats(program: Program, *, as_json: bool) -> None:
    """Count messages by kind and state, and tell how long the oldest due one has been waiting.

    It reads every message that is kept, the finished too. The metrics count the unfinished alone, at a cost
    that does not grow.
    """
    with session_scope(program.registry) as db:
        counts = service.count(db)
    waiting = oldest_due_seconds(program.registry)
    if as_json:
        click.echo(to_json({"counts": counts, "oldest_due_seconds": round(waiting, 3)}))
        return
    by_kind: dict[str, Counter[str]] = {}
    for kind, state, number in counts:
        by_kind.setdefault(kind, Counter())[state] = number
    numbers = [*by_kind.items(), ("all", sum(by_kind.values(), Counter()))]
    rows = [[kind, *(str(number[state]) for state in State)] for kind, number in numbers]
    print_table(["KIND", *(state.upper() for state in State)], rows, numeric=True)
    if waiting:
        click.echo(f"The oldest message that is due has been waiting for {waiting:.0f} seconds.")
    else:
        click.echo("No message is waiting.")


def _uuid(text: str) -> uuid.UUID:
    message_id = parse_uuid(text)
    if message_id is None:
        raise Missing(f"There is no message {text}.")
    return message_id
