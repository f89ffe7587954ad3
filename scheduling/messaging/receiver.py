"""Receives ids from the broker and delivers their messages.

An id is acknowledged after the result is in the outbox. If a worker dies first, the broker hands the id to
another worker; the row's state decides whether it is delivered again.
"""

from __future__ import annotations

import logging
import uuid
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import kombu

from scheduling.messaging.broker import QUEUE, connect
from scheduling.messaging.delivery import deliver

if TYPE_CHECKING:
    from scheduling.messaging.registry import MessagingRegistry
    from scheduling.messaging.threads import RestartingThread

logger = logging.getLogger(__name__)

_RECEIVE_SECONDS = 1.0
"""How long one wait for an id takes at most, and so for how long an idle receiver delays a worker's end."""


def run_receiver(thread: RestartingThread) -> None:
    """Deliver one message after the other until the worker stops; raise what the broker or database does."""
    with connect(thread.registry) as connection:
        channel = connection.channel()
        # channel.close() blocks until the pending BRPOP returns; a short one keeps shutdown short.
        channel.brpop_timeout = _RECEIVE_SECONDS
        consumer = kombu.Consumer(
            channel,
            queues=[QUEUE],
            callbacks=[partial(_receive, thread.registry)],
            on_decode_error=_remove,
            accept=["json"],
            prefetch_count=1,
        )
        consumer.consume()
        while not thread.stopping.is_set():
            thread.report_alive()
            with suppress(TimeoutError):
                connection.drain_events(timeout=_RECEIVE_SECONDS)
            thread.report_success()
        # The channel first: closing the connection of an idle kombu.Consumer can drop a message.
        consumer.cancel()
        channel.close()


def _receive(registry: MessagingRegistry, body: Any, received: kombu.Message) -> None:
    """Deliver the message whose id was received, and acknowledge it."""
    try:
        message_id = uuid.UUID(body["id"])
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        _remove(received, error)
        return
    deliver(registry, message_id)
    received.ack()


def _remove(received: kombu.Message, error: Exception) -> None:
    """Take what is no id of a message out of the queue, or it would be received again for ever."""
    logger.warning("Removed from the broker's queue what is no id of a message: %s", type(error).__name__)
    received.reject()
