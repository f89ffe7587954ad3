"""Which types are told by name, and the breakdown of the dashboard: those, and one row for all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from scheduling.plugin import Timestamp
from scheduling_analytics import rollups
from scheduling_analytics.event_types import OTHER, activity_types
from scheduling_analytics.models import analytics_events as events
from scheduling_analytics.models import analytics_pending as pending
from scheduling_analytics.models import analytics_seen as seen

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from scheduling.plugin import Query, Row, Session

MAX_TYPES = 100
"""How many types are shown by name."""

_since = sa.bindparam("since", type_=Timestamp)
_types = sa.bindparam("types", type_=ARRAY(sa.String))


def breakdown(db: Session, since: datetime, types: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows that are shown of the counts of all types, the largest count first."""
    by_name = {row.event_type: row for row in types}
    names = named_types(by_name)
    shown = [by_name[name] for name in names]
    others = [row for row in types if row.event_type not in names]
    rows = [_row(row.event_type, row.events, row.users, row.first_event, row.last_event) for row in shown]
    if others:
        count = sum(row.events for row in others)
        users = _count_users(db, since, others, names)
        first, last = min(row.first_event for row in others), max(row.last_event for row in others)
        rows.append(_row(OTHER, count, users, first, last))
    return sorted(rows, key=lambda row: row["count"], reverse=True)


def named_types(types: Iterable[str]) -> list[str]:
    """Return the types that are shown by name, of all in the order of their counts.

    The system's own types come before clients', who could else hide them behind 100 that they send often.
    """
    own = set(activity_types())
    named = [name for name in types if name != OTHER]
    return sorted(named, key=lambda name: name not in own)[:MAX_TYPES]


def _row(event_type: str, count: int, users: int, first: datetime, last: datetime) -> dict[str, Any]:
    return {
        "event_type": event_type,
        "count": count,
        "unique_users": users,
        "first_event": first,
        "last_event": last,
    }


def _count_users(db: Session, since: datetime, others: Sequence[Row], shown: Collection[str]) -> int:
    """Return how many users have events of the other types, each counted once however many types it has."""
    with_users = [row for row in others if row.users]
    # Where types were invented without a log-in there are none.
    if len(with_users) < 2:
        return sum(row.users for row in with_users)
    if rollups.has_rollups(db):
        parameters = {"since": since, "types": [row.event_type for row in with_users]}
        found = db.rows(_users_by_rollups, parameters)[0]
        if not found.is_corrected:
            return int(found.users)
    scanned = sa.select(sa.func.count(events.c.user_id.distinct()))
    return db.scalar(scanned.where(events.c.created_at >= since, events.c.event_type.not_in(shown))) or 0


def _read_users() -> Query:
    """Return the query for the users of some types since a moment; their events do not count if one went."""
    some = sa.func.any(_types)
    came = sa.and_(pending.c.change == 1, pending.c.user_id.is_not(None), pending.c.created_at >= _since)
    users = sa.union(
        sa.select(seen.c.user_id).where(seen.c.event_type == some, seen.c.last_seen >= _since),
        sa.select(pending.c.user_id).where(pending.c.event_type == some, came),
    ).subquery("users")
    went = sa.exists().where(pending.c.change < 1, pending.c.created_at >= _since)
    return sa.select(sa.func.count().label("users"), went.label("is_corrected")).select_from(users)


_users_by_rollups = _read_users()
