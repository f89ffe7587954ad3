"""The worker: the relay, the receivers, the keeper and housekeeping, each in a thread of one process."""

from __future__ import annotations

import threading
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from scheduling.messaging.housekeeping import run_task
from scheduling.messaging.keeper import run_keeper
from scheduling.messaging.receiver import run_receiver
from scheduling.messaging.relay import run_relay
from scheduling.messaging.threads import RestartingThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scheduling.messaging.registry import MessagingRegistry

_HOUSEKEEPING_STOP_SECONDS = 1.0
"""How long the end of a worker waits for housekeeping; a task that is cut off is rolled back."""


MAX_REPLACED = 20
"""How many threads that do not come back from their handlers have others in their place.

With more the worker hangs, which the liveness probe tells.
"""


class Worker:
    """One relay, receivers for each consumer, the keeper and the housekeeping tasks.

    :meth:`start` and :meth:`stop` it once each. ``receivers`` is how many messages to each consumer it
    handles at the same time.
    """

    def __init__(self, registry: MessagingRegistry, receivers: int = 1) -> None:
        self._registry = registry
        self._stopping = threading.Event()
        self._delivered = threading.Event()
        self._replaced: list[RestartingThread] = []
        self._threads = [self._thread("relay", run_relay)]
        for consumer in registry.outbox_consumers:
            for number in range(receivers):
                self._threads.append(
                    self._thread(f"receiver-{number} of {consumer}", partial(run_receiver, consumer))
                )
        # Whatever is still in hand while the receivers end is looked after.
        self._keeper = RestartingThread(
            "keeper", registry, self._delivered, partial(run_keeper, self._replace)
        )
        self._housekeeping = [
            self._thread(f"housekeeping of {name}", partial(run_task, task))
            for name, task in registry.housekeeping.items()
        ]

    def _thread(self, name: str, work: Callable[[RestartingThread], None]) -> RestartingThread:
        return RestartingThread(name, self._registry, self._stopping, work)

    def start(self) -> None:
        """Start the threads."""
        for thread in (*self._threads, self._keeper, *self._housekeeping):
            thread.report_alive()
            thread.start()

    def stop(self, timeout: float = 30.0) -> bool:
        """Finish the messages in hand and end the threads; tell whether all did in ``timeout`` seconds."""
        self._stopping.set()
        # The relay waits for this event, not for the other one.
        self._registry.message_written.set()
        _join(self._threads, timeout)
        self._delivered.set()
        _join([self._keeper, *self._housekeeping], _HOUSEKEEPING_STOP_SECONDS)
        for hook in self._registry.worker_stop_hooks:
            hook(self._registry)
        return not any(thread.is_alive() for thread in self._threads)

    def failure(self) -> str | None:
        """Return why a thread that delivers cannot work now, such as a broker that is away, or None."""
        return next((thread.failure for thread in self._delivering() if thread.failure), None)

    def seconds_since_alive(self) -> float:
        """Return for how long a thread that delivers has not reported to be alive: the longest of them.

        Housekeeping is not asked, since a task may be at work for as long as it takes.
        """
        return max(monotonic() - thread.last_alive for thread in self._delivering())

    def _delivering(self) -> list[RestartingThread]:
        return [*self._threads, self._keeper]

    def _replace(self, stuck: RestartingThread) -> None:
        """Have another thread do the work of one whose handler does not come back."""
        self._replaced = [thread for thread in self._replaced if thread.is_alive()]
        if len(self._replaced) >= MAX_REPLACED or self._stopping.is_set():
            return
        self._replaced.append(stuck)
        other = stuck.successor()
        self._threads[self._threads.index(stuck)] = other
        other.start()


def _join(threads: Iterable[threading.Thread], timeout: float) -> None:
    """Wait until the threads have ended, for ``timeout`` seconds in all."""
    deadline = monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - monotonic()))
