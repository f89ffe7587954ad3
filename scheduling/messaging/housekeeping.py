"""Housekeeping: tasks that every worker runs from time to time, beside delivering messages.

Core has one, which deletes old messages from the outbox. Plugins add theirs with a directive.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from operator import setitem
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling.config.directives import register
from scheduling.db.session import session_scope
from scheduling.messaging.models import is_finished, outbox
from scheduling.messaging.registry import HousekeepingTask
from scheduling.times import utcnow

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.config import Configurator

    from scheduling.db.registry import DatabaseRegistry
    from scheduling.messaging.threads import RestartingThread

PRUNE_SECONDS = 600.0
PRUNE_BATCH = 1000


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
    old = sa.select(outbox.c.id).where(is_finished, outbox.c.done_at < before).order_by(outbox.c.done_at)
    with session_scope(registry) as db:
        ids = [row.id for row in db.rows(old.limit(PRUNE_BATCH))]
        if ids:
            # An operator may have just redriven one of them, which is not finished any more.
            db.write(sa.delete(outbox).where(outbox.c.id.in_(ids), is_finished))
    return len(ids) == PRUNE_BATCH


def includeme(config: Configurator) -> None:
    """Register the directive and core's task."""
    config.registry.housekeeping = {}
    config.add_directive("add_housekeeping", add_housekeeping)
    config.add_housekeeping("outbox", prune, PRUNE_SECONDS)
