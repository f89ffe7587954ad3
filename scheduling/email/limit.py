"""The e-mail rate limit: one budget over all workers, exact under concurrency, and nobody sleeps.

There are as many slots as e-mails a minute are allowed. Sending takes the slot that is free first and
blocks it for a minute from then on, so that no window of 60 seconds holds more sends than slots. Where
the slot is free only later, the message reserves it and comes back at that moment.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.db import Timestamp, metadata, session_scope
from scheduling.outbox import Postpone
from scheduling.times import utcnow

if TYPE_CHECKING:
    from datetime import datetime

    from pyramid.registry import Registry

    from scheduling.db import Session
    from scheduling.outbox import Message

LATENESS = timedelta(seconds=3)
"""How much later than its slot an e-mail may still be sent with it; what comes later takes another slot."""

WINDOW = timedelta(seconds=60) + LATENESS

email_slots = sa.Table(
    "email_slots",
    metadata,
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("free_at", Timestamp, nullable=False, index=True),
)


def take_turn(registry: Registry, message: Message) -> None:
    """Return when the message may be sent now; raise ``Postpone`` until its slot otherwise."""
    now = utcnow()
    if message.reserved_at and message.reserved_at <= now <= message.reserved_at + LATENESS:
        return
    slot = reserve(registry, now)
    if slot > now:
        raise Postpone("waits for the e-mail rate limit", slot, reserved=True)


def reserve(registry: Registry, now: datetime) -> datetime:
    """Take the slot that is free first, and return when it is: ``now`` or later."""
    limit = registry.scheduling.email_rate_limit
    with session_scope(registry) as db:
        slot = _first_free(db, limit)
        if slot is None:
            _make_slots(db, limit, now)
            slot = _first_free(db, limit)
        if slot is None:
            # Other workers hold all the slots for this instant.
            raise Postpone("waits for the e-mail rate limit", now + timedelta(seconds=1))
        number, free_at = slot
        at = max(now, free_at)
        db.write(sa.update(email_slots).where(email_slots.c.slot == number).values(free_at=at + WINDOW))
    return at


def _first_free(db: Session, limit: int) -> tuple[int, datetime] | None:
    free = (
        sa.select(email_slots.c.slot, email_slots.c.free_at)
        .where(email_slots.c.slot < limit)
        .order_by(email_slots.c.free_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = db.write(free).first()
    return None if row is None else (row.slot, row.free_at)


def _make_slots(db: Session, limit: int, now: datetime) -> None:
    rows = [{"slot": number, "free_at": now} for number in range(limit)]
    db.write(db.insert(email_slots).on_conflict_do_nothing(index_elements=["slot"]), rows)
