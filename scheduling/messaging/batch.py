"""Batch: the messages that one thread of a worker has in hand.

The thread takes one after the other. Meanwhile the worker's keeper, another thread, renews their leases,
gives back what waits behind a message that takes long, and gives up one whose handler takes too long.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

from scheduling.messaging.claims import put_back, renew, write_results
from scheduling.messaging.results import result_of_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scheduling.messaging.claims import Claimed
    from scheduling.messaging.consumers import Consumer
    from scheduling.messaging.registry import MessagingRegistry
    from scheduling.messaging.threads import RestartingThread

LONG_SECONDS = 5.0
"""After how long with one message, or with all of them, the others of a batch are left to other threads."""

PREPARE_SECONDS = 60.0
"""How long it may take to load what a batch needs."""

logger = logging.getLogger(__name__)


class Batch:
    """Claimed messages: those that wait, the one that is being handled, and results that are not written."""

    def __init__(
        self,
        registry: MessagingRegistry,
        consumer: Consumer,
        messages: Sequence[Claimed],
        owner: str,
        thread: RestartingThread | None,
    ) -> None:
        self._registry = registry
        self._consumer = consumer
        self._owner = owner
        self.thread = thread
        """The thread that has it; None where a test delivers."""
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        """Held while results are written, by the thread or the keeper."""
        self._waiting = deque(messages)
        self._current: Claimed | None = None
        self._since = monotonic()
        self._renewed = monotonic()
        self._results: list[dict[str, Any]] = []
        self._is_given_up = False
        self._is_prepared = False

    def take(self) -> Claimed | None:
        """Return the next message, which is then in work; None when there is no more."""
        with self._lock:
            self._is_prepared = True
            self._current = self._waiting.popleft() if self._waiting else None
            self._since = monotonic()
            return self._current

    def is_to_stop(self) -> bool:
        """Tell whether its thread is to stop, so that others get what is not begun."""
        return self.thread is not None and self.thread.is_to_stop()

    def end(self, message: Claimed, result: dict[str, Any]) -> bool:
        """Keep the result of the message in work; False if that was given up meanwhile."""
        with self._lock:
            if self._current is not message:
                return False
            self._current = None
            self._results.append(result)
            return True

    def write(self) -> bool:
        """Write the results that are kept; tell whether all could be written.

        Where that fails they are kept, for the next time.
        """
        with self._writing:
            with self._lock:
                results = list(self._results)
            if not results:
                return True
            written = write_results(self._registry, results, self._owner)
            with self._lock:
                del self._results[: len(results)]
            return written == len(results)

    def give_back(self, *, current: bool = False) -> None:
        """Put back what waits, and with ``current`` the message in work too."""
        with self._lock:
            given = [message.row.id for message in self._waiting]
            self._waiting.clear()
            if current and self._current is not None:
                given.insert(0, self._current.row.id)
                self._current = None
        if given:
            put_back(self._registry, given, self._owner)

    def is_slow(self) -> bool:
        """Tell whether the message in work takes so long that others should not wait for it."""
        return self._seconds() > LONG_SECONDS

    def takes_too_long(self) -> bool:
        """Tell whether the message in work has had all the time that its handler may take.

        So for a batch that is being prepared, which may take :data:`PREPARE_SECONDS`.
        """
        with self._lock:
            if not self._is_prepared:
                return monotonic() - self._since > PREPARE_SECONDS
        return self._seconds() > self._consumer.seconds

    def _seconds(self) -> float:
        with self._lock:
            return monotonic() - self._since if self._current is not None else 0.0

    def is_given_up(self) -> bool:
        """Tell whether its thread has not come back from a handler whose time is over."""
        return self._is_given_up

    def give_up(self) -> None:
        """Count an attempt at the message in work that failed, whatever its thread does in the end."""
        with self._lock:
            message, self._current = self._current, None
            self._is_given_up = message is not None or not self._is_prepared
        if message is None:
            if self._is_given_up:
                logger.error("%s takes too long to prepare a batch", self._consumer.plugin)
            return
        error = TimeoutError(f"the handler did not end within {self._consumer.seconds:.0f} seconds")
        base = timedelta(seconds=self._registry.core_settings.outbox_backoff)
        failure = result_of_error(message.row, error, self._consumer, base)
        write_results(self._registry, [failure], self._owner)
        self._registry.metrics.attempt_ended(message.row.kind, failure["state"], 0.0)

    def renew_lease(self) -> None:
        """Renew the leases of all messages if a third of their time is over."""
        lease: float = self._registry.core_settings.outbox_lease
        with self._lock:
            if monotonic() - self._renewed < lease / 3:
                return
            self._renewed = monotonic()
            current = [] if self._current is None else [self._current]
            ids = [message.row.id for message in (*current, *self._waiting)]
            ids += [result["message_id"] for result in self._results]
        if ids:
            renew(self._registry, ids, self._owner)
