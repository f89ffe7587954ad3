"""The e-mail rate limit: one budget over all workers, exact under concurrency, and nobody sleeps.

There are as many slots as e-mails a minute are allowed. Sending takes a slot that is free and blocks it
for a minute from then on, so that no window of 60 seconds holds more sends than slots. Where none is free,
the message reserves the one that is free first and comes back at that moment.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.db.metadata import Timestamp, metadata
from scheduling.db.session import session_scope
from scheduling.messaging.outcomes import Postpone
from scheduling.times import utcnow

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pyramid.registry import Registry

    from scheduling.db.metadata import Row
    from scheduling.db.session import Session
    from scheduling.messaging.outbox import Message

LATENESS = timedelta(seconds=3)
"""How much later than its slot an e-mail may still be sent with it; what comes later takes another slot."""

ON_THE_WAY = timedelta(seconds=1)
"""How much longer one e-mail may take from here to the provider than the next."""

WINDOW = timedelta(seconds=60) + LATENESS + ON_THE_WAY

_TRIES = 100
_CHOICE = 16  # Workers that want a slot at one time take different ones where so many are free.

email_slots = sa.Table(
    "email_slots",
    metadata,
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("free_at", Timestamp, nullable=False, index=True),
)


def take_turn(registry: Registry, message: Message, clock: Callable[[], datetime] = utcnow) -> None:
    """Return when the message may be sent now; raise ``Postpone`` until its slot otherwise."""
    # A worker that died may have used the slot.
    at = None if message.recovered else message.reserved_at
    if at is None or clock() > at + LATENESS:
        at = reserve(registry, clock())
    now = clock()
    if now < at:
        raise Postpone("waits for the e-mail rate limit", at, reserved=True)
    if now > at + LATENESS:
        raise Postpone("waits for the e-mail rate limit: the database took too long", now)


def reserve(registry: Registry, now: datetime) -> datetime:
    """Take the slot that is free first, and return when it is: ``now`` or later."""
    limit = registry.scheduling.email_rate_limit
    for _ in range(_TRIES):
        with session_scope(registry) as db:
            slots = _first_free(db, limit)
            if slots and slots[0].last >= limit - 1:
                slot, at = _choose(slots, limit, now)
                # Neither a lock nor a transaction: a worker that is frozen now holds up no other.
                take = (
                    sa.update(email_slots)
                    .where(email_slots.c.slot == slot.slot, email_slots.c.free_at == slot.free_at)
                    .values(free_at=at + WINDOW)
                )
                if db.connection.execute(take).rowcount:
                    return at
            else:
                _make_slots(db, limit, now)
    # Others were faster every time.
    raise Postpone("waits for the e-mail rate limit", now + timedelta(seconds=1))


def _first_free(db: Session, limit: int) -> list[Row]:
    """Return the slots that are free first, each with the number of the last slot and the latest moment."""
    last = sa.select(sa.func.max(email_slots.c.slot)).scalar_subquery()
    latest = sa.select(sa.func.max(email_slots.c.free_at)).where(email_slots.c.slot < limit).scalar_subquery()
    free = (
        sa.select(email_slots.c.slot, email_slots.c.free_at, last.label("last"), latest.label("latest"))
        .where(email_slots.c.slot < limit)
        .order_by(email_slots.c.free_at)
        .limit(_CHOICE)
    )
    return list(db.rows(free))


def _choose(slots: list[Row], limit: int, now: datetime) -> tuple[Row, datetime]:
    """Return a slot and the moment at which it is used."""
    free = [slot for slot in slots if slot.free_at <= now]
    if free:
        return random.choice(free), now  # noqa: S311
    first = slots[0]
    # Reservations are spread over the minute, however fast the e-mails before were sent: more at one
    # time than the workers can send would come too late for their slots.
    spread = first.latest - WINDOW + WINDOW / limit
    return first, max(first.free_at, spread)


def _make_slots(db: Session, limit: int, now: datetime) -> None:
    """Make the slots that are missing: all of them at first, some after the limit was raised."""
    rows = [{"slot": number, "free_at": now} for number in range(limit)]
    db.write(db.insert(email_slots).on_conflict_do_nothing(index_elements=["slot"]), rows)
