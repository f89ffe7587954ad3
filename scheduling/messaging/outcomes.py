"""What a handler raises when an attempt at a message does not end well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.messaging.models import Delay

if TYPE_CHECKING:
    from datetime import datetime


class Skip(Exception):
    """Raised by a handler when a message has become pointless; the message is the reason."""


class Postpone(Exception):
    """Raised by a handler that did nothing: the message waits until ``until``, and no attempt is counted.

    With ``reserved`` the handler reserved that moment for it, such as a slot of the e-mail rate limit, and
    finds it in ``message.reserved_at`` on the next attempt. ``delay`` says in metrics why messages wait.
    """

    def __init__(
        self, reason: str, until: datetime, *, reserved: bool = False, delay: Delay = Delay.POSTPONED
    ) -> None:
        self.until = until
        self.delay = delay
        self.reserved = reserved
        super().__init__(reason)


class Transient(Exception):
    """The attempt failed and a later one may succeed; ``retry_after`` is in how many seconds, if known."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(reason)


class Permanent(Exception):
    """The attempt failed and every later one would, such as one to an address that does not exist."""
