"""What happens to one outbox message in a worker: claim, handle, mark.

Each step is a transaction of its own, so that a crash between them leaves a lease that runs out.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling import tracing
from scheduling.db.session import session_scope
from scheduling.messaging.models import State, outbox
from scheduling.messaging.outbox import Message
from scheduling.messaging.outcomes import Permanent, Postpone, Skip, Transient
from scheduling.times import utcnow

if TYPE_CHECKING:
    from pyramid.registry import Registry

    from scheduling.db.metadata import Row

logger = logging.getLogger(__name__)

BACKOFF_CAP = timedelta(hours=4)
"""The longest wait between two attempts."""

UNCLAIMED_WAIT = timedelta(minutes=5)
"""When a message is looked at again whose consumer no enabled plugin has."""

_MAX_ERROR_CHARACTERS = 500


def deliver(registry: Registry, message_id: uuid.UUID) -> State | None:
    """Claim a message, run its consumer and mark the result; None if it is not ours to do."""
    owner = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex}"
    claimed = _claim(registry, message_id, owner)
    if claimed is None:
        registry.metrics.refused_claims.inc()
        return None
    row, recovered = claimed
    with registry.tracer.delivering(row.id, row.consumer, row.traceparent):
        if recovered:
            registry.metrics.recovered_leases.inc()
            logger.warning("Message %s (%s) is taken over: its worker died", row.id, row.kind)
        state, values = _handle(registry, row, recovered=recovered)
        return _mark(registry, row, owner, state, values)


def _claim(registry: Registry, message_id: uuid.UUID, owner: str) -> tuple[Row, bool] | None:
    """Take a message that is queued, or (True beside it) one whose owner's lease ran out."""
    now = utcnow()
    lease = now + timedelta(seconds=registry.scheduling.outbox_lease)
    claim = (
        sa.update(outbox)
        .where(outbox.c.id == message_id)
        .values(
            state=State.RUNNING, attempts=outbox.c.attempts + 1, owner=owner, lease_until=lease, due_at=lease
        )
        .returning(
            outbox.c.id,
            outbox.c.kind,
            outbox.c.consumer,
            outbox.c.payload,
            outbox.c.attempts,
            outbox.c.created_at,
            outbox.c.reserved_at,
            outbox.c.traceparent,
        )
    )
    lost = sa.and_(outbox.c.state == State.RUNNING, outbox.c.lease_until <= now)
    with session_scope(registry) as db:
        for recovered, claimable in ((False, outbox.c.state == State.QUEUED), (True, lost)):
            row = db.write(claim.where(claimable)).first()
            if row is not None:
                return row, recovered
    return None


def _handle(registry: Registry, row: Row, *, recovered: bool) -> tuple[State, dict[str, Any]]:
    """Run the consumer and return the state that follows, and what else is to be written."""
    consumer = registry.outbox_consumers.get(row.consumer)
    if consumer is None:
        return _postponed(
            row, Postpone(f"no enabled plugin handles {row.consumer!r}", utcnow() + UNCLAIMED_WAIT)
        )
    if row.attempts > consumer.attempts:
        return State.DEAD, {"last_error": "given up: the workers that tried it died"}
    traceparent = str(tracing.current())
    message = Message(row.id, row.kind, row.payload, row.attempts, row.reserved_at, recovered, traceparent)
    try:
        provider_id = consumer.handler(message, registry)
    except Exception as error:  # noqa: BLE001 - a handler can fail in any way
        return _not_done(registry, row, error, consumer.attempts)
    return State.DONE, {"provider_id": provider_id, "last_error": None}


def _not_done(registry: Registry, row: Row, error: Exception, attempts: int) -> tuple[State, dict[str, Any]]:
    """Sort what a handler raised."""
    if isinstance(error, Postpone):
        return _postponed(row, error)
    if isinstance(error, Skip):
        return State.SKIPPED, {"last_error": str(error)}
    registry.tracer.failed(error)
    if isinstance(error, Permanent) or row.attempts >= attempts:
        logger.warning("Message %s (%s) is dead in attempt %d: %s", row.id, row.kind, row.attempts, error)
        return State.DEAD, {"last_error": _text(error)}
    asked = error.retry_after if isinstance(error, Transient) else None
    base = timedelta(seconds=registry.scheduling.outbox_backoff)
    wait = timedelta(seconds=asked) if asked is not None else backoff(row.attempts, base)
    logger.info("Message %s (%s) is tried again in %s: %s", row.id, row.kind, wait, error)
    return State.RETRY, {"due_at": utcnow() + wait, "last_error": _text(error)}


def _postponed(row: Row, reason: Postpone) -> tuple[State, dict[str, Any]]:
    reserved_at = reason.until if reason.reserved else None
    return State.RETRY, {
        "attempts": row.attempts - 1,
        "due_at": reason.until,
        "reserved_at": reserved_at,
        "last_error": str(reason),
    }


def backoff(attempt: int, base: timedelta) -> timedelta:
    """Return a random wait of up to ``base * 2**attempt``, capped (AWS: "full jitter")."""
    longest: timedelta = min(BACKOFF_CAP, base * 2 ** min(attempt, 20))
    return random.random() * longest  # noqa: S311


def _mark(registry: Registry, row: Row, owner: str, state: State, values: dict[str, Any]) -> State | None:
    """Write the result where we still own the row; None if the lease ran out and another took it."""
    now = utcnow()
    if state is not State.RETRY:
        values = {"done_at": now, **values}
    mark = (
        sa.update(outbox)
        .where(outbox.c.id == row.id, outbox.c.owner == owner, outbox.c.state == State.RUNNING)
        .values({"state": state, "owner": None, "lease_until": None, "reserved_at": None, **values})
    )
    with session_scope(registry) as db:
        if not db.write(mark).rowcount:
            return None
    registry.metrics.finished(row.kind, state, (now - row.created_at).total_seconds())
    return state


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_MAX_ERROR_CHARACTERS]
