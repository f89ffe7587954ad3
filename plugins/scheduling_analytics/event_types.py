"""Under which type an event that a client reports is kept. Clients may send any type, without a log-in too.

- A type of the system's own activities is kept with :data:`PREFIX`: what a client says happened is counted
  apart from what did happen.
- The types of a day are bounded. What is beyond counts as :data:`OTHER`. Types that were used the day before
  come first, so that somebody who invents types does not displace those in use.

See docs/decisions/analytics-types.md.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.plugin import Activity, Statement, utcnow
from scheduling_analytics.models import MAX_TYPE
from scheduling_analytics.models import analytics_types as types

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scheduling.plugin import Session

OTHER = "OTHER"
PREFIX = "client:"
ONE_DAY = timedelta(days=1)

_used_on = Statement(
    sa.select(types.c.event_type).where(
        types.c.event_type == sa.bindparam("name"), types.c.last_day == sa.bindparam("day")
    )
)


def kept_as(db: Session, sent: str, limit: int) -> str:
    """Return the type as which a client's event is kept, where a day has at most ``limit`` of clients' types.

    Several that come for the first time at the same moment, in different transactions, may all be let in.
    """
    name = f"{PREFIX}{sent}"[:MAX_TYPE] if sent in activity_types() else sent
    return name if name != OTHER and _is_let_in(db, name, limit, utcnow().date()) else OTHER


def activity_types(base: type[Activity] = Activity) -> Iterator[str]:
    """Yield the types under which the system's own activities are counted, of every plugin."""
    for activity in base.__subclasses__():
        if hasattr(activity, "activity_type"):
            yield activity.activity_type
        yield from activity_types(activity)


def forget_old(db: Session) -> None:
    """Forget the types that nobody has used yesterday or today."""
    db.write(sa.delete(types).where(types.c.last_day < utcnow().date() - ONE_DAY))


def _is_let_in(db: Session, name: str, limit: int, day: date) -> bool:
    # A read first, which locks nothing, since nearly every event is of a type that was used today.
    if db.row(_used_on, {"name": name, "day": day}) is not None:
        return True
    # With one end the range would be planned as a third of the table.
    recent = types.c.last_day.between(day - ONE_DAY, day + ONE_DAY)
    is_known = sa.exists().where(types.c.event_type == name, recent)
    there = sa.select(sa.func.count()).select_from(types).where(recent).scalar_subquery()
    row = sa.select(sa.literal(name), sa.literal(day)).where(sa.or_(is_known, there < limit))
    insert = db.insert(types).from_select(["event_type", "last_day"], row)
    use = insert.on_conflict_do_update(index_elements=["event_type"], set_={"last_day": day})
    return db.write(use.returning(types.c.event_type)).first() is not None
