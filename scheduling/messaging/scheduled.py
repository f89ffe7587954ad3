"""Messages that were written for a later moment: when it has come they begin to wait for their turn.

Their turns are given then, and not when they were written, so that ten thousand reminders of one user for
nine o'clock stand behind whatever anybody else writes at nine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging.models import State, is_scheduled, outbox
from scheduling.times import utcnow

if TYPE_CHECKING:
    from scheduling.messaging.registry import MessagingRegistry

BATCH = 1000
"""How many messages get their turns in one transaction."""

# What the column ``turn`` has before is whose turn it is.
_due = (
    sa.select(outbox.c.id, outbox.c.turn.label("user_id"))
    .where(is_scheduled, outbox.c.due_at <= sa.bindparam("now"))
    .order_by(outbox.c.due_at)
    .limit(BATCH)
    .with_for_update(skip_locked=True)
)
# From now on it is as old as if it had been written when it became due: a reminder that was written in spring
# has not been waiting since then, neither for an operator who is woken nor for a plugin that comes back.
_give_turn = (
    sa.update(outbox)
    .where(outbox.c.id == sa.bindparam("message_id"))
    .values(state=State.PENDING, turn=sa.bindparam("its_turn"), created_at=outbox.c.due_at)
)


def give_turns(registry: MessagingRegistry) -> int:
    """Give a batch of messages whose moment has come their turns; return how many, at most :data:`BATCH`.

    Any number of relays can do so at once; each gets other messages.
    """
    with session_scope(registry) as db:
        rows = db.rows(_due, {"now": utcnow()})
        if rows:
            take = registry.turns.take
            db.write(
                _give_turn,
                [{"message_id": row.id, "its_turn": take(row.user_id or None)} for row in rows],
            )
    return len(rows)
