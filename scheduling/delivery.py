"""What happens to one outbox message in a worker: claim, handle, mark."""

from __future__ import annotations

import logging
import os
import random
import socket
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling.db import session_scope
from scheduling.email.provider import Permanent, Transient
from scheduling.outbox import Message, Skip, State, outbox
from scheduling.times import utcnow

if TYPE_CHECKING:
    from pyramid.registry import Registry

    from scheduling.db import Row

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)
"""How long a claim holds; every provider's time-out is shorter."""

BACKOFF_BASE = timedelta(seconds=10)
BACKOFF_CAP = timedelta(hours=4)

_MAX_ERROR_CHARACTERS = 500


def deliver(registry: Registry, message_id: uuid.UUID) -> State | None:
    """Claim a message, run its consumer and mark the result; None if it is not ours to do.

    Each step is a transaction of its own, so that a crash between them leaves a lease that runs out.
    """
    owner = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex}"
    row = _claim(registry, message_id, owner)
    if row is None:
        return None
    limit = registry.scheduling.email_retry_attempts
    if row.attempts > limit:
        return _mark(registry, row, owner, State.DEAD, last_error="given up: its workers died")
    message = Message(row.id, row.kind, row.payload, row.attempts)
    try:
        provider_id = registry.outbox_consumers[row.consumer](message, registry)
    except Skip as reason:
        return _mark(registry, row, owner, State.SKIPPED, last_error=str(reason))
    except Permanent as error:
        logger.warning("Message %s (%s) is dead: %s", row.id, row.kind, error)
        return _mark(registry, row, owner, State.DEAD, last_error=_text(error))
    except Exception as error:  # noqa: BLE001 - a handler can fail in any way
        return _failed(registry, row, owner, error, limit)
    return _mark(registry, row, owner, State.DONE, provider_id=provider_id)


def _claim(registry: Registry, message_id: uuid.UUID, owner: str) -> Row | None:
    now = utcnow()
    lost = sa.and_(outbox.c.state == State.RUNNING, outbox.c.lease_until <= now)
    claim = (
        sa.update(outbox)
        .where(outbox.c.id == message_id, sa.or_(outbox.c.state == State.QUEUED, lost))
        .values(
            state=State.RUNNING,
            attempts=outbox.c.attempts + 1,
            owner=owner,
            lease_until=now + LEASE,
            due_at=now + LEASE,
        )
        .returning(outbox.c.id, outbox.c.kind, outbox.c.consumer, outbox.c.payload, outbox.c.attempts)
    )
    with session_scope(registry) as db:
        return db.write(claim).first()


def _failed(registry: Registry, row: Row, owner: str, error: Exception, limit: int) -> State | None:
    if row.attempts >= limit:
        logger.warning("Message %s (%s) is dead after %d attempts: %s", row.id, row.kind, row.attempts, error)
        return _mark(registry, row, owner, State.DEAD, last_error=_text(error))
    asked = error.retry_after if isinstance(error, Transient) else None
    wait = timedelta(seconds=asked) if asked is not None else backoff(row.attempts)
    logger.info("Message %s (%s) is tried again in %s: %s", row.id, row.kind, wait, error)
    return _mark(registry, row, owner, State.RETRY, due_at=utcnow() + wait, last_error=_text(error))


def backoff(attempt: int) -> timedelta:
    """Return a random wait of up to ``base * 2**attempt``, capped (AWS: "full jitter")."""
    longest: timedelta = min(BACKOFF_CAP, BACKOFF_BASE * 2 ** min(attempt, 20))
    return random.random() * longest  # noqa: S311


def _mark(registry: Registry, row: Row, owner: str, state: State, **values: Any) -> State | None:
    """Write the result where we still own the row; None if the lease ran out and another took it."""
    if state is not State.RETRY:
        values["done_at"] = utcnow()
    mark = (
        sa.update(outbox)
        .where(outbox.c.id == row.id, outbox.c.owner == owner, outbox.c.state == State.RUNNING)
        .values(state=state, owner=None, lease_until=None, **values)
    )
    with session_scope(registry) as db:
        return state if db.write(mark).rowcount else None


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_MAX_ERROR_CHARACTERS]
