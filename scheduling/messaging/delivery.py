"""Delivers one message of the outbox in a worker: claims it, runs its handler, writes the result.

The claim and the result are transactions of their own, and none is open while the handler runs. A worker that
dies in between leaves a message whose lease runs out, after which another worker can claim it.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from scheduling import tracing
from scheduling.db.session import session_scope
from scheduling.exceptions import name_and_text
from scheduling.messaging.models import Delay, State, outbox
from scheduling.messaging.outbox import Message
from scheduling.messaging.outcomes import Permanent, Postpone, Skip, Transient
from scheduling.times import utcnow

if TYPE_CHECKING:
    from scheduling.db.metadata import Row
    from scheduling.messaging.registry import MessagingRegistry

logger = logging.getLogger(__name__)

BACKOFF_CAP = timedelta(hours=4)
"""The longest wait between two attempts."""

NO_CONSUMER_WAIT = timedelta(minutes=5)
"""How long a message is postponed when no enabled plugin has its consumer."""

_MAX_ERROR_CHARACTERS = 500


class Result(NamedTuple):
    """How an attempt at a message ended."""

    state: State
    columns: dict[str, Any]
    """What else is written to the message's row, by column."""


def deliver(registry: MessagingRegistry, message_id: uuid.UUID) -> State | None:
    """Claim a message, run its handler and write the result; return the message's new state.

    Returns None where the message cannot be claimed, such as one that is done, and where its lease ran out
    and another worker claimed it meanwhile.
    """
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
        result = _run_handler(registry, row, recovered=recovered)
        return _write_result(registry, row, owner, result)


def _claim(registry: MessagingRegistry, message_id: uuid.UUID, owner: str) -> tuple[Row, bool] | None:
    """Take a message for the length of a lease: one that is queued, or one whose owner's lease ran out.

    Returns its row, and True in the second case; None if the message is neither.
    """
    now = utcnow()
    lease = now + timedelta(seconds=registry.core_settings.outbox_lease)
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
    lease_ran_out = sa.and_(outbox.c.state == State.RUNNING, outbox.c.lease_until <= now)
    with session_scope(registry) as db:
        for recovered, claimable in ((False, outbox.c.state == State.QUEUED), (True, lease_ran_out)):
            row = db.write(claim.where(claimable)).first()
            if row is not None:
                return row, recovered
    return None


def _run_handler(registry: MessagingRegistry, row: Row, *, recovered: bool) -> Result:
    """Run the handler of a claimed message; what it raises becomes a result too."""
    consumer = registry.outbox_consumers.get(row.consumer)
    if consumer is None:
        reason = f"no enabled plugin handles {row.consumer!r}"
        return _postponed(row, Postpone(reason, utcnow() + NO_CONSUMER_WAIT))
    if row.attempts > consumer.attempts:
        return Result(State.DEAD, {"last_error": "given up: the workers that tried it died"})
    traceparent = str(tracing.current())
    message = Message(row.id, row.kind, row.payload, row.attempts, row.reserved_at, recovered, traceparent)
    try:
        provider_id = consumer.handler(message, registry)
    except Exception as error:  # noqa: BLE001 - a handler can fail in any way
        return _result_of_error(registry, row, error, consumer.attempts)
    return Result(State.DONE, {"provider_id": provider_id, "last_error": None})


def _result_of_error(registry: MessagingRegistry, row: Row, error: Exception, max_attempts: int) -> Result:
    """Return what follows from an exception of a handler: a later attempt, or the message's end."""
    if isinstance(error, Postpone):
        return _postponed(row, error)
    if isinstance(error, Skip):
        return Result(State.SKIPPED, {"last_error": str(error)})
    registry.tracer.failed(error)
    if isinstance(error, Permanent) or row.attempts >= max_attempts:
        logger.warning("Message %s (%s) is dead in attempt %d: %s", row.id, row.kind, row.attempts, error)
        return Result(State.DEAD, {"last_error": name_and_text(error, _MAX_ERROR_CHARACTERS)})
    retry_after = error.retry_after if isinstance(error, Transient) else None
    base = timedelta(seconds=registry.core_settings.outbox_backoff)
    wait = timedelta(seconds=retry_after) if retry_after is not None else backoff(row.attempts, base)
    logger.info("Message %s (%s) is tried again in %s: %s", row.id, row.kind, wait, error)
    columns = {
        "due_at": utcnow() + wait,
        "delay": Delay.RETRY,
        "last_error": name_and_text(error, _MAX_ERROR_CHARACTERS),
    }
    return Result(State.RETRY, columns)


def _postponed(row: Row, postpone: Postpone) -> Result:
    """Return the result of an attempt that does not count."""
    columns = {
        "attempts": row.attempts - 1,
        "due_at": postpone.until,
        "reserved_at": postpone.until if postpone.reserved else None,
        "delay": postpone.delay,
        "last_error": str(postpone),
    }
    return Result(State.RETRY, columns)


def backoff(attempt: int, base: timedelta) -> timedelta:
    """Return a random wait of up to ``base * 2**attempt``, and at most :data:`BACKOFF_CAP`.

    It is the "full jitter" of https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/:
    messages that failed together are not tried again together.
    """
    longest: timedelta = min(BACKOFF_CAP, base * 2 ** min(attempt, 20))
    return random.random() * longest  # noqa: S311


def _write_result(registry: MessagingRegistry, row: Row, owner: str, result: Result) -> State | None:
    """Write the result and return the new state; None if the lease ran out and another took the message."""
    now = utcnow()
    columns = {
        "state": result.state,
        "owner": None,
        "lease_until": None,
        "reserved_at": None,
        "delay": None,
        **result.columns,
    }
    if result.state is not State.RETRY:
        columns["done_at"] = now
    is_still_ours = sa.and_(outbox.c.owner == owner, outbox.c.state == State.RUNNING)
    write = sa.update(outbox).where(outbox.c.id == row.id, is_still_ours).values(columns)
    with session_scope(registry) as db:
        if not db.write(write).rowcount:
            return None
    registry.metrics.attempt_ended(row.kind, result.state, (now - row.created_at).total_seconds())
    return result.state
