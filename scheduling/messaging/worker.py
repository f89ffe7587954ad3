"""The worker: the relay, the consumers and housekeeping, each in a thread of one process."""

from __future__ import annotations

import threading
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from scheduling.messaging.consumer import run_consumer
from scheduling.messaging.housekeeping import run_task
from scheduling.messaging.loops import Loop
from scheduling.messaging.relay import run_relay

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scheduling.messaging.registry import MessagingRegistry

_HOUSEKEEPING_STOP_SECONDS = 1.0
"""How long the end of a worker waits for housekeeping; a task that is cut off is rolled back."""


class Worker:
    """One relay, some consumers and the housekeeping tasks; :meth:`start` and :meth:`stop` it once each."""

    def __init__(self, registry: MessagingRegistry, consumers: int = 1) -> None:
        self._registry = registry
        self._stopping = threading.Event()
        self._loops = {"relay": Loop("relay", registry, self._stopping, run_relay)}
        for number in range(consumers):
            name = f"consumer-{number}"
            self._loops[name] = Loop(name, registry, self._stopping, run_consumer)
        self._housekeeping = [
            Loop(f"housekeeping of {name}", registry, self._stopping, partial(run_task, task))
            for name, task in registry.housekeeping.items()
        ]

    def start(self) -> None:
        """Start the threads."""
        for loop in (*self._loops.values(), *self._housekeeping):
            loop.report_alive()
            loop.thread.start()

    def stop(self, timeout: float = 30.0) -> bool:
        """Finish the messages in hand and end the threads; tell whether all did in ``timeout`` seconds."""
        self._stopping.set()
        # The relay waits for this event, not for the other one.
        self._registry.message_written.set()
        _join(self._loops.values(), timeout)
        _join(self._housekeeping, _HOUSEKEEPING_STOP_SECONDS)
        self._registry.email_provider.close()
        return not any(loop.thread.is_alive() for loop in self._loops.values())

    def failure(self) -> str | None:
        """Return why the relay or a consumer cannot work now, such as a broker that is away, or None."""
        return next((loop.failure for loop in self._loops.values() if loop.failure), None)

    def seconds_since_alive(self) -> float:
        """Return for how long the relay or a consumer has not reported to be alive: the longest of them.

        Housekeeping is not asked, since a task may be at work for as long as it takes.
        """
        return max(monotonic() - loop.last_alive for loop in self._loops.values())


def _join(loops: Iterable[Loop], timeout: float) -> None:
    """Wait until the threads have ended, for ``timeout`` seconds in all."""
    deadline = monotonic() + timeout
    for loop in loops:
        loop.thread.join(max(0.0, deadline - monotonic()))
