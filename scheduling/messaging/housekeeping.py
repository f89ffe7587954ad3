"""Housekeeping: tasks that every worker runs from time to time, beside delivering messages.

Core has two, for the outbox: one deletes old messages, one gives up those that nobody handles. Plugins add
theirs with a directive.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from operator import setitem
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling.config.directives import register
from scheduling.db.pruning import delete_batch
from scheduling.db.session import session_scope
from scheduling.messaging.models import State, comes_again, is_finished, is_waiting, outbox
from scheduling.messaging.registry import HousekeepingTask
from scheduling.times import utcnow

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterator

    from pyramid.config import Configurator

    from scheduling.db.registry import DatabaseRegistry
    from scheduling.db.session import Session
    from scheduling.messaging.registry import MessagingRegistry
    from scheduling.messaging.threads import RestartingThread

logger = logging.getLogger(__name__)

PRUNE_SECONDS = 600.0
GIVE_UP_SECONDS = 600.0
GIVE_UP_BATCH = 1000

RELEASE_WINDOW = timedelta(days=1)
"""For how long a message waits for its plugin, as while a release is being replaced that has not got it."""


def add_housekeeping(
    config: Configurator, name: str, work: Callable[[Any], bool | None], seconds: float
) -> None:
    """Directive: call ``work(registry)`` in every worker, and again after ``seconds``.

    What it returns and raises, :class:`scheduling.plugin.Configurator` says.
    """
    task = HousekeepingTask(work, seconds)
    add = partial(setitem, config.registry.housekeeping, name, task)
    register(config, "housekeeping task", name, add)


def run_task(task: HousekeepingTask, thread: RestartingThread) -> None:
    """Run a task again and again until the worker stops; raise what it raises."""
    while not thread.stopping.is_set():
        has_more = task.work(thread.registry)
        thread.report_success()
        if not has_more:
            thread.stopping.wait(task.seconds)


def prune(registry: DatabaseRegistry) -> bool:
    """Delete a batch of messages that were finished long ago; tell whether there may be more.

    How long ago, the setting ``scheduling.outbox_retention_days`` says.
    """
    before = utcnow() - timedelta(days=registry.core_settings.outbox_retention_days)
    # An operator may have just redriven one of them, which is not finished any more and stays.
    return delete_batch(registry, outbox.c.done_at, sa.and_(is_finished, outbox.c.done_at < before))


def give_up_unhandled(registry: MessagingRegistry) -> bool:
    """Make a batch of messages dead that nobody handles: no enabled plugin has had their consumer for a day.

    Tells whether there may be more.
    """
    with session_scope(registry) as db:
        names = [*_consumers(db, is_waiting), *_consumers(db, comes_again)]
        unknown = sorted(set(names) - registry.outbox_consumers.keys())
        return GIVE_UP_BATCH in [_give_up(db, name) for name in unknown]


def _consumers(db: Session, is_of_index: sa.ColumnElement[bool]) -> Iterator[str]:
    """Give the consumers of open messages; each is one look into the index."""
    name: str | None = ""
    while name := db.scalar(
        sa.select(sa.func.min(outbox.c.consumer)).where(is_of_index, outbox.c.consumer > name)
    ):
        yield name


def _give_up(db: Session, consumer: str) -> int:
    """Make up to :data:`GIVE_UP_BATCH` messages dead that have been due for a day; return how many."""
    before = utcnow() - RELEASE_WINDOW
    overdue = sa.select(outbox.c.id).where(outbox.c.consumer == consumer, outbox.c.due_at < before)
    # No turn is before its message was written, so this leaves out what is newer, in the index.
    waiting = overdue.where(is_waiting, outbox.c.turn < int(before.timestamp() * 1_000_000))
    ids: list[uuid.UUID] = []
    for query in (waiting, overdue.where(comes_again)):
        locked = query.limit(GIVE_UP_BATCH - len(ids)).with_for_update(skip_locked=True)
        ids += [row.id for row in db.rows(locked)]
    if ids:
        reason = f"no enabled plugin handles {consumer!r}"
        values = {"state": State.DEAD, "delay": None, "done_at": utcnow(), "last_error": reason}
        db.write(sa.update(outbox).where(outbox.c.id.in_(ids)).values(values))
        logger.error("%d messages are dead: %s", len(ids), reason)
    return len(ids)


def includeme(config: Configurator) -> None:
    """Register the directive and core's tasks."""
    config.registry.housekeeping = {}
    config.add_directive("add_housekeeping", add_housekeeping)
    config.add_housekeeping("outbox", prune, PRUNE_SECONDS)
    config.add_housekeeping("unhandled messages", give_up_unhandled, GIVE_UP_SECONDS)
