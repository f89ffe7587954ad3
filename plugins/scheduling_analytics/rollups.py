"""Rollups, on PostgreSQL: events counted in advance, so that a dashboard does not count them.

A note is a row of ``analytics_pending``, which a trigger writes for each event that is inserted (+1) or
deleted (-1), in the same transaction. Folding adds notes to ``analytics_buckets`` and ``analytics_seen`` and
deletes them (:func:`fold`). At any moment the rollups and the notes that are left say
together what the events say. See docs/decisions/analytics-rollups.md.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling_analytics.models import ALL_TYPES
from scheduling_analytics.models import analytics_buckets as buckets
from scheduling_analytics.models import analytics_pending as pending
from scheduling_analytics.models import analytics_seen as seen

if TYPE_CHECKING:
    from scheduling.plugin import Session

BATCH = 10_000
"""How many notes are folded at once."""

SIZES = (1, 60, 24 * 60, 30 * 24 * 60)
"""Minutes of the buckets; each size is a multiple of the one before."""

LARGEST = timedelta(minutes=SIZES[-1])

ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)
"""Where a bucket of every size begins."""

_LOCK = 0x5C4EDA7A
"""Any number that no other program uses for an advisory lock on the same database."""

# Oldest first, so that no event is taken out before it was put in. Rows are named by ctid: statistics made
# while the table was nearly empty have PostgreSQL join `id IN (...)` by a nested loop, 10,000 times 10,000.
_NOTES = """
WITH batch AS (
    DELETE FROM analytics_pending WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM analytics_pending WHERE change <> 0 ORDER BY id LIMIT :batch
    ))
    RETURNING change, event_type, user_id, created_at
)
"""

_EVENTS = """
WITH counted_now AS (
    DELETE FROM analytics_pending
), batch AS (
    SELECT 1 AS change, event_type, user_id, created_at FROM analytics_events
)
"""

# Where an event went, only the events know which is a user's last one now.
_FOLD = """
, sighting AS (
    SELECT user_id, event_type, created_at, change FROM batch WHERE user_id IS NOT NULL
    UNION ALL
    SELECT user_id, :all_types, created_at, change FROM batch WHERE user_id IS NOT NULL
), pair AS (
    SELECT user_id, event_type, max(created_at) AS newest, min(change) < 0 AS corrected, (
        SELECT last_seen FROM analytics_seen AS seen
        WHERE seen.user_id = sighting.user_id AND seen.event_type = sighting.event_type
    ) AS before
    FROM sighting GROUP BY user_id, event_type
), latest AS (
    SELECT user_id, event_type, before, CASE WHEN corrected THEN coalesce((
        SELECT max(created_at) FROM analytics_events AS event
        WHERE event.user_id = pair.user_id AND pair.event_type IN (event.event_type, :all_types)
    ), '-infinity') ELSE greatest(before, newest) END AS after
    FROM pair
), move AS (
    SELECT user_id, event_type, before, after FROM latest WHERE before IS DISTINCT FROM after
), remember AS (
    INSERT INTO analytics_seen (user_id, event_type, last_seen)
    SELECT user_id, event_type, after FROM move
    ON CONFLICT (user_id, event_type) DO UPDATE SET last_seen = excluded.last_seen
), difference AS (
    SELECT event_type, created_at AS moment, change AS events, 0 AS users FROM batch
    UNION ALL
    SELECT event_type, after, 0, 1 FROM move
    UNION ALL
    SELECT event_type, before, 0, -1 FROM move WHERE before IS NOT NULL
), minute AS (
    SELECT event_type, date_bin('1 minute', moment, :origin) AS start,
        sum(events) AS events, sum(users) AS users, bool_or(events < 0) AS corrected,
        min(moment) FILTER (WHERE events > 0) AS first_event,
        max(moment) FILTER (WHERE events > 0) AS last_event
    FROM difference GROUP BY 1, 2
), bucket AS (
    SELECT minutes, date_bin(minutes * interval '1 minute', start, :origin) AS start, event_type,
        sum(events) AS events, sum(users) AS users, bool_or(corrected) AS corrected,
        min(first_event) AS first_event, max(last_event) AS last_event
    FROM minute CROSS JOIN unnest(CAST(:sizes AS integer[])) AS minutes GROUP BY 1, 2, 3
), added AS (
    INSERT INTO analytics_buckets AS old
        (minutes, start, event_type, events, users, first_event, last_event)
    SELECT minutes, start, event_type, events, users, first_event, last_event
    FROM bucket WHERE events <> 0 OR users <> 0 OR first_event IS NOT NULL
    ON CONFLICT (minutes, start, event_type) DO UPDATE SET
        events = old.events + excluded.events,
        users = old.users + excluded.users,
        first_event = least(old.first_event, excluded.first_event),
        last_event = greatest(old.last_event, excluded.last_event)
)
SELECT minutes, start, event_type FROM bucket WHERE corrected AND isfinite(start)
"""

_RECOMPUTE_FIRST_AND_LAST = """
UPDATE analytics_buckets SET (first_event, last_event) = (
    SELECT min(created_at), max(created_at) FROM analytics_events AS event
    WHERE event.event_type = :event_type
    AND created_at >= :start AND created_at < :start + :minutes * interval '1 minute'
)
WHERE minutes = :minutes AND start = :start AND event_type = :event_type
"""

# With one end a range would be planned as a third of the table.
_DELETE_OLD = """
DELETE FROM analytics_{table} WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM analytics_{table} WHERE {size} AND {moment} >= :ever AND {moment} < :before
    ORDER BY {moment} LIMIT {batch}
))
"""
_trim = [
    sa.text(_DELETE_OLD.format(table=table, size=size, moment=moment, batch=BATCH))
    for table, size, moment in (
        *(("buckets", f"minutes = {minutes}", "start") for minutes in SIZES),
        ("seen", "true", "last_seen"),
    )
]

_fold_notes = sa.text(_NOTES + _FOLD)
_fold_events = sa.text(_EVENTS + _FOLD)
_recompute_first_and_last = sa.text(_RECOMPUTE_FIRST_AND_LAST)
_constants = {"all_types": ALL_TYPES, "origin": ORIGIN, "sizes": list(SIZES)}


def fold(db: Session, batch: int = BATCH) -> bool:
    """Take the oldest notes into the rollups; tell whether that was done, as only one can at a time."""
    if not db.write(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK))).scalar_one():
        return False
    corrected = db.write(_fold_notes, {**_constants, "batch": batch}).mappings().all()
    if corrected:
        db.write(_recompute_first_and_last, [dict(bucket) for bucket in corrected])
    return True


def trim(db: Session, before: datetime) -> bool:
    """Forget a batch of what was counted before a moment; tell whether there may be more.

    Windows that begin at the moment or later read nothing of it. A bucket of the largest size in which the
    moment lies stays, and so do the users who were last seen in it.
    """
    if not db.write(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK))).scalar_one():
        return False
    horizon = ORIGIN + (before - ORIGIN) // LARGEST * LARGEST
    span = {"ever": "-infinity", "before": horizon}
    return BATCH in [db.write(statement, span).rowcount for statement in _trim]


def rebuild(db: Session) -> None:
    """Count all events anew, while others write and read, in as long as that takes."""
    db.allow_long_statements()
    db.write(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    db.write(sa.delete(buckets))
    db.write(sa.delete(seen))
    # One statement, so that just those notes go whose events are counted.
    db.write(_fold_events, _constants)


def has_rollups(db: Session) -> bool:
    """Tell whether there are rollups; SQLite has none."""
    return db.connection.dialect.name == "postgresql"


def is_rebuild_due(db: Session) -> bool:
    """Tell whether there is a note that everything is to be counted anew."""
    return db.row(sa.select(pending.c.id).where(pending.c.change == 0).limit(1)) is not None


def count_pending(db: Session) -> int:
    """Return how many notes wait to be folded, at most :data:`BATCH`."""
    some = sa.select(pending.c.id).limit(BATCH).subquery()
    return db.scalar(sa.select(sa.func.count()).select_from(some)) or 0
