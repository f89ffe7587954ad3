"""The worker: the relay, the consumers and housekeeping as threads of one process."""

from __future__ import annotations

import threading
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from scheduling.messaging.consumer import consume
from scheduling.messaging.housekeeping import PRUNE_SECONDS, Chore, keep_house, prune
from scheduling.messaging.loops import Loop
from scheduling.messaging.relay import relay

if TYPE_CHECKING:
    from pyramid.registry import Registry

_CHORE_SECONDS = 1.0
"""How long the end of a worker waits for its chores; one that is cut off is a transaction that is undone."""


class Worker:
    """Relay, consumers and chores as threads of this process; :meth:`start` and :meth:`stop` them once."""

    def __init__(self, registry: Registry, consumers: int = 1) -> None:
        self._registry = registry
        self._stopping = threading.Event()
        self._loops = {"relay": Loop("relay", registry, self._stopping, relay)}
        for number in range(consumers):
            name = f"consumer-{number}"
            self._loops[name] = Loop(name, registry, self._stopping, consume)
        chores = {"outbox": Chore(prune, PRUNE_SECONDS), **registry.housekeeping}
        self._chores = [
            Loop(f"housekeeping of {name}", registry, self._stopping, partial(keep_house, chore))
            for name, chore in chores.items()
        ]

    def start(self) -> None:
        """Start the threads."""
        for loop in (*self._loops.values(), *self._chores):
            loop.thread.start()

    def stop(self, timeout: float = 30.0) -> bool:
        """Finish the messages in hand and end the threads; tell whether all did in ``timeout`` seconds."""
        self._stopping.set()
        self._registry.doorbell.set()
        deadline = monotonic() + timeout
        for loop in self._loops.values():
            loop.thread.join(max(0.0, deadline - monotonic()))
        deadline = monotonic() + _CHORE_SECONDS
        for chore in self._chores:
            chore.thread.join(max(0.0, deadline - monotonic()))
        self._registry.email_provider.close()
        return not any(loop.thread.is_alive() for loop in self._loops.values())

    def trouble(self) -> str | None:
        """Return what keeps a loop from its work, such as a broker that is away, or None."""
        return next((loop.trouble for loop in self._loops.values() if loop.trouble), None)

    def silent_seconds(self) -> float:
        """Return for how long the loop that is quietest has not turned; the liveness probe asks.

        A chore may be at work for as long as it takes.
        """
        return max(monotonic() - loop.turned for loop in self._loops.values())
