"""Consumers: who handles messages, and the directives that register them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003
from functools import partial
from operator import setitem
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling.config.directives import register
from scheduling.messaging.models import State, outbox
from scheduling.messaging.outbox import enqueue
from scheduling.messaging.outcomes import Skip
from scheduling.times import utcnow

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Sequence

    from pyramid.config import Configurator

    from scheduling.db.session import Session
    from scheduling.events import Event

    Handler = Callable[["Message", Any], str | None]
    Prepare = Callable[[Sequence["Message"], Any], Handler]

DEFAULT_ATTEMPTS = 8
"""With the default back-off a consumer is tried again for about three quarters of an hour."""

DEFAULT_SECONDS = 60.0
"""How long a handler may take."""


@dataclass(frozen=True)
class Message:
    """A claimed message as its handler sees it."""

    id: uuid.UUID
    """The same on every attempt: the idempotency key for whoever is called."""

    kind: str
    payload: dict[str, Any]
    attempt: int
    """1 on the first attempt."""

    created_at: datetime = field(default_factory=utcnow)
    """When it was written; of one that was written for a later moment, that moment."""

    recovered: bool = False
    """True if the worker that had it before died while it may have been at work on it."""

    traceparent: str | None = None
    """The header ``traceparent`` for whoever is called: this attempt, in the trace that wrote the message."""

    postponed: int = 0
    """How often a handler raised ``Postpone`` for it with the delay ``retry``."""

    handed_at: datetime | None = None
    """When it was first handed over with an outcome that nobody knows."""

    handed: dict[str, Any] | None = None
    """What the handler said of that with ``handed`` of ``Transient`` or ``Postpone``."""


def finish(db: Session, message: Message) -> None:
    """Have a message done by the commit of the transaction in which its handler writes.

    What a handler writes to this database is then written once, though it may be called again: where its
    worker dies after the commit, or nobody knows whether that took effect. Raises ``Skip`` where the message
    is no longer this attempt's.
    """
    is_ours = (outbox.c.state == State.RUNNING, outbox.c.attempts == message.attempt)
    done = sa.update(outbox).where(outbox.c.id == message.id, *is_ours)
    if not db.write(done.values(state=State.DONE, done_at=utcnow())).rowcount:
        raise Skip("another worker has it")


@dataclass(frozen=True)
class Consumer:
    """The handler of the messages to one consumer, and how a worker treats it."""

    handler: Handler
    attempts: int = DEFAULT_ATTEMPTS
    seconds: float = DEFAULT_SECONDS
    """How long the handler may take for a message, in seconds, before it counts as an attempt that failed."""

    plugin: str = ""
    """The package that registered it."""

    prepare: Prepare | None = None
    """Given a batch of messages, loads what they need and returns the handler for them."""

    marked_together: Callable[[Any], bool] = field(default=lambda registry: False)
    """Given the registry, tells whether a handler may be called again for what it had finished, without harm.

    Then the results of a batch are written together. Otherwise each is written before the next message.
    """

    room: Callable[[Any], int | None] | None = None
    """Given the registry, how many messages may be handed to it now; None where nothing bounds that."""

    yields_to: str | None = None
    """The consumer that has the room first, as long as a message of its waits in whichever worker."""

    is_paused: Callable[[Any], bool] = field(default=lambda registry: False)
    """Given the registry, tells whether no message can be handled at present."""


def add_outbox_consumer(
    config: Configurator,
    name: str,
    handler: Handler,
    attempts: int = DEFAULT_ATTEMPTS,
    seconds: float = DEFAULT_SECONDS,
) -> None:
    """Directive: run ``handler(message, registry)`` in a worker, at least once, for each message to ``name``.

    What the handler returns and raises, :class:`scheduling.plugin.Configurator` says.
    """
    add_consumer(config, name, Consumer(handler, attempts, seconds, config.package.__name__))


def add_consumer(config: Configurator, name: str, consumer: Consumer) -> None:
    """Register a consumer under a name that no other has."""
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
