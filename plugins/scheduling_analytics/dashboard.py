"""Reads the dashboard, on PostgreSQL from the rollups, elsewhere from the events themselves.

Both ways are exact, and :func:`count_events` is what both mean.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling.plugin import Statement, Timestamp, bytewise, utcnow
from scheduling_analytics import rollups
from scheduling_analytics.models import (
    ALL_TYPES,
    analytics_buckets,
    analytics_events,
    analytics_pending,
    analytics_seen,
)
from scheduling_analytics.others import breakdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduling.plugin import Query, Row, Session

MAX_PENDING = 100
"""With more notes than this, each of which costs a reader some µs, a reader folds a batch of them."""

# Short names, since psycopg parses a statement of over 4,096 bytes each time, which was 18 % of a dashboard.
buckets, events, seen = analytics_buckets.alias("b"), analytics_events.alias("e"), analytics_seen.alias("s")
# Read once for all parts that need it, since what was folded is passed over until a vacuum; and, as a CTE, by
# one process: a plan made while 200,000 notes were there had a second one started each time, for 4 ms.
pending = sa.select(analytics_pending.alias("n")).cte("p")

_since = sa.bindparam("since", type_=Timestamp)
_edges = [sa.bindparam(f"edge_{minutes}", type_=Timestamp) for minutes in rollups.SIZES]


def read(db: Session, days: int) -> dict[str, Any]:
    """Return the dashboard as the API answers it, over the events of the last ``days`` times 24 hours."""
    since = utcnow() - timedelta(days=days)
    counts = count_by_rollups(db, since) if rollups.has_rollups(db) else count_events(db, since)
    users = sum(row.users for row in counts if row.event_type == ALL_TYPES)
    types = [row for row in counts if row.event_type != ALL_TYPES]
    overview = {
        "total_events": sum(row.events for row in types),
        "unique_users": users,
        "event_types": len(types),
    }
    return {"period": f"Last {days} days", "overview": overview, "breakdown": breakdown(db, since, types)}


def count_events(db: Session, since: datetime) -> Sequence[Row]:
    """Return what happened since a moment: a row for each type, and one with the users of all types."""
    return db.rows(events_counted, {"since": since})


def count_by_rollups(db: Session, since: datetime) -> Sequence[Row]:
    """Return the same as :func:`count_events` at a cost that does not depend on how many events there are.

    Where an event that counts went, and that is not folded yet, the events themselves are counted.
    """
    counts = db.rows(rollups_read, {"since": since, **edges(since)})
    if any(row.is_corrected for row in counts):
        return count_events(db, since)
    if sum(row.pending for row in counts) > MAX_PENDING:
        rollups.fold(db)
    return [row for row in counts if row.events or row.users]


def edges(since: datetime) -> dict[str, datetime]:
    """Return where the buckets of each size begin that are read: the smaller ones lead up to the larger."""
    found = {}
    edge = since
    for minutes in rollups.SIZES:
        size = timedelta(minutes=minutes)
        edge = rollups.ORIGIN - (rollups.ORIGIN - edge) // size * size
        found[f"edge_{minutes}"] = edge
    return found


def _count_events() -> Query:
    users = sa.func.count(events.c.user_id.distinct())
    recent = events.c.created_at >= _since
    by_type = (
        _part(
            events.c.event_type,
            events=sa.func.count(),
            users=users,
            first_event=sa.func.min(events.c.created_at),
            last_event=sa.func.max(events.c.created_at),
        )
        .where(recent)
        .group_by(events.c.event_type)
    )
    of_all = _part(sa.literal(ALL_TYPES), users=users).where(recent)
    counted = sa.union_all(by_type, of_all).subquery("counted")
    return sa.select(counted).order_by(counted.c.events.desc(), bytewise(counted.c.event_type))


def _read_rollups() -> Query:
    """Return the query that adds up the buckets, the events before the first of them, and the notes."""
    parts = sa.union_all(*_buckets(), _events_before(), _users_before(), _notes(), _users_in_notes())
    part = parts.subquery("part")
    count = sa.cast(sa.func.sum(part.c.events), sa.BigInteger).label("events")
    return (
        sa.select(
            part.c.event_type,
            count,
            sa.cast(sa.func.sum(part.c.users), sa.BigInteger).label("users"),
            sa.func.min(part.c.first_event).label("first_event"),
            sa.func.max(part.c.last_event).label("last_event"),
            sa.cast(sa.func.sum(part.c.pending), sa.BigInteger).label("pending"),
            sa.func.bool_or(part.c.is_corrected).label("is_corrected"),
        )
        .group_by(part.c.event_type)
        .order_by(count.desc(), bytewise(part.c.event_type))
    )


def _part(event_type: Any, **facts: sa.ColumnElement[Any]) -> Query:
    nothing = {
        "events": sa.literal_column("0"),
        "users": sa.literal_column("0"),
        "first_event": sa.cast(sa.null(), Timestamp),
        "last_event": sa.cast(sa.null(), Timestamp),
        "pending": sa.literal_column("0"),
        "is_corrected": sa.false(),
    }
    return sa.select(event_type, *(fact.label(name) for name, fact in {**nothing, **facts}.items()))


def _buckets() -> list[Query]:
    """Return the buckets of each size, up to where the next larger size goes on."""
    parts = []
    for minutes, edge, end in zip(rollups.SIZES, _edges, [*_edges[1:], None], strict=True):
        part = _part(
            buckets.c.event_type,
            events=buckets.c.events,
            users=buckets.c.users,
            first_event=buckets.c.first_event,
            last_event=buckets.c.last_event,
        ).where(
            # Spelled out, so that a planner knows how many there are of this size.
            buckets.c.minutes == sa.literal_column(str(minutes)),
            buckets.c.start >= edge,
            sa.or_(buckets.c.events != sa.literal_column("0"), buckets.c.users != sa.literal_column("0")),
        )
        parts.append(part if end is None else part.where(buckets.c.start < end))
    return parts


def _events_before() -> Query:
    """Return the events before the first bucket, which are those of less than a minute."""
    return (
        _part(
            events.c.event_type,
            # Of whole rows, which no index has: that of types has all else, and PostgreSQL 18 looked for the
            # minute in each type.
            events=sa.func.count(events.table_valued()),
            first_event=sa.func.min(events.c.created_at),
            last_event=sa.func.max(events.c.created_at),
        )
        .where(events.c.created_at >= _since, events.c.created_at < _edges[0])
        .group_by(events.c.event_type)
    )


def _users_before() -> Query:
    """Return the users whose last event lies before the first bucket."""
    return (
        _part(seen.c.event_type, users=sa.func.count())
        .where(seen.c.last_seen >= _since, seen.c.last_seen < _edges[0])
        .group_by(seen.c.event_type)
    )


def _notes() -> Query:
    """Return what the buckets lack."""
    lacks = pending.c.created_at >= _edges[0]
    came = sa.and_(lacks, pending.c.change == 1)
    return _part(
        pending.c.event_type,
        events=sa.func.sum(sa.case((lacks, pending.c.change), else_=0)),
        first_event=sa.func.min(pending.c.created_at).filter(came),
        last_event=sa.func.max(pending.c.created_at).filter(came),
        pending=sa.func.count(),
        is_corrected=sa.func.bool_or(sa.and_(pending.c.change < 1, pending.c.created_at >= _since)),
    ).group_by(pending.c.event_type)


def _users_in_notes() -> Query:
    """Return the users in the notes who are not in the buckets for an event since then."""
    recent = sa.and_(pending.c.user_id.is_not(None), pending.c.change == 1, pending.c.created_at >= _since)
    noted = sa.union(
        sa.select(pending.c.user_id, pending.c.event_type).where(recent),
        sa.select(pending.c.user_id, sa.literal(ALL_TYPES)).where(recent),
    ).subquery("noted")
    # As a scalar subquery it is a look-up by key; an EXISTS was planned as a scan of the whole table.
    is_new = (
        sa.select(seen.c.last_seen < _since)
        .where(seen.c.user_id == noted.c.user_id, seen.c.event_type == noted.c.event_type)
        .scalar_subquery()
    )
    return (
        _part(noted.c.event_type, users=sa.func.count())
        .where(sa.func.coalesce(is_new, sa.true()))
        .group_by(noted.c.event_type)
    )


events_counted = Statement(_count_events())
rollups_read = Statement(_read_rollups())
