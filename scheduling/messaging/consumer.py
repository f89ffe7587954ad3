"""The consumer: receives the ids of messages from the broker and delivers those messages."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

import kombu

from scheduling.messaging.broker import QUEUE
from scheduling.messaging.delivery import deliver

if TYPE_CHECKING:
    from scheduling.messaging.loops import Loop

logger = logging.getLogger(__name__)

_ASK_SECONDS = 0.25
"""How long a consumer waits for a message before it looks whether it is to end."""


def consume(loop: Loop, connection: kombu.Connection) -> None:
    """Carry out one message after the other, and acknowledge each when its row is marked."""

    def receive(body: Any, message: kombu.Message) -> None:
        try:
            message_id = uuid.UUID(body["id"])
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            drop(message, error)
            return
        deliver(loop.registry, message_id)
        message.ack()

    def drop(message: kombu.Message, error: Exception) -> None:
        """Take what is not ours out of the queue, or it would come back for ever."""
        logger.warning("Dropped what is no message of ours in the broker's queue: %s", type(error).__name__)
        message.reject()

    channel = connection.channel()
    # Closing the channel waits for the answer to its last question, and the end of a worker for that.
    channel.brpop_timeout = _ASK_SECONDS
    consumer = kombu.Consumer(
        channel,
        queues=[QUEUE],
        callbacks=[receive],
        on_decode_error=drop,
        accept=["json"],
        prefetch_count=1,
    )
    consumer.consume()
    while loop.turn():
        try:
            connection.drain_events(timeout=_ASK_SECONDS)
        except TimeoutError:
            continue
    # The channel first: closing the connection of an idle consumer can drop a message.
    consumer.cancel()
    channel.close()
