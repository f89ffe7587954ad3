"""Whose message is next: users take turns, so that nobody waits behind a flood of somebody else's.

Each message has a moment, its turn, and those that wait for a consumer are taken in the order of their turns.
The first message of a user has the moment at which it is written. Each further one has a moment that is
:data:`SPACING` later than the one before, or now, whichever is later. So of a user who writes ten thousand
messages at once most stand behind the single message that somebody else writes after them. None is held back
for that: where nobody else has a message, they follow each other at once. This is the virtual clock of
https://dl.acm.org/doi/10.1145/99517.99525. Each process remembers the turns that it gave.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from pyramid.threadlocal import get_current_request

if TYPE_CHECKING:
    from pyramid.config import Configurator

SPACING = 1_000_000
"""How far the turns of one user are apart, in microseconds."""

FARTHEST = 24 * 3600 * 1_000_000
"""How far ahead of now a turn can be, in microseconds."""

_MANY = 10_000
"""With how many users it is worth looking for those that need not be remembered."""


class Turns:
    """Gives turns, in microseconds of Unix time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: dict[int, int] = {}

    def take(self, user_id: int | None) -> int:
        """Return the turn of a message that this user causes; of nobody's message, now."""
        now = time.time_ns() // 1000
        if user_id is None:
            return now
        with self._lock:
            turn = max(now, self._next.get(user_id, 0))
            self._next[user_id] = min(turn + SPACING, now + FARTHEST)
            if len(self._next) > _MANY:
                self._next = {user: turn for user, turn in self._next.items() if turn > now}
        return turn


def sender_of_request() -> int | None:
    """Return the id of the user whose request this thread answers; None outside a request."""
    request = get_current_request()
    identity = request.__dict__.get("identity") if request is not None else None
    return None if identity is None else int(identity.id)


def includeme(config: Configurator) -> None:
    """Put the turns of this process on the registry."""
    config.registry.turns = Turns()
