"""The outbox: messages that must leave the system, written in the transaction that caused them.

The row holds the message and its state; the broker only carries its id, which is published again if lost.
States: ``pending`` (written), ``queued`` (published), ``running`` (claimed by a worker), then ``done``,
``retry`` (later, at ``due_at``), ``dead`` (given up, kept for an operator) or ``skipped`` (nobody needs it
any more).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - SQLAlchemy reads the columns' annotations
from functools import partial
from operator import setitem
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from scheduling import tracing
from scheduling.config.directives import register
from scheduling.db.statements import Statement
from scheduling.messaging.models import State, outbox
from scheduling.times import utcnow
from scheduling.web.responses import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyramid.config import Configurator

    from scheduling.db.session import Session
    from scheduling.events import Event

    Handler = Callable[["Message", Any], str | None]

DEFAULT_ATTEMPTS = 8
"""With the default back-off a consumer is tried again for about three quarters of an hour."""


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


@dataclass(frozen=True)
class Consumer:
    """The handler of the messages to one consumer, and how many attempts it has at each."""

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
    span = tracing.current()
    row = {
        "id": message_id,
        "kind": kind,
        "consumer": consumer,
        "dedupe_key": dedupe_key,
        "payload": orjson.loads(to_json(payload)),
        "state": State.PENDING,
        "due_at": due_at or now,
        "created_at": now,
        "traceparent": str(span) if span else None,
    }
    if dedupe_key is None:
        db.insert_at_commit(_enqueue, row)
    else:
        db.write(db.insert(outbox).values(row).on_conflict_do_nothing(index_elements=["dedupe_key"]))
    db.after_commit(db.registry.wake_relays)
    return message_id


def add_outbox_consumer(
    config: Configurator, name: str, handler: Handler, attempts: int = DEFAULT_ATTEMPTS
) -> None:
    """Directive: run ``handler(message, registry)`` in a worker, at least once, for each message to ``name``.

    What the handler returns and raises, :class:`scheduling.plugin.Configurator` says.
    """
    consumer = Consumer(handler, attempts)
    add = partial(setitem, config.registry.outbox_consumers, name, consumer)
    register(config, "outbox consumer", name, add)


def add_event_consumer(config: Configurator, name: str, event: type[Event], handler: Handler) -> None:
    """Directive: like :func:`add_outbox_consumer`, with a message for each event of a class.

    The message's kind is the name of the event's class, its payload the event's facts.
    """

    def write_message(happened: Event) -> None:
        enqueue(happened.db, consumer=name, kind=type(happened).__name__, payload=happened.facts())

    add_outbox_consumer(config, name, handler)
    config.add_subscriber(write_message, event)


def includeme(config: Configurator) -> None:
    """Register the directives."""
    config.registry.outbox_consumers = {}
    config.registry.worker_stop_hooks = []
    config.add_directive("add_outbox_consumer", add_outbox_consumer)
    config.add_directive("add_event_consumer", add_event_consumer)
