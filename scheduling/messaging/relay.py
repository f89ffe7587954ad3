"""The relay: claims the messages that are due and publishes their ids to the broker.

Every worker has one, and any number of them can work at once: each claims other rows. A claim sets the time
at which the id is published again unless the message is finished by then.
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
from scheduling.times import utcnow

if TYPE_CHECKING:
    import uuid

    from scheduling.db.session import Session
    from scheduling.messaging.registry import MessagingRegistry
    from scheduling.messaging.threads import Loop

EMBEDDED_POLL_SECONDS = 1.0
"""How often to look in the web process, where ``registry.message_written`` tells of each new message.

Only a message that becomes due later, such as a retry, has to be found by looking."""

POLL_SECONDS = 0.05
"""How often to look in a worker, which finds new messages only so: one query of a partial index each time."""

BATCH = 100
"""How many messages are claimed in one transaction."""

MAX_QUEUED = 1000
"""How many published messages may wait for a consumer before the relay publishes no more."""


def run_relay(loop: Loop) -> None:
    """Publish the ids of due messages, again and again until the worker stops.

    Raises whatever the database or the broker raises, and counts that.
    """
    try:
        with connect(loop.registry) as connection:
            _publish_until_stopped(loop, connection)
    except Exception:
        loop.registry.metrics.relay_errors.inc()
        raise


def _publish_until_stopped(loop: Loop, connection: kombu.Connection) -> None:
    registry = loop.registry
    poll_seconds = EMBEDDED_POLL_SECONDS if registry.core_settings.embedded else POLL_SECONDS
    channel = connection.channel()
    producer = kombu.Producer(channel, serializer="json")
    while not loop.stopping.is_set():
        loop.report_alive()
        # Before the query: a message that is written after it sets the event again, and nobody waits.
        registry.message_written.clear()
        for message_id in claim_due(registry):
            producer.publish({"id": str(message_id)}, routing_key=QUEUE.name, declare=[QUEUE], retry=False)
            registry.metrics.published.inc()
        loop.report_success()
        registry.message_written.wait(poll_seconds)
    channel.close()


def claim_due(registry: MessagingRegistry) -> list[uuid.UUID]:
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
        claim = sa.update(outbox).where(outbox.c.id.in_(batch))
        # A running message is due when its lease has run out. It stays running, which tells the consumer
        # that another worker may have begun it.
        state = sa.case((outbox.c.state == State.RUNNING, State.RUNNING), else_=State.QUEUED)
        claim = claim.values(
            state=state, due_at=now + timedelta(seconds=registry.core_settings.outbox_republish)
        )
        claimed = db.write(claim.returning(outbox.c.id, outbox.c.created_at)).all()
    return [row.id for row in sorted(claimed, key=attrgetter("created_at"))]


def _is_queue_full(db: Session) -> bool:
    """Tell whether :data:`MAX_QUEUED` published messages wait for a consumer already."""
    queued = sa.select(outbox.c.id).where(is_open, outbox.c.state == State.QUEUED, outbox.c.due_at > utcnow())
    waiting = queued.limit(MAX_QUEUED).subquery()
    return (db.scalar(sa.select(sa.func.count()).select_from(waiting)) or 0) >= MAX_QUEUED
