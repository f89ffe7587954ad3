"""The worker: a relay that publishes due messages, and consumers that carry them out, over Kombu.

The broker is a doorbell. It carries ids and may lose any of them: the relay publishes a message again
whose row is not done in time.
"""

from __future__ import annotations

import logging
import threading
import uuid
from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import kombu
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from scheduling.db import session_scope
from scheduling.delivery import deliver
from scheduling.errors import one_line
from scheduling.outbox import OPEN_STATES, State, outbox
from scheduling.times import utcnow

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.registry import Registry

logger = logging.getLogger(__name__)

# The default exchange routes by the queue's name and has no bindings that a broker could lose.
QUEUE = kombu.Queue("scheduling", exchange=kombu.Exchange(""), routing_key="scheduling", durable=True)

POLL_SECONDS = 1.0
BATCH = 100
REPUBLISH = timedelta(minutes=1)
"""When a published message that nobody finished is published again."""

_RESTART_SECONDS = 5.0


class Worker:
    """Relay and consumers as threads of this process; :meth:`start` and :meth:`stop` them once."""

    def __init__(self, registry: Registry, consumers: int = 1) -> None:
        self._registry = registry
        self._stopping = threading.Event()
        names = ["relay", *(f"consumer-{i}" for i in range(consumers))]
        self._threads = [
            threading.Thread(target=self._supervise, args=(name,), name=name, daemon=True) for name in names
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Finish the messages in hand and end the threads, within ``timeout`` seconds each."""
        self._stopping.set()
        self._registry.doorbell.set()
        for thread in self._threads:
            thread.join(timeout)

    def _supervise(self, name: str) -> None:
        """Run one loop, and run it again after an error, until the worker stops."""
        loop: Callable[[kombu.Connection], None] = self._relay if name == "relay" else self._consume
        while not self._stopping.is_set():
            try:
                with self._connection() as connection:
                    loop(connection)
            except DBAPIError as error:
                # The database is away, or comes back: a traceback would say nothing more.
                logger.error("The %s waits for the database: %s", name, one_line(error))  # noqa: TRY400
                self._stopping.wait(_RESTART_SECONDS)
            except Exception:
                logger.exception("The %s failed and starts again", name)
                self._stopping.wait(_RESTART_SECONDS)

    def _connection(self) -> kombu.Connection:
        # Virtual transports poll; the default of a second would be most of a message's way.
        return kombu.Connection(
            self._registry.scheduling.broker_url, transport_options={"polling_interval": 0.05}
        )

    def _relay(self, connection: kombu.Connection) -> None:
        doorbell = self._registry.doorbell
        producer = kombu.Producer(connection, serializer="json")
        while not self._stopping.is_set():
            doorbell.clear()
            for message_id in claim_due(self._registry):
                producer.publish({"id": str(message_id)}, routing_key=QUEUE.name, declare=[QUEUE])
            doorbell.wait(POLL_SECONDS)

    def _consume(self, connection: kombu.Connection) -> None:
        with kombu.Consumer(
            connection, queues=[QUEUE], callbacks=[self._receive], accept=["json"], prefetch_count=1
        ):
            while not self._stopping.is_set():
                try:
                    connection.drain_events(timeout=1)
                except TimeoutError:
                    continue

    def _receive(self, body: dict[str, Any], message: kombu.Message) -> None:
        deliver(self._registry, uuid.UUID(body["id"]))
        message.ack()


def claim_due(registry: Registry) -> list[uuid.UUID]:
    """Mark the messages that are due as queued and return their ids, oldest first, for publishing.

    Any number of relays can do so at once; each gets other rows.
    """
    now = utcnow()
    due = sa.select(outbox.c.id).where(outbox.c.state.in_(OPEN_STATES), outbox.c.due_at <= now)
    with session_scope(registry) as db:
        # Looking first keeps an idle relay from taking a write lock every second.
        if db.row(due.limit(1)) is None:
            return []
        batch = due.order_by(outbox.c.due_at).limit(BATCH).with_for_update(skip_locked=True)
        claim = sa.update(outbox).where(outbox.c.id.in_(batch))
        state = sa.case((outbox.c.state == State.RUNNING, State.RUNNING), else_=State.QUEUED)
        claim = claim.values(state=state, due_at=now + REPUBLISH)
        claimed = db.write(claim.returning(outbox.c.id, outbox.c.created_at)).all()
    return [row.id for row in sorted(claimed, key=attrgetter("created_at"))]
