"""What is written to a message's row when an attempt at it has ended."""

from __future__ import annotations

import logging
import random
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from scheduling.exceptions import name_and_text
from scheduling.messaging.models import Delay, State
from scheduling.messaging.outcomes import Permanent, Postpone, Skip, Transient
from scheduling.times import utcnow

if TYPE_CHECKING:
    from scheduling.db.metadata import Row
    from scheduling.messaging.consumers import Consumer

logger = logging.getLogger(__name__)

BACKOFF_CAP = timedelta(hours=4)
"""The longest wait between two attempts."""

_MAX_ERROR_CHARACTERS = 500
_MAX_ID_CHARACTERS = 255


def result(row: Row, state: State, **columns: Any) -> dict[str, Any]:
    """Return the columns of a message after an attempt, by name; others than those given stay as they are."""
    now = utcnow()
    return {
        "message_id": row.id,
        "state": state,
        "attempts": row.attempts,
        "postponed": row.postponed,
        "due_at": now,
        "delay": None,
        "provider_id": row.provider_id,
        "last_error": None,
        "done_at": None if state is State.RETRY else now,
        "handed_at": row.handed_at,
        "handed": row.handed if state is State.RETRY else None,
    } | columns


def result_of_error(row: Row, error: Exception, consumer: Consumer, base: timedelta) -> dict[str, Any]:
    """Return what follows from an exception of a handler: a later attempt, or the message's end.

    ``base`` is the shortest back-off.
    """
    try:
        return _result_of_error(row, error, consumer, base)
    except (TypeError, ValueError, OverflowError, AttributeError) as wrong:
        # The handler raised what says no moment, such as Transient with a text for retry_after.
        return _result_of_error(row, wrong, consumer, base)


def _result_of_error(row: Row, error: Exception, consumer: Consumer, base: timedelta) -> dict[str, Any]:
    if isinstance(error, Postpone):
        return result(
            row,
            State.RETRY,
            attempts=row.attempts - 1,
            postponed=row.postponed + (error.delay is Delay.RETRY),
            due_at=error.until.astimezone(UTC),
            delay=Delay(error.delay),
            last_error=_storable(str(error)),
            **_handed(row, error),
        )
    if isinstance(error, Skip):
        return result(row, State.SKIPPED, last_error=_storable(str(error)))
    text = _storable(name_and_text(error))
    if not isinstance(error, (Transient, Permanent)):
        logger.error(
            "The consumer %s of %s failed at message %s (%s)",
            row.consumer,
            consumer.plugin,
            row.id,
            row.kind,
            exc_info=error,
        )
    if isinstance(error, Permanent) or row.attempts >= consumer.attempts:
        logger.warning("Message %s (%s) is dead in attempt %d: %s", row.id, row.kind, row.attempts, error)
        return result(row, State.DEAD, last_error=text)
    wait = _wait(row, error, base)
    logger.info("Message %s (%s) is tried again in %s: %s", row.id, row.kind, wait, error)
    due_at = utcnow() + wait
    return result(row, State.RETRY, due_at=due_at, delay=Delay.RETRY, last_error=text, **_handed(row, error))


def _handed(row: Row, error: Exception) -> dict[str, Any]:
    handed = getattr(error, "handed", None)
    return {} if handed is None else {"handed": handed, "handed_at": row.handed_at or utcnow()}


def _storable(text: str) -> str:
    """Return the beginning of a text, without what PostgreSQL has no place for."""
    return text.replace("\0", "").encode(errors="replace").decode()[:_MAX_ERROR_CHARACTERS]


def provider_id(returned: object) -> str | None:
    """Return what a handler returned, as the provider's id; raise TypeError if it is no text and not None."""
    if not isinstance(returned, str | None):
        raise TypeError(f"the handler returned {type(returned).__name__}, not a text or None")
    # What it did is done, whatever the text is.
    return None if returned is None else _storable(returned)[:_MAX_ID_CHARACTERS]


def _wait(row: Row, error: Exception, base: timedelta) -> timedelta:
    if isinstance(error, Transient) and error.retry_after is not None:
        return timedelta(seconds=error.retry_after)
    return backoff(row.attempts, base)


def backoff(attempt: int, base: timedelta) -> timedelta:
    """Return a random wait of up to ``base * 2**attempt``, and at most :data:`BACKOFF_CAP`.

    It is the "full jitter" of https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/:
    messages that failed together are not tried again together.
    """
    longest: timedelta = min(BACKOFF_CAP, base * 2 ** min(attempt, 20))
    return random.random() * longest  # noqa: S311
