"""The worker: a relay that publishes due messages, and consumers that carry them out, over Kombu.

The broker is a doorbell. It carries ids and may lose any of them: the relay publishes a message again
whose row is not done in time.
"""

from __future__ import annotations

import logging
import random
import threading
import uuid
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from operator import attrgetter
from time import monotonic
from typing import TYPE_CHECKING, Any

import kombu
import sqlalchemy as sa

from scheduling.db.failures import one_line
from scheduling.db.session import session_scope
from scheduling.messaging.delivery import deliver
from scheduling.messaging.housekeeping import Chore
from scheduling.messaging.models import State, is_finished, is_open, outbox
from scheduling.times import utcnow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyramid.registry import Registry

    from scheduling.db.session import Session

logger = logging.getLogger(__name__)

# The default exchange routes by the queue's name and has no bindings that a broker could lose.
QUEUE = kombu.Queue("scheduling", exchange=kombu.Exchange(""), routing_key="scheduling", durable=True)

EMBEDDED_POLL_SECONDS = 1.0
"""In one process the doorbell wakes the relay; polling is for what becomes due by itself."""

POLL_SECONDS = 0.05
"""Between processes polling is what finds a new message: one query of a partial index each time."""

BATCH = 100
MAX_QUEUED = 1000
"""How many published messages may wait for a consumer before the relay publishes no more."""

PRUNE_SECONDS = 600.0
PRUNE_BATCH = 1000

_CHORE_SECONDS = 1.0
"""How long the end of a worker waits for its chores; one that is cut off is a transaction that is undone."""

_ASK_SECONDS = 0.25
"""How long a consumer waits for a message before it looks whether it is to end."""

_FIRST_RESTART_SECONDS = 0.5
_LAST_RESTART_SECONDS = 15.0
_LOG_SECONDS = 60.0


class Worker:
    """Relay, consumers and chores as threads of this process; :meth:`start` and :meth:`stop` them once."""

    def __init__(self, registry: Registry, consumers: int = 1) -> None:
        self._registry = registry
        self._stopping = threading.Event()
        self._loops = {"relay": Loop("relay", registry, self._stopping, relay)}
        for number in range(consumers):
            name = f"consumer-{number}"
            self._loops[name] = Loop(name, registry, self._stopping, consume)
        chores = {"outbox": Chore(prune, PRUNE_SECONDS), **registry.housekeeping}
        self._chores = [
            Loop(f"housekeeping of {name}", registry, self._stopping, partial(keep_house, chore))
            for name, chore in chores.items()
        ]

    def start(self) -> None:
        """Start the threads."""
        for loop in (*self._loops.values(), *self._chores):
            loop.thread.start()

    def stop(self, timeout: float = 30.0) -> bool:
        """Finish the messages in hand and end the threads; tell whether all did in ``timeout`` seconds."""
        self._stopping.set()
        self._registry.doorbell.set()
        deadline = monotonic() + timeout
        for loop in self._loops.values():
            loop.thread.join(max(0.0, deadline - monotonic()))
        deadline = monotonic() + _CHORE_SECONDS
        for chore in self._chores:
            chore.thread.join(max(0.0, deadline - monotonic()))
        self._registry.email_provider.close()
        return not any(loop.thread.is_alive() for loop in self._loops.values())

    def trouble(self) -> str | None:
        """Return what keeps a loop from its work, such as a broker that is away, or None."""
        return next((loop.trouble for loop in self._loops.values() if loop.trouble), None)

    def silent_seconds(self) -> float:
        """Return for how long the loop that is quietest has not turned; the liveness probe asks.

        A chore may be at work for as long as it takes.
        """
        return max(monotonic() - loop.turned for loop in self._loops.values())


class Loop:
    """A thread that runs one function with a broker connection, and again after every error."""

    def __init__(
        self,
        name: str,
        registry: Registry,
        stopping: threading.Event,
        run: Callable[[Loop, kombu.Connection], None],
    ) -> None:
        self.name = name
        self.registry = registry
        self.stopping = stopping
        self.turned = monotonic()
        self.thread = threading.Thread(target=self._supervise, name=name, daemon=True)
        self._run = run
        self.trouble: str | None = None
        self._failures = 0
        self._fresh = True
        self._logged = float("-inf")

    def turn(self) -> bool:
        """Note that the loop is alive, and after a whole turn that it is well; False once it is to end."""
        self.turned = monotonic()
        if not self._fresh:
            self._failures = 0
            self.trouble = None
        self._fresh = False
        return not self.stopping.is_set()

    def _supervise(self) -> None:
        while not self.stopping.is_set():
            try:
                self._fresh = True
                with connect(self.registry) as connection:
                    self._run(self, connection)
            except Exception as error:  # noqa: BLE001 - brokers and drivers raise all kinds of things
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        """Say so, at most once a minute, and wait, longer each time."""
        self.turned = monotonic()
        if self.name == "relay":
            self.registry.metrics.relay_errors.inc()
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, sa.exc.DBAPIError):
            text = one_line(error)
        self.trouble = f"The {self.name} failed and starts again: {text}"
        if monotonic() - self._logged >= _LOG_SECONDS:
            self._logged = monotonic()
            passing = isinstance(error, (OSError, sa.exc.DBAPIError, *BROKER_ERRORS))
            logger.error("%s", self.trouble, exc_info=None if passing else error)
        longest = min(_LAST_RESTART_SECONDS, _FIRST_RESTART_SECONDS * 2 ** min(self._failures, 10))
        self._failures += 1
        self.stopping.wait(longest * random.uniform(0.5, 1))  # noqa: S311


BROKER_ERRORS: tuple[type[Exception], ...] = (kombu.exceptions.KombuError, kombu.exceptions.OperationalError)


@contextmanager
def connect(registry: Registry) -> Iterator[kombu.Connection]:
    """Give a connection to the broker on which nothing waits for ever."""
    settings = registry.scheduling
    options: dict[str, Any] = {"polling_interval": 0.05}
    if not settings.embedded:
        options = {
            "socket_connect_timeout": 5,
            "socket_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 5,
            # What was not acknowledged comes back after this; a row that is done refuses it then.
            "visibility_timeout": settings.outbox_lease,
            # For sentinel:// alone.
            "master_name": settings.broker_master,
            "sentinel_kwargs": {"socket_timeout": 5, "socket_connect_timeout": 5},
        }
    connection = kombu.Connection(settings.broker_url, transport_options=options)
    try:
        yield connection
    finally:
        connection.release()


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


def keep_house(chore: Chore, loop: Loop, connection: kombu.Connection) -> None:
    """Do a chore again and again; it needs no broker."""
    while loop.turn():
        if not chore.work(loop.registry):
            loop.stopping.wait(chore.seconds)


def consume(loop: Loop, connection: kombu.Connection) -> None:
    """Carry out one message after the other, and acknowledge each when its row is marked."""

    def receive(body: Any, message: kombu.Message) -> None:
        try:
            message_id = uuid.UUID(body["id"])
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            drop(message, error)
            return
        deliver(loop.registry, message_id)
        message.ack()

    def drop(message: kombu.Message, error: Exception) -> None:
        """Take what is not ours out of the queue, or it would come back for ever."""
        logger.warning("Dropped what is no message of ours in the broker's queue: %s", type(error).__name__)
        message.reject()

    channel = connection.channel()
    # Closing the channel waits for the answer to its last question, and the end of a worker for that.
    channel.brpop_timeout = _ASK_SECONDS
    consumer = kombu.Consumer(
        channel,
        queues=[QUEUE],
        callbacks=[receive],
        on_decode_error=drop,
        accept=["json"],
        prefetch_count=1,
    )
    consumer.consume()
    while loop.turn():
        try:
            connection.drain_events(timeout=_ASK_SECONDS)
        except TimeoutError:
            continue
    # The channel first: closing the connection of an idle consumer can drop a message.
    consumer.cancel()
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


def prune(registry: Registry) -> bool:
    """Delete a batch of messages that were finished long ago; tell whether there may be more."""
    before = utcnow() - timedelta(days=registry.scheduling.outbox_retention_days)
    old = sa.select(outbox.c.id).where(is_finished, outbox.c.done_at < before).order_by(outbox.c.done_at)
    with session_scope(registry) as db:
        ids = [row.id for row in db.rows(old.limit(PRUNE_BATCH))]
        if ids:
            # Somebody may have just redriven one of them.
            db.write(sa.delete(outbox).where(outbox.c.id.in_(ids), is_finished))
    return len(ids) == PRUNE_BATCH
