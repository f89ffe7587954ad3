"""The relay: marks due messages as queued and publishes their ids to the broker, many at once.

Every worker has one, and any number of them can work at once: each marks other rows. Marking a row also sets
the time at which its id is published again unless the message is finished by then.
"""

from __future__ import annotations

import random
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

import kombu
import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging.broker import connect, queue_of
from scheduling.messaging.models import State, comes_again, is_open, is_scheduled, is_waiting, outbox
from scheduling.messaging.pace import MAX_BATCH
from scheduling.messaging.scheduled import BATCH, give_turns
from scheduling.messaging.wakeup import listening
from scheduling.times import utcnow

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from scheduling.db.metadata import Query, Row
    from scheduling.db.session import Session
    from scheduling.messaging.registry import MessagingRegistry
    from scheduling.messaging.threads import RestartingThread
    from scheduling.messaging.wakeup import Wait

    Publish = Callable[[str, list[uuid.UUID]], None]
    Room = Callable[[MessagingRegistry], int | None] | None

IDLE_SECONDS = 1.0
"""How often to look where each new message is told: what only becomes due has to be found by looking."""

POLL_SECONDS = 0.05
"""How often to look where nobody tells, as on SQLite, and while more may follow soon."""

MARKED_BATCHES = 4
"""How many batches of messages to one consumer are marked in one transaction."""

QUEUED_BATCHES = 8
"""How many published batches may wait to be received: about four seconds of one thread's work."""

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
        relay.publish_due(publish)
        thread.report_success()
        wait(POLL_SECONDS if relay.has_more else IDLE_SECONDS)
    channel.close()


class Relay:
    """Publishes what is due, to each consumer as many messages as it has room for."""

    def __init__(self, registry: MessagingRegistry) -> None:
        self._registry = registry
        self.has_more = False
        """Whether the last round published something or found a full queue: more may follow soon."""
        self._left_alone_until: dict[str, float] = {}
        """By consumer and :func:`time.monotonic`."""

    def publish_due(self, publish: Publish) -> int:
        """Mark due messages of each consumer and publish their ids; return how many."""
        self.has_more = False
        if not has_due(self._registry):
            return 0
        self.has_more = give_turns(self._registry) == BATCH
        published = 0
        left: dict[Room, int | None] = {}
        for name, consumer in self._registry.outbox_consumers.items():
            if monotonic() < self._left_alone_until.get(name, 0.0):
                continue
            size = self._registry.pace.batch_size(name)
            if is_queue_full(self._registry, name, QUEUED_BATCHES * size):
                self.has_more = True
                continue
            # Consumers that share a room have it in the order in which they were registered.
            if consumer.room not in left:
                left[consumer.room] = consumer.room(self._registry) if consumer.room else None
            bound = left[consumer.room]
            if bound and consumer.yields_to:
                bound -= room_awaited(self._registry, consumer.yields_to, bound)
            due = self._mark(name, MARKED_BATCHES * size, bound)
            if bound is not None:
                left[consumer.room] = bound - len(due)
            for ids in _batches(due, size):
                publish(name, ids)
            published += len(due)
        self._registry.metrics.published.inc(published)
        self.has_more |= published > 0
        return published

    def _mark(self, consumer: str, most: int, bound: int | None) -> list[Row]:
        limit = most if bound is None else min(most, bound)
        due = mark_due_as_queued(self._registry, consumer, limit) if limit > 0 else []
        if bound is not None and len(due) >= bound:
            self._left_alone_until[consumer] = monotonic() + GATHER_SECONDS
        return due


def _batches(due: Sequence[Row], size: int) -> Iterator[list[uuid.UUID]]:
    """Give the ids of messages in batches of a size.

    What a worker died with is a batch of its own: if it kills the next worker too, it takes no other along.
    """
    yield from ([row.id] for row in due if row.state == State.RUNNING)
    rest = [row.id for row in due if row.state != State.RUNNING]
    for first in range(0, len(rest), size):
        yield rest[first : first + size]


def has_due(registry: MessagingRegistry) -> bool:
    """Tell whether a message is due, for whichever consumer."""
    is_due = outbox.c.due_at <= sa.bindparam("now")
    # Each is one look into an index. In any order, a planner who believes that many are due reads the table.
    due = sa.select(outbox.c.id).where(is_due).order_by(outbox.c.due_at).limit(1)
    query = sa.union_all(*(due.where(each).subquery().select() for each in (is_open, is_scheduled))).limit(1)
    with session_scope(registry) as db:
        return db.row(query, {"now": utcnow()}) is not None


def is_queue_full(registry: MessagingRegistry, consumer: str, most: int) -> bool:
    """Tell whether ``most`` published messages wait to be received already."""
    now = utcnow()
    queued = sa.select(outbox.c.id).where(
        outbox.c.consumer == consumer,
        comes_again,
        outbox.c.state == State.QUEUED,
        # What was published and may still be there; so what is due much later is not looked at.
        outbox.c.due_at.between(now, now + timedelta(seconds=registry.core_settings.outbox_republish)),
    )
    waiting = queued.limit(most).subquery()
    with session_scope(registry) as db:
        return (db.scalar(sa.select(sa.func.count()).select_from(waiting)) or 0) >= most


def room_awaited(registry: MessagingRegistry, consumer: str, most: int) -> int:
    """Return how many messages to a consumer are due, or published and not yet received; at most ``most``."""
    now = utcnow()
    published_until = now + timedelta(seconds=registry.core_settings.outbox_republish)
    of_consumer = sa.select(outbox.c.id).where(outbox.c.consumer == consumer)
    due = of_consumer.where(is_waiting, outbox.c.due_at <= now)
    again = of_consumer.where(
        comes_again,
        # What is due much later is not looked at.
        outbox.c.due_at <= published_until,
        sa.or_(outbox.c.due_at <= now, outbox.c.state == State.QUEUED),
    )
    awaited = sa.union_all(due.limit(most).subquery().select(), again.limit(most).subquery().select())
    with session_scope(registry) as db:
        count = db.scalar(sa.select(sa.func.count()).select_from(awaited.subquery())) or 0
    return min(count, most)


def mark_due_as_queued(
    registry: MessagingRegistry, consumer: str, limit: int = MARKED_BATCHES * MAX_BATCH
) -> list[Row]:
    """Mark up to ``limit`` due messages as queued, for publishing; return ids and states before, in order.

    Any number of relays can do so at once; each gets other rows. What comes again is in the order of its time
    and takes at most half of the room where that is not enough for all; what waits is in the order of its
    turn.
    """
    now = utcnow()
    due = sa.select(outbox.c.id, outbox.c.state).where(outbox.c.consumer == consumer, outbox.c.due_at <= now)
    again, waiting = due.where(comes_again).order_by(outbox.c.due_at), due.where(is_waiting)
    # Of a room of one, either has it every other time.
    half = (limit + random.getrandbits(1)) // 2
    with session_scope(registry) as db:
        rows = _lock(db, again, half)
        has_more = len(rows) == half
        rows += _lock(db, waiting.order_by(outbox.c.turn), limit - len(rows))
        if has_more:
            rows += _lock(db, again.where(outbox.c.id.not_in([row.id for row in rows])), limit - len(rows))
        if rows:
            ids = [row.id for row in rows]
            _mark(db, ids, now + timedelta(seconds=registry.core_settings.outbox_republish))
    return rows


def _lock(db: Session, query: Query, limit: int) -> list[Row]:
    if limit <= 0:
        return []
    return list(db.rows(query.limit(limit).with_for_update(skip_locked=True)))


def _mark(db: Session, ids: list[uuid.UUID], due_at: datetime) -> None:
    # A running message is due when its lease has run out. It stays running, which tells the worker that
    # receives its id that another worker may have begun it.
    state = sa.case((outbox.c.state == State.RUNNING, State.RUNNING), else_=State.QUEUED)
    db.write(sa.update(outbox).where(outbox.c.id.in_(ids)).values(state=state, due_at=due_at, delay=None))
