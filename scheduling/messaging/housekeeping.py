"""Housekeeping: what every worker does from time to time, beside delivering messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging.models import is_finished, outbox
from scheduling.times import utcnow

if TYPE_CHECKING:
    from collections.abc import Callable

    import kombu
    from pyramid.config import Configurator
    from pyramid.registry import Registry

    from scheduling.messaging.loops import Loop

PRUNE_SECONDS = 600.0
PRUNE_BATCH = 1000


@dataclass(frozen=True)
class Chore:
    """Something to be done again and again."""

    work: Callable[[Registry], bool | None]
    """Does a bounded part of it, and returns True where there is more to do."""

    seconds: float
    """How long to wait where there is no more."""


def add_housekeeping(
    config: Configurator, name: str, work: Callable[[Registry], bool | None], seconds: float
) -> None:
    """Directive: call ``work(registry)`` in every worker, and again after ``seconds``.

    Where it returns True there is more to do, and it is called again at once. Where it raises, that is
    logged and it is called again after a while. Several workers may call it at the same time; what must
    not be done twice takes a lock of its own.
    """
    introspectable = config.introspectable("housekeeping", name, name, "chore")
    config.action(
        ("housekeeping", name),
        lambda: config.registry.housekeeping.__setitem__(name, Chore(work, seconds)),
        introspectables=(introspectable,),
    )


def keep_house(chore: Chore, loop: Loop, connection: kombu.Connection) -> None:
    """Do a chore again and again; it needs no broker."""
    while loop.turn():
        if not chore.work(loop.registry):
            loop.stopping.wait(chore.seconds)


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


def includeme(config: Configurator) -> None:
    """Register the directive."""
    config.registry.housekeeping = {}
    config.add_directive("add_housekeeping", add_housekeeping)
