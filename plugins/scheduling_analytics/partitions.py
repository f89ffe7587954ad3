"""The partitions of the events on PostgreSQL, one for each month: made in time, and dropped whole.

A partition's name says its month (UTC); the first one has all months before, too. What has no partition
is in ``analytics_events_default``. See docs/decisions/analytics-partitions.md.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.plugin import Timestamp

if TYPE_CHECKING:
    from scheduling.plugin import Session

AHEAD = timedelta(days=62)
"""How long before it begins a month has its partition."""

DELETE_BATCH = 5000
"""How many events are deleted at once."""

_LOCK = 0x5C4EDA7B
"""Any number that no other program uses for an advisory lock on the same database."""

_NAME = re.compile(r"analytics_events_(\d{4})_(\d\d)")

_names = sa.text("""
SELECT part.relname FROM pg_inherits JOIN pg_class AS part ON part.oid = inhrelid
WHERE inhparent = to_regclass('analytics_events')
""")

_stray = sa.text("""
SELECT min(created_at) FROM analytics_events_default WHERE created_at >= :since AND created_at < :until
""").bindparams(sa.bindparam("since", type_=Timestamp), sa.bindparam("until", type_=Timestamp))

# Triggers of the events are not of their partitions, so moving and deleting there leaves no notes.
_delete_strays = sa.text(f"""
DELETE FROM analytics_events_default WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM analytics_events_default
    WHERE created_at < :before ORDER BY created_at LIMIT {DELETE_BATCH}
))
""").bindparams(sa.bindparam("before", type_=Timestamp))  # noqa: S608

# Whoever waits for these locks keeps others waiting; a long transaction, such as a dump, may hold them.
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '1s'"

# Who writes to both tables writes the event last, so in this order nobody holds what the other waits for.
_MAKE = """
CREATE TABLE {name} (LIKE analytics_events INCLUDING ALL);
LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE analytics_events_default IN ACCESS EXCLUSIVE MODE;
WITH stray AS (
    DELETE FROM analytics_events_default WHERE created_at >= '{start}' AND created_at < '{end}' RETURNING *
) INSERT INTO {name} SELECT * FROM stray;
ALTER TABLE analytics_events ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')
"""


def make_one(db: Session, now: datetime, oldest: datetime) -> bool:
    """Make the first partition that lacks for events since ``oldest``; tell whether there was one.

    What is in the default partition for its month is moved there.
    """
    if not _try_lock(db):
        return False
    since = db.write(_stray, {"since": oldest, "until": now}).scalar() or now
    there = set(_months(db))
    month = _month_of(since)
    while month in there:
        month = _next(month)
    if month > now + AHEAD:
        return False
    make(db, month)
    return True


def make(db: Session, month: datetime) -> None:
    """Make the partition of the month that begins at this moment."""
    db.allow_long_statements()
    _execute(db, _LOCK_TIMEOUT)
    places = {"name": _name_of(month), "start": month.isoformat(), "end": _next(month).isoformat()}
    for statement in _MAKE.split(";"):
        _execute(db, statement.format(**places))


def drop_one(db: Session, before: datetime) -> bool:
    """Drop the oldest partition if all of it is before a moment; tell whether that was so."""
    if not _try_lock(db):
        return False
    oldest = min(_months(db), default=before)
    if _next(oldest) > before:
        return False
    _execute(db, _LOCK_TIMEOUT)
    _execute(db, f"DROP TABLE {_name_of(oldest)}")
    return True


def delete_strays(db: Session, before: datetime) -> bool:
    """Delete a batch of what is old and in no month's partition; tell whether there may be more."""
    return db.write(_delete_strays, {"before": before}).rowcount == DELETE_BATCH


def _try_lock(db: Session) -> bool:
    return bool(db.write(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK))).scalar_one())


def _months(db: Session) -> list[datetime]:
    names = db.write(_names).scalars()
    found = (_NAME.fullmatch(name) for name in names)
    return [datetime(int(name[1]), int(name[2]), 1, tzinfo=UTC) for name in found if name]


def _execute(db: Session, statement: str) -> None:
    db.write(sa.text(statement.replace(":", r"\:")))


def _name_of(month: datetime) -> str:
    return f"analytics_events_{month:%Y_%m}"


def _month_of(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, 1, tzinfo=UTC)


def _next(month: datetime) -> datetime:
    return _month_of(month + timedelta(days=31))
