"""The outbox: messages that must leave the system, written in the transaction that caused them.

The row holds the message and its state; the broker only carries its id, which is published again if lost.
States: ``scheduled`` (written for a later moment, which has not come), ``pending`` (waits for its turn),
``queued`` (published), ``running`` (claimed by a worker), then ``done``, ``retry`` (later, at ``due_at``),
``dead`` (given up, kept for an operator) or ``skipped`` (nobody needs it any more).
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime  # noqa: TC003 - SQLAlchemy reads the columns' annotations
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from scheduling import tracing
from scheduling.db.statements import Statement
from scheduling.messaging.models import Delay, State, outbox
from scheduling.messaging.turns import sender_of_request
from scheduling.times import utcnow
from scheduling.web.responses import to_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from scheduling.db.metadata import Row
    from scheduling.db.session import Session

logger = logging.getLogger(__name__)

_insert = Statement(sa.insert(outbox))
_insert_unless_there = {
    "postgresql": Statement(postgresql.insert(outbox).on_conflict_do_nothing(index_elements=["dedupe_key"])),
    "sqlite": Statement(sqlite.insert(outbox).on_conflict_do_nothing(index_elements=["dedupe_key"])),
}


def enqueue(
    db: Session,
    *,
    consumer: str,
    kind: str,
    payload: Mapping[str, Any],
    dedupe_key: str | None = None,
    due_at: datetime | None = None,
    expires_at: datetime | None = None,
    user_id: int | None = None,
) -> uuid.UUID:
    """Write a message for a consumer at the commit of the current transaction and return its id.

    ``payload`` is JSON-able; moments in it become RFC 3339 text. Of two messages with one
    ``dedupe_key`` the first is kept. ``due_at`` is now unless a later moment is given; what is not delivered
    at ``expires_at`` is skipped. The message takes the turn of the user who sends the request, and outside a
    request of ``user_id``: now, or when it becomes due. Raises LookupError where no enabled plugin has the
    consumer, which in production is logged: a release that is just being replaced may not have it yet.
    """
    if consumer not in db.registry.outbox_consumers:
        refuse(db, f"No enabled plugin handles messages to {consumer!r}.")
    message_id = uuid.uuid4()
    now = utcnow()
    is_later = due_at is not None and due_at > now
    span = tracing.current()
    sender = sender_of_request()
    whose = user_id if sender is None else sender
    row = {
        "id": message_id,
        "kind": kind,
        "consumer": consumer,
        "dedupe_key": dedupe_key,
        "payload": orjson.loads(to_json(payload)),
        "state": State.SCHEDULED if is_later else State.PENDING,
        "due_at": due_at if is_later else now,
        "expires_at": expires_at,
        "turn": (whose or 0) if is_later else db.registry.turns.take(whose),
        "created_at": now,
        "traceparent": str(span) if span else None,
    }
    unless_there = _insert_unless_there[db.registry.engine.dialect.name]
    db.insert_at_commit(_insert if dedupe_key is None else unless_there, row)
    db.after_commit(db.registry.wake_relays)
    return message_id


def refuse(db: Session, reason: str) -> None:
    """Raise LookupError for a message that nobody would handle; in production log it as an error."""
    if db.registry.core_settings.app_env != "production":
        raise LookupError(reason)
    logger.error("%s The message waits for a day, then it is dead.", reason)


_is_unsent = sa.and_(
    outbox.c.state.in_([State.SCHEDULED, State.PENDING, State.QUEUED, State.RETRY]),
    outbox.c.attempts == 0,
    outbox.c.handed_at.is_(None),
)


def lock_unsent(db: Session, dedupe_key: str) -> Row | None:
    """Return a message that was not handed to its consumer yet, with its id, ``due_at`` and ``created_at``.

    None if there is no such message, as before the commit of what wrote it. Until the end of the transaction
    no worker takes it, so that what the transaction changes is in it.
    """
    query = (
        sa.select(outbox.c.id, outbox.c.due_at, outbox.c.created_at)
        .where(outbox.c.dedupe_key == dedupe_key, _is_unsent)
        .with_for_update()
    )
    return db.row(query)


def move(db: Session, message_id: uuid.UUID, due_at: datetime) -> None:
    """Give a message that was written for a later moment another one; one that waits otherwise stays."""
    # The delay is that of the release before, which runs beside this one; it goes with the next release.
    is_early = sa.or_(outbox.c.state == State.SCHEDULED, outbox.c.delay == Delay.SCHEDULED)
    db.write(sa.update(outbox).where(outbox.c.id == message_id, is_early).values(due_at=due_at))


def withdraw(db: Session, dedupe_keys: Collection[str]) -> None:
    """Delete messages that were not handed to their consumer yet, by their keys, which are free again then.

    One that a worker has in hand, or had, stays, and its key with it; so its handler has to look whether it
    still holds. What was written in the same transaction is not found.
    """
    # A row that is locked is on its way to a worker. To wait for it could be a deadlock, since a worker takes
    # many rows at once.
    chosen = sa.select(outbox.c.id).where(outbox.c.dedupe_key.in_(dedupe_keys), _is_unsent)
    db.write(sa.delete(outbox).where(outbox.c.id.in_(chosen.with_for_update(skip_locked=True))))


def release_key(db: Session, dedupe_key: str) -> None:
    """Let another message have the key of one that is under way or finished."""
    db.write(sa.update(outbox).where(outbox.c.dedupe_key == dedupe_key).values(dedupe_key=None))
