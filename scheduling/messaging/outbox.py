"""The outbox: messages that must leave the system, written in the transaction that caused them.

The row is the truth; whatever the broker loses is published again. States: ``pending`` (written),
``queued`` (published), ``running`` (claimed by a consumer), then ``done``, ``retry`` (later, at
``due_at``), ``dead`` (given up, kept for an operator) or ``skipped`` (the world has moved on).
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - SQLAlchemy reads the columns' annotations
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from scheduling import tracing
from scheduling.db.session import Json, Timestamp, metadata
from scheduling.db.statements import Statement
from scheduling.times import utcnow
from scheduling.web.views import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyramid.config import Configurator
    from pyramid.registry import Registry

    from scheduling.db.session import Session
    from scheduling.events import Event

    Handler = Callable[["Message", Registry], str | None]


DEFAULT_ATTEMPTS = 8
"""With the default back-off a consumer is tried again for about three quarters of an hour."""


class State(StrEnum):
    """The life of a message."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    RETRY = "retry"
    DONE = "done"
    DEAD = "dead"
    SKIPPED = "skipped"


OPEN_STATES = (State.PENDING, State.QUEUED, State.RUNNING, State.RETRY)
"""The states from which a message still goes on."""

FINISHED_STATES = (State.DONE, State.SKIPPED)
"""The states of messages that nobody needs any more; they are pruned after a while."""


class OutboxColumns(sa.TypedColumns):
    """``due_at`` is when the relay looks at the row again: first, after a back-off, or after a lease."""

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
    done_at: sa.Named[datetime | None] = sa.Column(Timestamp)
    reserved_at: sa.Named[datetime | None] = sa.Column(Timestamp)
    """The moment that was reserved for it, as by the e-mail rate limit, while it waits for that."""
    traceparent: sa.Named[str | None] = sa.Column(sa.String(55))
    """The step of a trace that wrote it (:mod:`scheduling.tracing`)."""


outbox = sa.Table("outbox", metadata, OutboxColumns)


def _is_in(states: tuple[State, ...]) -> sa.ColumnElement[bool]:
    # Spelled out, not bound: a planner takes a partial index only for a condition that it can read.
    return outbox.c.state.in_(sa.literal_column(f"'{state}'") for state in states)


is_open = _is_in(OPEN_STATES)
"""The condition, and the predicate of the partial index, of messages that still go on."""

is_finished = _is_in(FINISHED_STATES)
"""The same for messages that nobody needs any more."""

# Partial, so that claiming costs the same however many rows are done.
sa.Index("ix_outbox_due_at", outbox.c.due_at, postgresql_where=is_open, sqlite_where=is_open)
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


_enqueue = Statement(sa.insert(outbox))


@dataclass(frozen=True)
class Message:
    """A claimed message as its handler sees it."""

    id: uuid.UUID
    """The same on every attempt: the idempotency key for whoever is called."""

    kind: str
    payload: dict[str, Any]
    attempt: int
    """1 on the first attempt."""

    reserved_at: datetime | None = None
    """The moment that :class:`Postpone` reserved for it."""

    recovered: bool = False
    """True if the worker that had it before died while it may have been at work on it."""

    traceparent: str | None = None
    """The header ``traceparent`` for whoever is called: this attempt, in the trace that wrote the message."""


class Skip(Exception):
    """Raised by a handler when a message has become pointless; the message is the reason."""


class Postpone(Exception):
    """Raised by a handler that did nothing: the message waits until ``until``, and no attempt is counted.

    With ``reserved`` that moment is the message's own, and it is told so when it comes back.
    """

    def __init__(self, reason: str, until: datetime, *, reserved: bool = False) -> None:
        self.until = until
        self.reserved = reserved
        super().__init__(reason)


@dataclass(frozen=True)
class Consumer:
    """Who carries out the messages to one name, and how often it is tried in all."""

    handler: Handler
    attempts: int


def enqueue(
    db: Session,
    *,
    consumer: str,
    kind: str,
    payload: Mapping[str, Any],
    dedupe_key: str | None = None,
    due_at: datetime | None = None,
) -> uuid.UUID:
    """Write a message for a consumer into the current transaction and return its id.

    ``payload`` is JSON-able; moments in it become RFC 3339 text. Of two messages with one
    ``dedupe_key`` the first is kept. ``due_at`` is now unless a later moment is given.
    """
    message_id = uuid.uuid4()
    now = utcnow()
    step = tracing.current()
    row = {
        "id": message_id,
        "kind": kind,
        "consumer": consumer,
        "dedupe_key": dedupe_key,
        "payload": orjson.loads(to_json(payload)),
        "state": State.PENDING,
        "due_at": due_at or now,
        "created_at": now,
        "traceparent": str(step) if step else None,
    }
    if dedupe_key is None:
        db.later(_enqueue, row)
    else:
        db.write(db.insert(outbox).values(row).on_conflict_do_nothing(index_elements=["dedupe_key"]))
    db.after_commit(db.registry.doorbell.set)
    return message_id


def add_outbox_consumer(
    config: Configurator, name: str, handler: Handler, attempts: int = DEFAULT_ATTEMPTS
) -> None:
    """Directive: run ``handler(message, registry)`` in a worker, at least once, for each message to ``name``.

    The handler returns the provider's id of what it did, or None. It raises ``Transient`` to be tried
    again, ``Permanent`` to be given up at once, :class:`Skip` when there is nothing left to do; any other
    exception counts as transient. After ``attempts`` in all the message is dead.
    """
    introspectable = config.introspectable("outbox consumers", name, name, "outbox consumer")
    config.action(
        ("outbox consumer", name),
        lambda: config.registry.outbox_consumers.__setitem__(name, Consumer(handler, attempts)),
        introspectables=(introspectable,),
    )


def add_event_consumer(config: Configurator, name: str, event: type[Event], handler: Handler) -> None:
    """Directive: like :func:`add_outbox_consumer`, with a message for each event of a class.

    The message's kind is the name of the event's class, its payload the event's facts.
    """

    def remember(happened: Event) -> None:
        enqueue(happened.db, consumer=name, kind=type(happened).__name__, payload=happened.facts())

    add_outbox_consumer(config, name, handler)
    config.add_subscriber(remember, event)


def includeme(config: Configurator) -> None:
    """Register the directives."""
    config.registry.outbox_consumers = {}
    # Rung after a commit that left a message, so that a relay in this process need not wait.
    config.registry.doorbell = threading.Event()
    config.add_directive("add_outbox_consumer", add_outbox_consumer)
    config.add_directive("add_event_consumer", add_event_consumer)
