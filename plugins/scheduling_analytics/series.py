"""Reads how many events of each type there were in each hour or day, for curves over time.

As the dashboard it is exact, and read on PostgreSQL from the rollups, elsewhere from the events themselves.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from scheduling.plugin import Invalid, Statement, Timestamp, bytewise, utcnow
from scheduling_analytics import rollups
from scheduling_analytics.dashboard import MAX_PENDING, buckets, events, pending
from scheduling_analytics.event_types import OTHER
from scheduling_analytics.others import named_types

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scheduling.plugin import Query, Row, Session


class Interval(NamedTuple):
    """How much time a count is of, and the window that is shown by default and at most."""

    length: timedelta
    default: timedelta
    most: timedelta


INTERVALS = {
    "hour": Interval(timedelta(hours=1), timedelta(days=1), timedelta(days=31)),
    "day": Interval(timedelta(days=1), timedelta(days=30), timedelta(days=366)),
}
"""By the names that clients use; the rollups have buckets of just these sizes."""

_CALENDAR_ENDS = datetime(9999, 1, 1, tzinfo=UTC)
"""Later moments are not counted, so that there is one after each interval."""

_SQLITE_FORMATS = {"hour": "%Y-%m-%d %H:00:00.000000", "day": "%Y-%m-%d 00:00:00.000000"}

_since, _until = sa.bindparam("since", type_=Timestamp), sa.bindparam("until", type_=Timestamp)
_event_type = sa.bindparam("event_type", type_=sa.String)


def read(db: Session, sent: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the counts of a window as the API answers them, by time and then type; none of 0.

    Types are told by name as in the dashboard, and all others together as ``OTHER``: clients can send any.
    ``sent`` is what :class:`~scheduling_analytics.schemas.SeriesQuery` has read. Raises ``Invalid`` for a
    window that ends before it begins or is too long.
    """
    since, until = _window(sent)
    values = {"since": since, "until": until}
    narrowing = {"event_type": sent["event_type"]} if "event_type" in sent else {}
    rows = _count(db, sent["interval"], {**values, **narrowing}, narrowed=bool(narrowing))
    counts = _told(rows)
    return [{"at": at, "event_type": name, "count": count} for (at, name), count in counts if count]


def _told(rows: Sequence[Row]) -> list[tuple[tuple[datetime, str], int]]:
    """Return the counts of the types that are told by name, and of all others together, in order."""
    totals, counts = Counter[str](), Counter[tuple[datetime, str]]()
    for row in rows:
        totals[row.event_type] += row.events
    # A note of an event outside of the window counts 0, and must not take the place of a type that is in it.
    there = (name for name, total in totals.items() if total)
    names = set(named_types(sorted(there, key=lambda name: (-totals[name], name))))
    for row in rows:
        counts[row.at, row.event_type if row.event_type in names else OTHER] += row.events
    return sorted(counts.items())


def _count(db: Session, name: str, values: Mapping[str, Any], *, narrowed: bool) -> Sequence[Row]:
    """Return the counts, of the events themselves where there are no rollups or all is to be counted anew."""
    if rollups.has_rollups(db):
        rows = db.rows(_rollups_read(name, narrowed), values)
        if not any(row.is_rebuild_due for row in rows):
            if sum(row.pending for row in rows) > MAX_PENDING:
                rollups.fold(db)
            return rows
    return db.rows(_events_counted(name, db.connection.dialect.name, narrowed), values)


def _window(sent: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """Return from when on and until before when is counted: whole intervals, all that the window touches."""
    interval = INTERVALS[sent["interval"]]
    until: datetime = min(sent.get("window_end") or utcnow(), _CALENDAR_ENDS)
    since: datetime = sent.get("window_start") or max(until, rollups.ORIGIN) - interval.default
    if since >= until:
        raise Invalid(_backwards(sent))
    if until - since > interval.most:
        longest = f"the window may have at most {interval.most.days} days"
        raise Invalid({"from" if "window_start" in sent else "to": [longest]}, longest)
    last = until - timedelta(microseconds=1)
    return beginning(sent["interval"], since), beginning(sent["interval"], last) + interval.length


def _backwards(sent: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what is wrong with a window that ends before it begins."""
    if "window_end" not in sent:
        return {"from": ["must be in the past, or send to as well"]}
    return {"to": ["must be after from" if "window_start" in sent else "is too early"]}


def beginning(name: str, moment: datetime) -> datetime:
    """Return the beginning of the hour or day, in UTC, in which a moment lies."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return hour if name == "hour" else hour.replace(hour=0)


@cache
def _rollups_read(name: str, narrowed: bool) -> Statement:  # noqa: FBT001 - one statement for each
    """Return the statement that adds up the buckets of a window and the notes, of which there may be any."""
    parts = sa.union_all(_buckets(name, narrowed), _notes(name, narrowed)).subquery("part")
    count = sa.cast(sa.func.sum(parts.c.events), sa.BigInteger)
    return Statement(
        sa.select(
            parts.c.at,
            parts.c.event_type,
            count.label("events"),
            sa.cast(sa.func.sum(parts.c.pending), sa.BigInteger).label("pending"),
            sa.func.bool_or(parts.c.is_rebuild_due).label("is_rebuild_due"),
        )
        .group_by(parts.c.at, parts.c.event_type)
        .order_by(parts.c.at, bytewise(parts.c.event_type))
    )


def _buckets(name: str, narrowed: bool) -> Query:  # noqa: FBT001
    query: Query = sa.select(
        buckets.c.start.label("at"),
        buckets.c.event_type,
        buckets.c.events,
        sa.literal_column("0").label("pending"),
        sa.false().label("is_rebuild_due"),
    ).where(
        # Spelled out, so that a planner knows how many there are of this size. The rollups have rows for
        # users too, with no event.
        buckets.c.minutes == sa.literal_column(str(INTERVALS[name].length // timedelta(minutes=1))),
        buckets.c.start >= _since,
        buckets.c.start < _until,
        buckets.c.events != sa.literal_column("0"),
    )
    return query.where(buckets.c.event_type == _event_type) if narrowed else query


def _notes(name: str, narrowed: bool) -> Query:  # noqa: FBT001
    """Return what the buckets lack; what is not of the window counts 0, at its beginning."""
    at = _beginning_of(name, pending.c.created_at)
    counts = sa.and_(pending.c.created_at >= _since, pending.c.created_at < _until)
    if narrowed:
        counts = sa.and_(counts, pending.c.event_type == _event_type)
    return sa.select(
        sa.case((counts, at), else_=_since).label("at"),
        pending.c.event_type,
        sa.case((counts, pending.c.change), else_=0).label("events"),
        sa.literal_column("1").label("pending"),
        (pending.c.change == 0).label("is_rebuild_due"),
    )


def _beginning_of(name: str, moment: sa.ColumnElement[datetime]) -> sa.ColumnElement[Any]:
    """Return what :func:`beginning` does as an expression of PostgreSQL."""
    return sa.func.date_trunc(sa.literal_column(f"'{name}'"), moment, sa.literal_column("'UTC'"))


@cache
def _events_counted(name: str, dialect: str, narrowed: bool) -> Statement:  # noqa: FBT001
    """Return the statement that counts the events of a window."""
    if dialect == "sqlite":
        at: sa.ColumnElement[Any] = sa.func.strftime(_SQLITE_FORMATS[name], events.c.created_at)
    else:
        at = _beginning_of(name, events.c.created_at)
    at = sa.type_coerce(at, Timestamp).label("at")
    query = (
        sa.select(at, events.c.event_type, sa.func.count().label("events"))
        .where(events.c.created_at >= _since, events.c.created_at < _until)
        .group_by(at, events.c.event_type)
        .order_by(at, bytewise(events.c.event_type))
    )
    return Statement(query.where(events.c.event_type == _event_type) if narrowed else query)
