"""Threads that serve others too, and whoever waits in one of them."""

from __future__ import annotations

import threading
from contextlib import ExitStack, nullcontext
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import psycopg

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from psycopg.abc import PQGen

    R = TypeVar("R")

PATIENCE_SECONDS = 0.005
"""So long a thread waits for a near database before another one takes its place, which costs work too.

Most come in 0.1 ms, and take longer only where no processor is free, so that nobody else could run either.
psycopg polls with whole milliseconds.
"""

FAR_SECONDS = 0.0003
"""A database is far if even its quickest answers take longer. A thread that waited would do little else."""

_ANSWERS = 100
"""The quickest of so many tells how far the database is; others may have waited for locks or processors."""


class Aside(Protocol):
    """Makes contexts in which others do not depend on the present thread."""

    def __call__(self, *, stand_in: bool) -> AbstractContextManager[None]:
        """Return one; with ``stand_in`` one thread more than usual serves meanwhile."""


class _Thread(threading.local):
    aside: Aside | None = None


_thread = _Thread()


def serve_others(aside: Aside) -> None:
    """Say that others depend on the present thread, unless it is in a context that ``aside`` makes."""
    _thread.aside = aside


def aside(*, stand_in: bool = False) -> AbstractContextManager[None]:
    """Return the context in which to wait for long.

    ``stand_in`` is for a request that waits without a database connection: it does not count as one of
    those that the server's threads are there for.
    """
    return _thread.aside(stand_in=stand_in) if _thread.aside else nullcontext()


class Distance:
    """How far the database is."""

    def __init__(self) -> None:
        self.is_far = False
        self._quickest, self._answers = inf, 0

    def learn(self, seconds: float) -> None:
        """Take notice of how long an answer took."""
        self._quickest = min(self._quickest, seconds)
        self._answers += 1
        if self._answers >= _ANSWERS:
            self.is_far = self._quickest > FAR_SECONDS
            self._quickest, self._answers = inf, 0


_distance = Distance()


class Connection(psycopg.Connection[Any]):
    """A connection to PostgreSQL that waits :func:`aside` for what takes long."""

    def wait(self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        """Wait for the server as psycopg does, with times in seconds."""
        if _thread.aside is None:
            return super().wait(gen, interval, timeout)
        return super().wait(_aside(gen), PATIENCE_SECONDS, timeout)


def _aside(generator: PQGen[R]) -> PQGen[R]:
    """Do what psycopg's generator does, and wait aside: at once for a far database, else after 5 ms."""
    result: R
    try:
        wanted = next(generator)
    except StopIteration as end:
        # It need not wait, as for the ROLLBACK of nothing, so it tells nothing of the database.
        result = end.value
        return result
    started, is_long, is_aside = perf_counter(), _distance.is_far, False
    with ExitStack() as stack:
        try:
            while True:
                if is_long and not is_aside:
                    stack.enter_context(aside())
                    is_aside = True
                ready = yield wanted
                is_long = not ready
                wanted = generator.send(ready)
        except StopIteration as end:
            _distance.learn(perf_counter() - started)
            result = end.value
            return result
