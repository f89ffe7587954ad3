"""Metrics of the outbox, which are read from the database at each scrape.

They are the same whichever process is asked, and right after everything was started anew.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily

from scheduling.db.session import session_scope
from scheduling.email import limit
from scheduling.email.channel import CONSUMER, URGENT
from scheduling.messaging.models import (
    OPEN_STATES,
    Delay,
    State,
    is_finished,
    is_open,
    is_scheduled,
    is_waiting,
    outbox,
)
from scheduling.times import utcnow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.metrics_core import Metric

    from scheduling.db.metadata import Row
    from scheduling.email.registry import EmailRegistry
    from scheduling.web.registry import WebRegistry


_WORKER = "worker"
# Between two moments, of which a planner expects few. Of all that are before one it expects a third, and
# then reads the whole table, though of a million messages that are due next year none is due now.
_is_due_without_turn = sa.and_(
    is_scheduled, outbox.c.due_at.between(datetime(2000, 1, 1, tzinfo=UTC), sa.bindparam("now"))
)
_is_waiting_email = sa.and_(is_waiting, outbox.c.consumer.in_([CONSUMER, URGENT]))


class OutboxCollector:
    """How many messages wait, why, and for how long; no metric at all while the database is away."""

    def __init__(self, registry: EmailRegistry) -> None:
        self._registry = registry

    def describe(self) -> list[Metric]:
        """Return no metric, so that Prometheus' client reads none when this is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the numbers, each from a partial index that has no finished rows."""
        rows = GaugeMetricFamily(
            "scheduling_outbox_rows",
            "Unfinished messages, the dead included, without those that were written for a later moment.",
            labels=["kind", "state"],
        )
        age = GaugeMetricFamily(
            "scheduling_outbox_oldest_due_seconds", "How long the oldest due message has been waiting."
        )
        number_due = GaugeMetricFamily(
            "scheduling_outbox_due", "Messages that wait for a worker: those that are due, and the published."
        )
        undelivered = GaugeMetricFamily(
            "scheduling_outbox_waiting",
            "Messages that are not delivered yet, and what they wait for.",
            labels=["kind", "reason"],
        )
        since = GaugeMetricFamily(
            "scheduling_outbox_oldest_seconds",
            "Seconds since the oldest of them was written.",
            labels=["kind", "reason"],
        )
        try:
            counts, oldest = unfinished(self._registry), oldest_due_seconds(self._registry)
            ready, delayed = due(self._registry), waiting(self._registry)
        except sa.exc.SQLAlchemyError:
            return
        for (kind, state), number in counts.items():
            rows.add_metric([kind, state], number)
        age.add_metric([], oldest)
        number_due.add_metric([], ready)
        now = utcnow()
        for kind, reason, number, written in delayed:
            undelivered.add_metric([kind, reason], number)
            since.add_metric([kind, reason], max(0.0, (now - written).total_seconds()))
        yield from (rows, age, number_due, undelivered, since)


def unfinished(registry: WebRegistry) -> dict[tuple[str, str], int]:
    """Return how many unfinished messages there are by kind and state.

    Those that were written for a later moment are not counted, since there may be a million of them.
    """
    query = (
        sa.select(outbox.c.kind, outbox.c.state, sa.func.count())
        .where(~is_finished, outbox.c.state.in_([*OPEN_STATES, State.DEAD]))
        .group_by(outbox.c.kind, outbox.c.state)
    )
    with session_scope(registry) as db:
        return {(kind, state): number for kind, state, number in db.rows(query)}


def due(registry: EmailRegistry) -> int:
    """Return how many messages wait for a worker: what workers are scaled on.

    One that is published is due too; its ``due_at`` says when it is published again. E-mails that the rate
    limit or an outage keeps from being sent wait for no worker.
    """
    now = utcnow()
    is_due = sa.or_(outbox.c.due_at <= now, outbox.c.state == State.QUEUED)
    if delay_of_emails(registry) != _WORKER:
        is_due = sa.and_(is_due, ~_is_waiting_email)
    count = sa.select(sa.func.count())
    with session_scope(registry) as db:
        without_turn = db.scalar(count.where(_is_due_without_turn).params(now=now)) or 0
        return without_turn + (db.scalar(count.where(is_open, is_due)) or 0)


def delay_of_emails(registry: EmailRegistry) -> str:
    """Return what e-mails wait for that are due."""
    room = limit.room(registry)
    with session_scope(registry) as db:
        if limit.is_paused_somewhere(db):
            return Delay.OUTAGE
        if room is None:
            return _WORKER
        more = sa.select(outbox.c.id).where(_is_waiting_email).limit(room + 1).subquery()
        number = db.scalar(sa.select(sa.func.count()).select_from(more)) or 0
    return Delay.RATE_LIMIT if number > room else _WORKER


def waiting(registry: EmailRegistry) -> Sequence[Row]:
    """Return by kind and reason how many messages wait, and when the oldest of them was written.

    The reason is a :class:`~scheduling.messaging.models.Delay`, or ``worker`` for one that nothing keeps from
    being delivered. A message that was written for a later moment, such as a reminder, does not wait before
    that moment.
    """
    now = utcnow()
    delay = sa.func.coalesce(outbox.c.delay, Delay.RETRY)
    reason = sa.case(
        (delay == Delay.SCHEDULED, _WORKER),
        (outbox.c.state == State.RETRY, delay),
        (_is_waiting_email, delay_of_emails(registry)),
        else_=_WORKER,
    )
    is_early = sa.and_(
        outbox.c.due_at > now,
        sa.or_(outbox.c.state == State.PENDING, delay == Delay.SCHEDULED),
    )
    columns = (outbox.c.kind, outbox.c.created_at)
    open_ones = sa.select(*columns, reason.label("reason")).where(is_open, ~is_early)
    # Those whose moment has come; a relay is about to give them their turns, where one is running.
    worker: sa.Label[str] = sa.literal_column(f"'{_WORKER}'").label("reason")
    without_turn = sa.select(outbox.c.kind, outbox.c.due_at, worker).where(_is_due_without_turn)
    found = sa.union_all(open_ones, without_turn).subquery()
    query = sa.select(
        found.c.kind, found.c.reason, sa.func.count(), sa.func.min(found.c.created_at)
    ).group_by(found.c.kind, found.c.reason)
    with session_scope(registry) as db:
        return db.rows(query, {"now": now})


def oldest_due_seconds(registry: WebRegistry) -> float:
    """Return for how many seconds the message that is due longest has been due, 0 if none is."""
    with session_scope(registry) as db:
        first = [
            db.scalar(sa.select(sa.func.min(outbox.c.due_at)).where(each)) for each in (is_open, is_scheduled)
        ]
    oldest = min((moment for moment in first if moment), default=None)
    return max(0.0, (utcnow() - oldest).total_seconds()) if oldest else 0.0
