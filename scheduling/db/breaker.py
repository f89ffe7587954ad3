"""A circuit breaker: after PostgreSQL was found to hang, nobody waits for it until it answers again.

Without it, each request that comes would wait for the whole time-out, and those behind it for a multiple.
"""

from __future__ import annotations

import logging
import threading
from time import monotonic
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

PROBE_SECONDS = 1.0
"""How often a server that hangs is asked whether it answers again."""


class Hanging(psycopg.OperationalError):
    """The server hangs, so that nothing was asked of it."""


class Breaker:
    """Closed while the server answers; open from :meth:`open` until ``probe`` succeeds, in a thread.

    ``probe()`` asks the server on a new connection, in a bounded time, and raises psycopg's errors.
    """

    def __init__(self, probe: Callable[[], None]) -> None:
        self._probe = probe
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._closed.set()

    @property
    def is_open(self) -> bool:
        """True while the server is known to hang."""
        return not self._closed.is_set()

    def check(self) -> None:
        """Raise :class:`Hanging` while it is open."""
        if self.is_open:
            raise Hanging("it hangs; nothing is asked of it until it answers again")

    def open(self) -> None:
        """Have everything refused from now on, and find out when that can end."""
        with self._lock:
            if self.is_open:
                return
            self._closed.clear()
        logger.error("The database hangs: what needs it is refused until it answers again")
        threading.Thread(target=self._close_when_it_answers, name="database-probe", daemon=True).start()

    def wait_until_closed(self, seconds: float) -> None:
        """Return when it is closed, or after so many seconds."""
        self._closed.wait(seconds)

    def _close_when_it_answers(self) -> None:
        opened = monotonic()
        pause = threading.Event()
        while True:
            pause.wait(PROBE_SECONDS)
            try:
                self._probe()
            except psycopg.Error:
                continue
            self._closed.set()
            logger.warning("The database answers again, after %.0f s", monotonic() - opened)
            return
