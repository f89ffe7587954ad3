"""How an attempt at a message may end other than well: what a handler raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Skip(Exception):
    """Raised by a handler when a message has become pointless; the message is the reason."""


class Postpone(Exception):
    """Raised by a handler that did nothing: the message waits until ``until``, and no attempt is counted.

    With ``reserved`` that moment is the message's own, and it is told so when it comes back.
    """

    def __init__(self, reason: str, until: datetime, *, reserved: bool = False) -> None:
        self.until = until
        self.reserved = reserved
        super().__init__(reason)


class Transient(Exception):
    """Sending failed in a way that passes; ``retry_after`` is how many seconds the other side asks for."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(reason)


class Permanent(Exception):
    """Sending failed in a way that no repetition mends, such as an address that does not exist."""
