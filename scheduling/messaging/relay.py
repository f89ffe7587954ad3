"""The relay: marks due messages as queued and publishes their ids to the broker, many at once.

Every worker has one, and any number of them can work at once: each marks other rows. Marking a row also sets
the time at which its id is published again unless the message is finished by then.
"""

from __future__ import annotations

from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

import kombu
import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging.broker import connect, queue_of
from scheduling.messaging.models import State, comes_again, is_open, is_waiting, outbox
from scheduling.messaging.pace import MAX_BATCH
from scheduling.messaging.wakeup import listening
from scheduling.times import utcnow

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from scheduling.db.session import Session
    from scheduling.messaging.registry import MessagingRegistry
    from scheduling.messaging.threads import RestartingThread
    from scheduling.messaging.wakeup import Wait

    Publish = Callable[[str, list[uuid.UUID]], None]

IDLE_SECONDS = 1.0
"""How often to look where each new message is told: what only becomes due has to be found by looking."""

POLL_SECONDS = 0.05
"""How often to look where nobody tells: in a worker on SQLite, and while messages are being published."""

BATCH = 4 * MAX_BATCH
"""How many messages to one consumer are marked in one transaction."""

MAX_QUEUED = 1000
"""How many published messages to a consumer may wait to be received before no more are published."""

GATHER_SECONDS = 0.5
"""How long a consumer whose room was used up is left alone, so that the next batch is worth its cost."""


def run_relay(thread: RestartingThread) -> None:
    """Publish the ids of due messages, again and again until the worker stops.

    Raises whatever the database or the broker raises, and counts that.
    """
    try:
        # Listened from before the first look on, so that no message comes in between unnoticed.
        with listening(thread.registry) as wait, connect(thread.registry) as connection:
            _publish_until_stopped(thread, connection, wait)
    except Exception:
        thread.registry.metrics.relay_errors.inc()
        raise


def _publish_until_stopped(thread: RestartingThread, connection: kombu.Connection, wait: Wait) -> None:
    relay = Relay(thread.registry)
    channel = connection.channel()
    producer = kombu.Producer(channel, serializer="json")

    def publish(consumer: str, ids: list[uuid.UUID]) -> None:
        queue = queue_of(consumer)
        body = {"ids": [str(message_id) for message_id in ids]}
        producer.publish(body, routing_key=queue.name, declare=[queue], retry=False)

    while not thread.stopping.is_set():
        thread.report_alive()
        published = relay.publish_due(publish)
        thread.report_success()
        wait(POLL_SECONDS if published else IDLE_SECONDS)
    channel.close()


class Relay:
    """Publishes what is due, to each consumer as many messages as it has room for."""

    def __init__(self, registry: MessagingRegistry) -> None:
        self._registry = registry
        self._left_alone_until: dict[str, float] = {}
        """By consumer and :func:`time.monotonic`."""

    def publish_due(self, publish: Publish) -> int:
        """Mark due messages of each consumer and publish their ids; return how many."""
        if not has_due(self._registry):
            return 0
        published = 0
        for consumer in self._registry.outbox_consumers:
            for ids in self._batches(consumer):
                publish(consumer, ids)
                published += len(ids)
                self._registry.metrics.published.inc(len(ids))
        return published

    def _batches(self, consumer: str) -> Iterator[list[uuid.UUID]]:
        now = monotonic()
        if now < self._left_alone_until.get(consumer, 0.0):
            return
        room = self._registry.outbox_consumers[consumer].room
        bound = room(self._registry) if room else None
        limit = BATCH if bound is None else min(BATCH, bound)
        ids = mark_due_as_queued(self._registry, consumer, limit) if limit > 0 else []
        if bound is not None and len(ids) >= bound:
            self._left_alone_until[consumer] = now + GATHER_SECONDS
        size = self._registry.pace.batch_size(consumer)
        for first in range(0, len(ids), size):
            yield ids[first : first + size]


def has_due(registry: MessagingRegistry) -> bool:
    """Tell whether a message is due, for whichever consumer."""
    with session_scope(registry) as db:
        return db.row(sa.select(outbox.c.id).where(is_open, outbox.c.due_at <= utcnow()).limit(1)) is not None


def mark_due_as_queued(registry: MessagingRegistry, consumer: str, limit: int = BATCH) -> list[uuid.UUID]:
    """Mark up to ``limit`` due messages as queued and return their ids in order, for publishing.

    Any number of relays can do so at once; each gets other rows. What comes again is in the order of its time
    and takes at most half of the room, unless nothing else is there; what waits is in the order of its turn.
    """
    now = utcnow()
    is_for = outbox.c.consumer == consumer
    again = sa.select(outbox.c.id).where(is_for, comes_again, outbox.c.due_at <= now)
    waiting = sa.select(outbox.c.id).where(is_for, is_waiting, outbox.c.due_at <= now)
    with session_scope(registry) as db:
        if _is_queue_full(db, registry, consumer):
            return []
        ids = _lock(db, again.order_by(outbox.c.due_at).limit(max(1, limit // 2)))
        ids += _lock(db, waiting.order_by(outbox.c.turn).limit(limit - len(ids))) if limit > len(ids) else []
        if ids:
            _mark(db, ids, now + timedelta(seconds=registry.core_settings.outbox_republish))
    return ids


def _lock(db: Session, query: sa.Select[uuid.UUID]) -> list[uuid.UUID]:
    return [row.id for row in db.rows(query.with_for_update(skip_locked=True))]


def _mark(db: Session, ids: list[uuid.UUID], due_at: datetime) -> None:
    # A running message is due when its lease has run out. It stays running, which tells the worker that
    # receives its id that another worker may have begun it.
    state = sa.case((outbox.c.state == State.RUNNING, State.RUNNING), else_=State.QUEUED)
    db.write(sa.update(outbox).where(outbox.c.id.in_(ids)).values(state=state, due_at=due_at))


def _is_queue_full(db: Session, registry: MessagingRegistry, consumer: str) -> bool:
    """Tell whether :data:`MAX_QUEUED` published messages wait to be received already."""
    now = utcnow()
    queued = sa.select(outbox.c.id).where(
        outbox.c.consumer == consumer,
        comes_again,
        outbox.c.state == State.QUEUED,
        # What was published and may still be there; so what is due much later is not looked at.
        outbox.c.due_at.between(now, now + timedelta(seconds=registry.core_settings.outbox_republish)),
    )
    waiting = queued.limit(MAX_QUEUED).subquery()
    return (db.scalar(sa.select(sa.func.count()).select_from(waiting)) or 0) >= MAX_QUEUED
