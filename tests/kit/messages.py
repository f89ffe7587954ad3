"""A consumer whose attempts end as a test says, and the messages to it in a site's outbox."""

from contextlib import contextmanager
from datetime import timedelta

import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging.consumers import Consumer
from scheduling.messaging.models import outbox
from scheduling.messaging.outbox import enqueue
from scheduling.messaging.relay import mark_due_as_queued
from scheduling.messaging.scheduled import give_turns
from scheduling.messaging.worker import Worker
from scheduling.times import utcnow


class Handler:
    """A handler that does what each attempt is told to do, and then succeeds."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.seen = []

    def __call__(self, message, registry):
        self.seen.append(message)
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@contextmanager
def consumer(site, handler, name="test", attempts=3, seconds=60.0, plugin="acme", **options):
    """Have a consumer of the site meanwhile."""
    consumers = site.registry.outbox_consumers
    consumers[name] = Consumer(handler, attempts, seconds, plugin, **options)
    try:
        yield handler
    finally:
        del consumers[name]


@contextmanager
def working(site, receivers=1):
    """Let a worker run meanwhile; give it."""
    worker = Worker(site.registry, receivers)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def put(site, name="test", **options):
    """Write a message and return its id."""
    with session_scope(site.registry) as db:
        return enqueue(db, consumer=name, kind="THING", payload={"a": 1}, **options)


def row(site, message_id):
    """Return a message's row."""
    with session_scope(site.registry) as db:
        return db.row(sa.select(outbox).where(outbox.c.id == message_id))


def rows(site):
    """Return the rows of all messages, in the order of their turns."""
    with session_scope(site.registry) as db:
        return db.rows(sa.select(outbox).order_by(outbox.c.turn, outbox.c.created_at))


def only_row(site):
    """Return the row of the only message."""
    [message] = rows(site)
    return message


def change(site, *ids, **values):
    """Change columns of messages, of all without an id."""
    statement = sa.update(outbox).values(values)
    with session_scope(site.registry) as db:
        db.write(statement.where(outbox.c.id.in_(ids)) if ids else statement)


def make_due(site, *ids):
    """Make messages due, all of them without an id."""
    change(site, *ids, due_at=utcnow() - timedelta(seconds=1))


def mark(site, name="test", **options):
    """Mark due messages to a consumer as queued and return their ids."""
    give_turns(site.registry)
    return [due.id for due in mark_due_as_queued(site.registry, name, **options)]
