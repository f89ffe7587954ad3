"""The e-mail rate limit: at most ``scheduling.email_rate_limit`` e-mails a minute over all workers.

It is the generic cell rate algorithm (ITU-T I.371;
https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm): a burst may be sent at once, and from then on one
e-mail an interval. Burst and interval are chosen so that no window of 60 seconds has more e-mails than the
limit. The state is one number in one row, and one statement takes whatever a batch needs, by the database's
clock.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from scheduling.db.metadata import database_microseconds
from scheduling.db.session import session_scope
from scheduling.email.models import email_rate
from scheduling.times import utcnow

if TYPE_CHECKING:
    from datetime import datetime

    from scheduling.db.session import Session
    from scheduling.email.registry import EmailRegistry

MAX_DELAY = 3.0
"""How many seconds after it was granted an e-mail may still be sent."""

MAX_TRANSIT_DIFFERENCE = 1.0
"""How many seconds longer one e-mail may take from here to the provider than the next."""

WINDOW = 60.0 + MAX_DELAY + MAX_TRANSIT_DIFFERENCE
"""In how many seconds the limit is granted at most, so that it is sent in no less than 60."""

_BURST_PART = 10
"""A tenth of the limit may be sent at once; the more that is, the slower are those that follow."""

_ROW = 1


class Rate(NamedTuple):
    """A limit, as the algorithm has it."""

    burst: int
    """How many e-mails may follow each other at once."""

    interval: int
    """How many microseconds each e-mail takes of the burst, until it is free again."""


def rate_of(limit: int) -> Rate:
    """Return burst and interval for a limit a minute.

    What is taken in a window is less than ``burst + WINDOW / interval``, which is one more than the limit.
    """
    burst = max(1, limit // _BURST_PART)
    return Rate(burst, ceil(WINDOW * 1_000_000 / (limit - burst + 1)))


def room(registry: EmailRegistry) -> int | None:
    """Return how many e-mails may be sent now; None without a limit."""
    limit = registry.core_settings.email_rate_limit
    if limit == 0:
        return None
    free = _free(rate_of(limit), database_microseconds())
    with session_scope(registry) as db:
        left = db.scalar(sa.select(free).where(email_rate.c.id == _ROW))
    # There is no row before the first e-mail.
    return rate_of(limit).burst if left is None else left


def take(registry: EmailRegistry, wanted: int, now: sa.ColumnElement[int] | None = None) -> int:
    """Take up to ``wanted`` e-mails of the limit for sending them within :data:`MAX_DELAY`; return how many.

    ``now`` is the database's clock, in microseconds of Unix time, unless a test has another.
    """
    limit = registry.core_settings.email_rate_limit
    if limit == 0 or wanted == 0:
        return wanted
    rate, now = rate_of(limit), database_microseconds() if now is None else now
    free = _free(rate, now)
    granted = sa.case((free < wanted, free), else_=wanted)
    first = min(wanted, rate.burst)
    with session_scope(registry) as db:
        insert = db.insert(email_rate).values(id=_ROW, full_at=now + first * rate.interval, taken=first)
        update = insert.on_conflict_do_update(
            index_elements=["id"],
            set_={"full_at": _later(now) + granted * rate.interval, "taken": granted},
        )
        return int(db.write(update.returning(email_rate.c.taken)).scalar_one())


def note_pause(registry: EmailRegistry, until: datetime) -> None:
    """Note for metrics that this worker sends nothing until then."""
    with session_scope(registry) as db:
        insert = db.insert(email_rate).values(id=_ROW, full_at=0, taken=0, paused_until=until)
        db.write(insert.on_conflict_do_update(index_elements=["id"], set_={"paused_until": until}))


def is_paused_somewhere(db: Session) -> bool:
    """Tell whether a worker pauses sending now."""
    paused = sa.select(email_rate.c.id).where(email_rate.c.id == _ROW, email_rate.c.paused_until > utcnow())
    return db.row(paused) is not None


def _later(now: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.case((email_rate.c.full_at > now, email_rate.c.full_at), else_=now)


def _free(rate: Rate, now: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """Return how many e-mails are left of the burst; after the limit was lowered, none for a while."""
    left = (rate.burst * rate.interval - (_later(now) - now)) // rate.interval
    return sa.case((left > 0, left), else_=0)
