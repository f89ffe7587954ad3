"""The relay: claims the messages that are due and publishes their ids to the broker."""

from __future__ import annotations

from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING

import kombu
import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging.broker import QUEUE
from scheduling.messaging.models import State, is_open, outbox
from scheduling.times import utcnow

if TYPE_CHECKING:
    import uuid

    from pyramid.registry import Registry

    from scheduling.db.session import Session
    from scheduling.messaging.loops import Loop

EMBEDDED_POLL_SECONDS = 1.0
"""In one process the doorbell wakes the relay; polling is for what becomes due by itself."""

POLL_SECONDS = 0.05
"""Between processes polling is what finds a new message: one query of a partial index each time."""

BATCH = 100
MAX_QUEUED = 1000
"""How many published messages may wait for a consumer before the relay publishes no more."""


def relay(loop: Loop, connection: kombu.Connection) -> None:
    """Publish what is due, again and again."""
    registry = loop.registry
    poll = EMBEDDED_POLL_SECONDS if registry.scheduling.embedded else POLL_SECONDS
    channel = connection.channel()
    producer = kombu.Producer(channel, serializer="json")
    while loop.turn():
        registry.doorbell.clear()
        for message_id in claim_due(registry):
            producer.publish({"id": str(message_id)}, routing_key=QUEUE.name, declare=[QUEUE], retry=False)
            registry.metrics.published.inc()
        registry.doorbell.wait(poll)
    channel.close()


def claim_due(registry: Registry) -> list[uuid.UUID]:
    """Mark the messages that are due as queued and return their ids, oldest first, for publishing.

    Any number of relays can do so at once; each gets other rows.
    """
    now = utcnow()
    due = sa.select(outbox.c.id).where(is_open, outbox.c.due_at <= now)
    with session_scope(registry) as db:
        # Looking first keeps an idle relay from taking a write lock with every poll.
        if db.row(due.limit(1)) is None or _is_crowded(db):
            return []
        batch = due.order_by(outbox.c.due_at).limit(BATCH).with_for_update(skip_locked=True)
        claim = sa.update(outbox).where(outbox.c.id.in_(batch))
        state = sa.case((outbox.c.state == State.RUNNING, State.RUNNING), else_=State.QUEUED)
        claim = claim.values(
            state=state, due_at=now + timedelta(seconds=registry.scheduling.outbox_republish)
        )
        claimed = db.write(claim.returning(outbox.c.id, outbox.c.created_at)).all()
    return [row.id for row in sorted(claimed, key=attrgetter("created_at"))]


def _is_crowded(db: Session) -> bool:
    """Tell whether enough messages wait for a consumer already."""
    queued = sa.select(outbox.c.id).where(is_open, outbox.c.state == State.QUEUED, outbox.c.due_at > utcnow())
    waiting = queued.limit(MAX_QUEUED).subquery()
    return (db.scalar(sa.select(sa.func.count()).select_from(waiting)) or 0) >= MAX_QUEUED
