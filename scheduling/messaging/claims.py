"""The SQL of a worker: takes messages for the length of a lease, renews it, and writes how attempts ended."""

from __future__ import annotations

import os
import socket
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging.models import State, outbox
from scheduling.times import utcnow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from scheduling.db.metadata import Row
    from scheduling.messaging.registry import MessagingRegistry


class Claimed(NamedTuple):
    """A message that a worker has, for as long as its lease."""

    row: Row
    recovered: bool
    """True if the lease of another worker ran out."""


_ids = outbox.c.id.in_(sa.bindparam("ids", expanding=True))
_is_ours = sa.and_(outbox.c.state == State.RUNNING, outbox.c.owner == sa.bindparam("our_name"))

_claim = (
    sa.update(outbox)
    .where(_ids)
    .values(
        state=State.RUNNING,
        attempts=outbox.c.attempts + 1,
        owner=sa.bindparam("new_owner"),
        lease_until=sa.bindparam("lease"),
        due_at=sa.bindparam("lease"),
    )
    .returning(
        outbox.c.id,
        outbox.c.kind,
        outbox.c.consumer,
        outbox.c.payload,
        outbox.c.attempts,
        outbox.c.postponed,
        outbox.c.created_at,
        outbox.c.expires_at,
        outbox.c.handed_at,
        outbox.c.handed,
        outbox.c.provider_id,
        outbox.c.traceparent,
    )
)
_claim_queued = _claim.where(outbox.c.state == State.QUEUED)
# Whoever had it may have handed it over, at the end of the lease at the latest.
_claim_abandoned = _claim.where(
    outbox.c.state == State.RUNNING, outbox.c.lease_until <= sa.bindparam("now")
).values(handed_at=sa.func.coalesce(outbox.c.handed_at, outbox.c.lease_until))

_renew = (
    sa.update(outbox)
    .where(_ids, _is_ours)
    .values(lease_until=sa.bindparam("lease"), due_at=sa.bindparam("lease"))
)
_put_back = (
    sa.update(outbox)
    .where(_ids, _is_ours)
    .values(
        state=State.PENDING,
        attempts=outbox.c.attempts - 1,
        due_at=sa.bindparam("now"),
        owner=None,
        lease_until=None,
    )
)
_RESULT = ("state", "attempts", "postponed", "due_at", "delay", "provider_id", "last_error", "done_at")
# One that its handler has finished by itself is done already, and nothing else can become of it.
_is_result_of_ours = sa.and_(
    outbox.c.owner == sa.bindparam("our_name"),
    sa.or_(
        outbox.c.state == State.RUNNING,
        sa.and_(outbox.c.state == State.DONE, sa.bindparam("state", type_=sa.String) == State.DONE),
    ),
)
_write = (
    sa.update(outbox)
    .where(outbox.c.id == sa.bindparam("message_id"), _is_result_of_ours)
    .values(
        {name: sa.bindparam(name) for name in (*_RESULT, "handed_at", "handed")}
        | {"owner": None, "lease_until": None}
    )
)


def new_owner() -> str:
    """Return a name that no other claim has."""
    return f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex}"


def claim(registry: MessagingRegistry, ids: Sequence[uuid.UUID], owner: str) -> list[Claimed]:
    """Take messages for the length of a lease, in the order of ``ids``.

    Those are taken that are queued, or whose owner's lease ran out; others took the rest, or finished it.
    """
    now = utcnow()
    values = {"new_owner": owner, "lease": _lease(registry, now)}
    with session_scope(registry) as db:
        found = {row.id: Claimed(row, False) for row in db.write(_claim_queued, {"ids": ids, **values})}
        if rest := [message_id for message_id in ids if message_id not in found]:
            abandoned = db.write(_claim_abandoned, {"ids": rest, "now": now, **values})
            found |= {row.id: Claimed(row, True) for row in abandoned}
    return [found[message_id] for message_id in ids if message_id in found]


def renew(registry: MessagingRegistry, ids: Sequence[uuid.UUID], owner: str) -> None:
    """Let the lease of messages that are in hand begin anew."""
    with session_scope(registry) as db:
        db.write(_renew, {"ids": ids, "our_name": owner, "lease": _lease(registry, utcnow())})


def put_back(registry: MessagingRegistry, ids: Sequence[uuid.UUID], owner: str) -> None:
    """Give back messages that were not begun, to wait for their turn as before."""
    with session_scope(registry) as db:
        db.write(_put_back, {"ids": ids, "our_name": owner, "now": utcnow()})
        db.after_commit(registry.wake_relays)


def write_results(registry: MessagingRegistry, results: Sequence[dict[str, Any]], owner: str) -> int:
    """Write how attempts ended; return how many results were written.

    Fewer than there are, if a lease ran out and another worker took the message. Each result has all columns
    of :data:`_write` by name.
    """
    with session_scope(registry) as db:
        return db.write(_write, [{**result, "our_name": owner} for result in results]).rowcount


def _lease(registry: MessagingRegistry, now: datetime) -> datetime:
    return now + timedelta(seconds=registry.core_settings.outbox_lease)
