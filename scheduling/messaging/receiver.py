"""Receives ids of messages to one consumer from the broker and delivers them.

Ids are acknowledged after the results are in the outbox. If a worker dies first, the broker hands the ids to
another worker; the rows' states decide what is delivered again.
"""

from __future__ import annotations

import logging
import uuid
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import kombu

from scheduling.messaging.broker import connect, queue_of
from scheduling.messaging.delivery import deliver

if TYPE_CHECKING:
    from scheduling.messaging.threads import RestartingThread

logger = logging.getLogger(__name__)

_RECEIVE_SECONDS = 1.0
"""How long one wait for ids takes at most, and so for how long an idle receiver delays a worker's end."""

_PAUSE_SECONDS = 0.1
"""How often a receiver looks whether its consumer's pause is over."""


def run_receiver(consumer: str, thread: RestartingThread) -> None:
    """Deliver one batch after the other until the thread is to stop.

    Raises what the broker or the database does.
    """
    is_paused = thread.registry.outbox_consumers[consumer].is_paused
    with connect(thread.registry) as connection:
        channel = connection.channel()
        # channel.close() blocks until the pending BRPOP returns; a short one keeps shutdown short.
        channel.brpop_timeout = _RECEIVE_SECONDS
        receiving = kombu.Consumer(
            channel,
            queues=[queue_of(consumer)],
            callbacks=[partial(_receive, consumer, thread)],
            on_decode_error=_remove,
            accept=["json"],
            prefetch_count=1,
        )
        receiving.consume()
        while not thread.is_to_stop():
            thread.report_alive()
            if is_paused(thread.registry):
                thread.stopping.wait(_PAUSE_SECONDS)
                continue
            with suppress(TimeoutError):
                connection.drain_events(timeout=_RECEIVE_SECONDS)
            thread.report_success()
        # The channel first: closing the connection of an idle kombu.Consumer can drop a message.
        receiving.cancel()
        channel.close()


def _receive(consumer: str, thread: RestartingThread, body: Any, received: kombu.Message) -> None:
    """Deliver the messages whose ids were received, and acknowledge them."""
    try:
        ids = [uuid.UUID(text) for text in body["ids"]]
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        _remove(received, error)
        return
    deliver(thread.registry, consumer, ids, thread)
    received.ack()


def _remove(received: kombu.Message, error: Exception) -> None:
    """Take what is no list of ids out of the queue, or it would be received again for ever."""
    logger.warning("Removed from the broker's queue what is no list of ids: %s", type(error).__name__)
    received.reject()
