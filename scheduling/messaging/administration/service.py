"""Lists, redrives and discards messages of the outbox, for the API and the command line."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from pyramid.httpexceptions import HTTPConflict

from scheduling.db.metadata import bytewise
from scheduling.db.session import session_scope
from scheduling.exceptions import Missing
from scheduling.messaging.models import State, outbox
from scheduling.times import utcnow
from scheduling.web.pagination import Keyset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduling.db.metadata import Query, Row
    from scheduling.db.session import Session
    from scheduling.messaging.registry import MessagingRegistry

LIST_COLUMNS = (
    outbox.c.id,
    outbox.c.kind,
    outbox.c.consumer,
    outbox.c.state,
    outbox.c.attempts,
    outbox.c.due_at,
    outbox.c.created_at,
    outbox.c.done_at,
    outbox.c.provider_id,
    outbox.c.last_error,
    outbox.c.dedupe_key,
)
"""The columns of a message in a list."""

ALL_COLUMNS = (*LIST_COLUMNS, outbox.c.payload, outbox.c.lease_until, outbox.c.owner, outbox.c.traceparent)
"""The columns of one message."""

NEWEST_FIRST = Keyset((outbox.c.created_at, outbox.c.id), (True, True))
OLDEST_FIRST = Keyset((outbox.c.created_at, outbox.c.id), (False, False))

REDRIVABLE = (State.DEAD, State.RETRY, State.SKIPPED)

# A queued one too: its id may be at the broker, but the worker that receives it can claim nothing.
DISCARDABLE = (State.SCHEDULED, State.PENDING, State.QUEUED, State.RETRY, State.DEAD)

BATCH = 1000

_MANY_HAVE = (State.DONE, State.SCHEDULED)


def select(state: str | None = None, kind: str | None = None) -> Query:
    """Return the query for the messages of a state and a kind, or of all."""
    query: Query = sa.select(*LIST_COLUMNS)
    if state is not None:
        column: sa.ColumnElement[str] = outbox.c.state
        if kind is not None and state in _MANY_HAVE:
            # No index has this, so that the kind is looked for, and not all that is done for that kind.
            column = column.concat("")
        # Spelled out, not bound: a planner must know that many messages are done, and few are dead.
        query = query.where(column == sa.literal_column(f"'{State(state)}'"))
    if kind is not None:
        query = query.where(outbox.c.kind == kind)
    return query


def find(db: Session, message_id: uuid.UUID) -> Row:
    """Return a message; raise ``Missing`` if there is none."""
    row = db.row(sa.select(*ALL_COLUMNS).where(outbox.c.id == message_id))
    if row is None:
        raise _missing(message_id)
    return row


def redrive(db: Session, message_id: uuid.UUID) -> Row:
    """Have a message tried again at once and return it.

    It keeps its id, by which a provider knows a repetition, its dedupe key and its last error. Raises
    ``Missing``, or 409 where its state does not allow it.
    """
    row = _change(db, message_id, REDRIVABLE, _redriven(), "redriven")
    _tell_relay_at_commit(db)
    return row


def discard(db: Session, message_id: uuid.UUID) -> Row:
    """Give a message up, keeping its row, and return it. Raises as :func:`redrive`."""
    values = {
        "state": State.SKIPPED,
        "done_at": utcnow(),
        "last_error": "discarded by an operator",
    }
    return _change(db, message_id, DISCARDABLE, values, "discarded")


def redrive_all(registry: MessagingRegistry, state: str, kind: str | None = None) -> list[uuid.UUID]:
    """Redrive every message of a state, and of a kind, oldest first; return their ids.

    Each batch is a transaction. One that is redriven here and fails again meanwhile is not met twice.
    """
    query = select(state, kind).order_by(*OLDEST_FIRST.order_by()).limit(BATCH)
    page, redriven = query, list[uuid.UUID]()
    while True:
        with session_scope(registry) as db:
            _tell_relay_at_commit(db)
            rows = db.rows(page)
            chosen = outbox.c.id.in_([row.id for row in rows])
            update = sa.update(outbox).where(chosen, outbox.c.state == state).values(_redriven())
            redriven += db.write(update.returning(outbox.c.id)).scalars()
        if len(rows) < BATCH:
            return redriven
        last = rows[-1]
        page = query.where(OLDEST_FIRST.after()).params(after_0=last.created_at, after_1=last.id)


def count(db: Session) -> Sequence[Row]:
    """Return how many messages there are of each kind and state."""
    columns = (outbox.c.kind, outbox.c.state)
    counts = sa.select(*columns, sa.func.count().label("count")).group_by(*columns)
    return db.rows(counts.order_by(*map(bytewise, columns)))


def _tell_relay_at_commit(db: Session) -> None:
    """Have a relay of this process look for due messages as soon as the transaction is committed."""
    db.after_commit(db.registry.wake_relays)


def _redriven() -> dict[str, Any]:
    """Return the columns of a message that is to be tried again at once, with all its attempts."""
    return {
        "state": State.PENDING,
        "attempts": 0,
        "due_at": utcnow(),
        "delay": None,
        "postponed": 0,
        "expires_at": None,
        "handed_at": None,
        "handed": None,
        "done_at": None,
    }


def _change(
    db: Session, message_id: uuid.UUID, allowed: Sequence[State], values: dict[str, Any], verb: str
) -> Row:
    """Write ``values`` where the message's state is an allowed one, and return the message.

    The UPDATE itself checks the state: a worker may change it at the same time.
    """
    is_it = outbox.c.id == message_id
    update = sa.update(outbox).where(is_it, outbox.c.state.in_(allowed)).values(values)
    changed = db.write(update.returning(*ALL_COLUMNS)).first()
    if changed is None:
        state = db.scalar(sa.select(outbox.c.state).where(is_it))
        if state is None:
            raise _missing(message_id)
        raise HTTPConflict(
            f"Message {message_id} is {state}; only messages that are {_joined_by_or(allowed)} can be {verb}."
        )
    return changed


def _missing(message_id: uuid.UUID) -> Missing:
    return Missing(f"There is no message {message_id}.")


def _joined_by_or(states: Sequence[State]) -> str:
    return f"{', '.join(states[:-1])} or {states[-1]}"
