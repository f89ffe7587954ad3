"""What a handler raises when an attempt at a message does not end well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scheduling.messaging.models import Delay

if TYPE_CHECKING:
    from datetime import datetime


class Skip(Exception):
    """Raised by a handler when a message has become pointless; the message is the reason."""


class Postpone(Exception):
    """Raised by a handler that did nothing: the message waits until ``until``, and no attempt is counted.

    ``delay`` says in metrics why messages wait, ``handed`` is as in :class:`Transient`.
    """

    def __init__(
        self,
        reason: str,
        until: datetime,
        *,
        delay: Delay = Delay.POSTPONED,
        handed: dict[str, Any] | None = None,
    ) -> None:
        self.until = until
        self.delay = delay
        self.handed = handed
        super().__init__(reason)


class NotNow(Exception):
    """Raised by core's handlers: nothing can be handled at present, neither this message nor the next.

    All that the worker has in hand goes back to its place among those that wait, and no attempt is counted.
    """


class Transient(Exception):
    """The attempt failed and a later one may succeed; ``retry_after`` is in how many seconds, if known."""

    handed: dict[str, Any] | None = None
    """JSON-able: what was handed over with an outcome that nobody knows; the next attempt is given it."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(reason)


class Permanent(Exception):
    """The attempt failed and every later one would, such as one to an address that does not exist."""
