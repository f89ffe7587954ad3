"""RestartingThread: a thread of a worker, which runs one function, and runs it again after every error.

A broker or a database that is away for a while must not end a worker: as soon as it is back, the next run
succeeds, and nobody has to start anything.
"""

from __future__ import annotations

import logging
import random
import threading
from time import monotonic
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.db.failures import one_line
from scheduling.db.pool import guard_of
from scheduling.exceptions import name_and_text
from scheduling.messaging.broker import BROKER_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from scheduling.messaging.registry import MessagingRegistry

logger = logging.getLogger(__name__)

_FIRST_RESTART_SECONDS = 0.5
_LAST_RESTART_SECONDS = 15.0
_LOOK_SECONDS = 0.25
"""How often a loop that waits for the database looks whether it is to stop."""

_LOG_SECONDS = 60.0
"""How long a thread that fails again and again is silent after it has logged an error."""


class RestartingThread(threading.Thread):
    """A thread that calls ``work(thread)``, and again whenever that raises, until it is to stop.

    ``work`` goes in rounds, and returns when :meth:`is_to_stop`. It calls :meth:`report_alive` at the
    beginning of each round and :meth:`report_success` at the end of each that succeeded.
    """

    def __init__(
        self,
        name: str,
        registry: MessagingRegistry,
        stopping: threading.Event,
        work: Callable[[RestartingThread], None],
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.registry = registry
        self.stopping = stopping
        self.last_alive = monotonic()
        """When it last reported to be alive, by :func:`time.monotonic`."""
        self.is_replaced = False
        """True if another thread does its work, since it did not come back from a handler."""
        self.failure: str | None = None
        """Why it failed, as a sentence; None from the next success on."""
        self._work = work
        self._failures_in_a_row = 0
        self._last_logged = float("-inf")

    def successor(self) -> RestartingThread:
        """Return a thread, not started yet, that does this one's work from now on."""
        self.is_replaced = True
        return RestartingThread(self.name, self.registry, self.stopping, self._work)

    def report_alive(self) -> None:
        """Note that the thread does not hang; the liveness probe asks for it."""
        self.last_alive = monotonic()

    def report_success(self) -> None:
        """Note that a round succeeded, so that whatever failed before has passed."""
        self.failure = None
        self._failures_in_a_row = 0

    def is_to_stop(self) -> bool:
        """Tell whether the worker ends, or another thread does this one's work."""
        return self.is_replaced or self.stopping.is_set()

    def run(self) -> None:
        """Call the function until the thread is to stop; what :meth:`start` runs in the thread."""
        while not self.is_to_stop():
            try:
                self._work(self)
            except Exception as error:  # noqa: BLE001 - brokers and drivers raise all kinds of things
                self._note_failure(error)
                self._pause()

    def _pause(self) -> None:
        """Wait before the next run; where the database hangs, until it answers again."""
        guard = guard_of(self.registry.engine)
        if guard is None or not guard.breaker.is_open:
            self.stopping.wait(self._restart_seconds())
            return
        while guard.breaker.is_open and not self.stopping.is_set():
            self.report_alive()
            guard.breaker.wait_until_closed(_LOOK_SECONDS)

    def _note_failure(self, error: Exception) -> None:
        """Keep the failure for the probes, and log it, at most once a minute."""
        self.report_alive()
        text = one_line(error) if isinstance(error, sa.exc.DBAPIError) else name_and_text(error)
        self.failure = f"The {self.name} failed and starts again: {text}"
        self._failures_in_a_row += 1
        if monotonic() - self._last_logged >= _LOG_SECONDS:
            self._last_logged = monotonic()
            # A traceback helps only where the cause is in the program, not in a network.
            is_outage = isinstance(error, (OSError, sa.exc.DBAPIError, *BROKER_ERRORS))
            logger.error("%s", self.failure, exc_info=None if is_outage else error)

    def _restart_seconds(self) -> float:
        """Return how long to wait after a failure: twice as long after each, at random up to 50 % less."""
        doublings = min(self._failures_in_a_row - 1, 10)
        longest: float = min(_LAST_RESTART_SECONDS, _FIRST_RESTART_SECONDS * 2**doublings)
        return longest * random.uniform(0.5, 1)  # noqa: S311
