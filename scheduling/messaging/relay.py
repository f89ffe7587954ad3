"""The relay: marks due messages as queued and publishes their ids to the broker.

Every worker has one, and any number of them can work at once: each marks other rows. Marking a row also sets
the time at which its id is published again unless the message is finished by then.
"""

from __future__ import annotations

from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING

import kombu
import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging.broker import QUEUE, connect
from scheduling.messaging.models import State, is_open, outbox
from scheduling.messaging.wakeup import listening
from scheduling.times import utcnow

if TYPE_CHECKING:
    import uuid

    from scheduling.db.session import Session
    from scheduling.messaging.registry import MessagingRegistry
    from scheduling.messaging.threads import RestartingThread
    from scheduling.messaging.wakeup import Wait

IDLE_SECONDS = 1.0
"""How often to look where each new message is told: what only becomes due has to be found by looking."""

POLL_SECONDS = 0.05
"""How often to look where nobody tells: in a worker on SQLite, and while messages are being published."""

BATCH = 100
"""How many messages are marked in one transaction."""

MAX_QUEUED = 1000
"""How many published messages may wait to be received before the relay publishes no more."""


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
    registry = thread.registry
    channel = connection.channel()
    producer = kombu.Producer(channel, serializer="json")
    while not thread.stopping.is_set():
        thread.report_alive()
        ids = mark_due_as_queued(registry)
        for message_id in ids:
            producer.publish({"id": str(message_id)}, routing_key=QUEUE.name, declare=[QUEUE], retry=False)
            registry.metrics.published.inc()
        thread.report_success()
        wait(POLL_SECONDS if ids else IDLE_SECONDS)
    channel.close()


def mark_due_as_queued(registry: MessagingRegistry) -> list[uuid.UUID]:
    """Mark up to :data:`BATCH` due messages as queued and return their ids, oldest first, for publishing.

    Any number of relays can do so at once; each gets other rows.
    """
    now = utcnow()
    due = sa.select(outbox.c.id).where(is_open, outbox.c.due_at <= now)
    with session_scope(registry) as db:
        # Looking first keeps an idle relay from taking a write lock with every poll.
        if db.row(due.limit(1)) is None or _is_queue_full(db):
            return []
        batch = due.order_by(outbox.c.due_at).limit(BATCH).with_for_update(skip_locked=True)
        update = sa.update(outbox).where(outbox.c.id.in_(batch))
        # A running message is due when its lease has run out. It stays running, which tells the worker that
        # receives its id that another worker may have begun it.
        state = sa.case((outbox.c.state == State.RUNNING, State.RUNNING), else_=State.QUEUED)
        update = update.values(
            state=state, due_at=now + timedelta(seconds=registry.core_settings.outbox_republish)
        )
        queued = db.write(update.returning(outbox.c.id, outbox.c.created_at)).all()
    return [row.id for row in sorted(queued, key=attrgetter("created_at"))]


def _is_queue_full(db: Session) -> bool:
    """Tell whether :data:`MAX_QUEUED` published messages wait to be received already."""
    queued = sa.select(outbox.c.id).where(is_open, outbox.c.state == State.QUEUED, outbox.c.due_at > utcnow())
    waiting = queued.limit(MAX_QUEUED).subquery()
    return (db.scalar(sa.select(sa.func.count()).select_from(waiting)) or 0) >= MAX_QUEUED
