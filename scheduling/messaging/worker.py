"""The worker: the relay, the receivers and housekeeping, each in a thread of one process."""

from __future__ import annotations

import threading
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from scheduling.messaging.housekeeping import run_task
from scheduling.messaging.receiver import run_receiver
from scheduling.messaging.relay import run_relay
from scheduling.messaging.threads import RestartingThread

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scheduling.messaging.registry import MessagingRegistry

_HOUSEKEEPING_STOP_SECONDS = 1.0
"""How long the end of a worker waits for housekeeping; a task that is cut off is rolled back."""


class Worker:
    """One relay, some receivers and the housekeeping tasks; :meth:`start` and :meth:`stop` it once each.

    ``receivers`` is how many messages it delivers at the same time.
    """

    def __init__(self, registry: MessagingRegistry, receivers: int = 1) -> None:
        self._registry = registry
        self._stopping = threading.Event()
        self._threads = {"relay": RestartingThread("relay", registry, self._stopping, run_relay)}
        for number in range(receivers):
            name = f"receiver-{number}"
            self._threads[name] = RestartingThread(name, registry, self._stopping, run_receiver)
        self._housekeeping = [
            RestartingThread(f"housekeeping of {name}", registry, self._stopping, partial(run_task, task))
            for name, task in registry.housekeeping.items()
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in (*self._threads.values(), *self._housekeeping):
            thread.report_alive()
            thread.start()

    def stop(self, timeout: float = 30.0) -> bool:
        """Finish the messages in hand and end the threads; tell whether all did in ``timeout`` seconds."""
        self._stopping.set()
        # The relay waits for this event, not for the other one.
        self._registry.message_written.set()
        _join(self._threads.values(), timeout)
        _join(self._housekeeping, _HOUSEKEEPING_STOP_SECONDS)
        for hook in self._registry.worker_stop_hooks:
            hook(self._registry)
        return not any(thread.is_alive() for thread in self._threads.values())

    def failure(self) -> str | None:
        """Return why the relay or a receiver cannot work now, such as a broker that is away, or None."""
        return next((thread.failure for thread in self._threads.values() if thread.failure), None)

    def seconds_since_alive(self) -> float:
        """Return for how long the relay or a receiver has not reported to be alive: the longest of them.

        Housekeeping is not asked, since a task may be at work for as long as it takes.
        """
        return max(monotonic() - thread.last_alive for thread in self._threads.values())


def _join(threads: Iterable[threading.Thread], timeout: float) -> None:
    """Wait until the threads have ended, for ``timeout`` seconds in all."""
    deadline = monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - monotonic()))
