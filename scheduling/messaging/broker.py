"""The queues at the broker, and connections to it on which every operation has a time-out.

The broker carries only the ids of messages. It may lose any of them: the messages themselves are rows of the
outbox, and the relay publishes an id again when its message is not finished in time.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import kombu
from kombu.utils.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scheduling.config.settings import Settings
    from scheduling.messaging.registry import MessagingRegistry


def queue_of(consumer: str) -> kombu.Queue:
    """Return the queue of the ids of messages to a consumer.

    Its name differs from that of the release before, whose ids workers of either release would misread. The
    default exchange routes by the queue's name and has no bindings that a broker could lose.
    """
    name = f"scheduling.{consumer}"
    return kombu.Queue(name, exchange=kombu.Exchange(""), routing_key=name, durable=True)


BROKER_ERRORS: tuple[type[Exception], ...] = (kombu.exceptions.KombuError, kombu.exceptions.OperationalError)
"""What Kombu raises when the broker cannot be reached, beside ``OSError``."""


@contextmanager
def connect(registry: MessagingRegistry) -> Iterator[kombu.Connection]:
    """Give a connection to the broker of the settings, which is closed in the end.

    It is opened when it is first used. ``OSError`` and :data:`BROKER_ERRORS` are raised by what uses it.
    """
    settings = registry.core_settings
    options: dict[str, Any] = {"polling_interval": 0.05}
    if not settings.embedded:
        options = {
            "socket_connect_timeout": 5,
            "socket_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 5,
            # After so many seconds an id that was not acknowledged is received again. If its message is
            # finished by then, the claim is refused.
            "visibility_timeout": settings.outbox_lease,
            # For sentinel:// alone.
            "master_name": settings.broker_master,
            "sentinel_kwargs": _sentinel_options(settings),
        }
    connection = kombu.Connection(settings.broker_url, transport_options=options)
    try:
        yield connection
    finally:
        connection.release()


def _sentinel_options(settings: Settings) -> dict[str, Any]:
    """Return how to connect to the Sentinels: with TLS and password as to Redis, unless settings differ.

    The password of the URL is for the user ``default``, whom a Sentinel without a password lets in with any.
    """
    redis = parse_url(settings.broker_url.split(";")[0])
    options: dict[str, Any] = {"socket_timeout": 5, "socket_connect_timeout": 5}
    password = settings.broker_sentinel_password or redis["password"]
    if "ssl" in redis and settings.broker_sentinel_plaintext:
        # What goes to Redis encrypted is not told to others in the clear.
        password = settings.broker_sentinel_password
    elif "ssl" in redis:
        options |= {"ssl": True, **redis["ssl"]}
    if password:
        options |= {"username": settings.broker_sentinel_username or "default", "password": password}
    return options
