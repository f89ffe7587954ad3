"""The consumer: receives the ids of messages from the broker and delivers those messages.

An id is acknowledged after the result is in the outbox. A worker that dies before has its id received again,
by another worker; whether the message is still to be delivered, its row decides.
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
    from scheduling.messaging.threads import Loop

logger = logging.getLogger(__name__)

_RECEIVE_SECONDS = 0.25
"""How long one wait for an id takes at most, and so for how long an idle consumer delays a worker's end."""


def run_consumer(loop: Loop) -> None:
    """Deliver one message after the other until the worker stops; raise what the broker or database does."""
    with connect(loop.registry) as connection:
        channel = connection.channel()
        # Closing the channel waits for the answer to its last question, and the end of a worker for that.
        channel.brpop_timeout = _RECEIVE_SECONDS
        consumer = kombu.Consumer(
            channel,
            queues=[QUEUE],
            callbacks=[partial(_receive, loop.registry)],
            on_decode_error=_remove,
            accept=["json"],
            prefetch_count=1,
        )
        consumer.consume()
        while not loop.stopping.is_set():
            loop.report_alive()
            with suppress(TimeoutError):
                connection.drain_events(timeout=_RECEIVE_SECONDS)
            loop.report_success()
        # The channel first: closing the connection of an idle consumer can drop a message.
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
