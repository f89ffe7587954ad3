"""The table of the outbox, its states and its indexes."""

from __future__ import annotations

import uuid  # noqa: TC003
from datetime import datetime  # noqa: TC003 - SQLAlchemy reads the columns' annotations
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from scheduling.db.metadata import Json, Timestamp, metadata
from scheduling.times import utcnow


class State(StrEnum):
    """The states of a message; :mod:`scheduling.messaging.outbox` says how one follows another."""

    SCHEDULED = "scheduled"
    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    RETRY = "retry"
    DONE = "done"
    DEAD = "dead"
    SKIPPED = "skipped"


class Delay(StrEnum):
    """Why a message in the state ``retry`` waits."""

    RATE_LIMIT = "rate_limit"
    """The e-mail rate limit has no room: the rows stay as they are, and only metrics say so."""
    OUTAGE = "outage"
    """The provider takes nothing now, or nobody knows whether it took this."""
    POSTPONED = "postponed"
    """Its handler did nothing."""
    RETRY = "retry"
    """An attempt failed."""
    SCHEDULED = "scheduled"
    """It was written for a later moment, by the release before."""


OPEN_STATES = (State.PENDING, State.QUEUED, State.RUNNING, State.RETRY)
"""The states of messages that are still to be delivered, but for what is not due for the first time yet."""

FINISHED_STATES = (State.DONE, State.SKIPPED)
"""The states of messages that nobody needs any more; they are pruned after a while."""


class OutboxColumns(sa.TypedColumns):
    """``due_at`` is when the relay looks at the row again: first, after a back-off, or after a lease.

    What is ``scheduled`` is not looked at before. What is ``pending`` is due, and is taken in the order of
    ``turn``.
    """

    id: sa.Named[uuid.UUID] = sa.Column(sa.Uuid(), primary_key=True)
    kind: sa.Named[str] = sa.Column(sa.String(100), nullable=False)
    consumer: sa.Named[str] = sa.Column(sa.String(100), nullable=False)
    dedupe_key: sa.Named[str | None] = sa.Column(sa.String(255), unique=True)
    payload: sa.Named[Any] = sa.Column(Json, nullable=False)
    state: sa.Named[str] = sa.Column(sa.String(20), nullable=False, server_default="pending")
    attempts: sa.Named[int] = sa.Column(sa.Integer, nullable=False, server_default="0")
    due_at: sa.Named[datetime] = sa.Column(Timestamp, nullable=False)
    lease_until: sa.Named[datetime | None] = sa.Column(Timestamp)
    owner: sa.Named[str | None] = sa.Column(sa.String(255))
    provider_id: sa.Named[str | None] = sa.Column(sa.String(255))
    last_error: sa.Named[str | None] = sa.Column(sa.Text)
    created_at: sa.Named[datetime] = sa.Column(
        Timestamp, nullable=False, default=utcnow, server_default=sa.func.now()
    )
    """When it was written. Where that was for a later moment, it is that moment from then on."""
    done_at: sa.Named[datetime | None] = sa.Column(Timestamp)
    reserved_at: sa.Named[datetime | None] = sa.Column(Timestamp)
    """What the release before reserved for it; it goes with the next release."""
    turn: sa.Named[int] = sa.Column(sa.BigInteger, nullable=False, server_default="0")
    """Its place among those that wait for the same consumer (:mod:`scheduling.messaging.turns`).

    One that is ``scheduled`` has none yet: this is then the id of the user whose turn it is to take, or 0.
    """
    postponed: sa.Named[int] = sa.Column(sa.Integer, nullable=False, server_default="0")
    """How often its handler has postponed it with the delay ``retry``."""
    expires_at: sa.Named[datetime | None] = sa.Column(Timestamp)
    """When it has lost its use, so that it is skipped from then on."""
    handed_at: sa.Named[datetime | None] = sa.Column(Timestamp)
    """When it was handed over for the first time while nobody knows with which outcome."""
    handed: sa.Named[Any] = sa.Column(Json, nullable=True)
    """What was handed over then, to be handed over again the same."""
    delay: sa.Named[str | None] = sa.Column(sa.String(20))
    """The :class:`Delay` of a message in the state ``retry``; NULL where the release before wrote that."""
    traceparent: sa.Named[str | None] = sa.Column(sa.String(55))
    """The span in which it was written, as the header ``traceparent`` (:mod:`scheduling.tracing`)."""


outbox = sa.Table("outbox", metadata, OutboxColumns)


def _is_in(states: tuple[State, ...]) -> sa.ColumnElement[bool]:
    # Spelled out, not bound: a planner takes a partial index only for a condition that it can read.
    return outbox.c.state.in_(sa.literal_column(f"'{state}'") for state in states)


is_open = _is_in(OPEN_STATES)
"""The condition, and the predicate of the partial index, of messages that are still to be delivered."""

is_finished = _is_in(FINISHED_STATES)
"""The same for messages that nobody needs any more."""

is_scheduled = _is_in((State.SCHEDULED,))
"""The same for messages that were written for a later moment and have not got their turn yet."""

is_waiting = _is_in((State.PENDING,))
"""The same for messages that wait for their turn."""

comes_again = _is_in((State.QUEUED, State.RUNNING, State.RETRY))
"""The same for messages that are taken up again, or for the first time, when ``due_at`` has come."""

# Partial, so that claiming costs the same however many rows are done.
sa.Index(
    "ix_outbox_consumer_turn",
    outbox.c.consumer,
    outbox.c.turn,
    postgresql_where=is_waiting,
    sqlite_where=is_waiting,
)
sa.Index(
    "ix_outbox_consumer_due_at",
    outbox.c.consumer,
    outbox.c.due_at,
    postgresql_where=comes_again,
    sqlite_where=comes_again,
)
# What is due for whichever consumer, and how long; the release before takes messages by it.
sa.Index("ix_outbox_due_at", outbox.c.due_at, postgresql_where=is_open, sqlite_where=is_open)
# Apart from the others, so that a million reminders of next year cost nobody who looks for work anything.
sa.Index("ix_outbox_scheduled", outbox.c.due_at, postgresql_where=is_scheduled, sqlite_where=is_scheduled)
sa.Index(
    "ix_outbox_unfinished",
    outbox.c.state,
    outbox.c.kind,
    postgresql_where=~is_finished,
    sqlite_where=~is_finished,
)
sa.Index("ix_outbox_done_at", outbox.c.done_at, postgresql_where=is_finished, sqlite_where=is_finished)
sa.Index("ix_outbox_created_at_id", outbox.c.created_at, outbox.c.id)
sa.Index("ix_outbox_state_created_at_id", outbox.c.state, outbox.c.created_at, outbox.c.id)
# Costs a booking 1.3 µs and its delivery 5; without it a kind that is rare or gone is looked for in all rows.
sa.Index("ix_outbox_kind_created_at_id", outbox.c.kind, outbox.c.created_at, outbox.c.id)
