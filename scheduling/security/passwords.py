"""Password hashing with bcrypt, which gives way to everything else."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import bcrypt
from pyramid.httpexceptions import HTTPServiceUnavailable

from scheduling import waiting

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    from pyramid.config import Configurator

    P = ParamSpec("P")
    T = TypeVar("T")

MIN_CHARACTERS = 6
MAX_BYTES = 72
"""bcrypt reads no more than 72 bytes; a longer password would only seem to be one."""

MAX_WAITING = 64
"""Requests of a process that may wait for a hash; those beyond are asked to come again."""

RETRY_AFTER_SECONDS = 5
"""When they should: in about the time that so many hashes take."""


class Passwords:
    """Hashes and checks passwords at one cost, in a few threads that yield to all others.

    A hash takes 70 ms of a processor. bcrypt releases the GIL, so nothing but the processors is short.
    """

    def __init__(self, cost: int) -> None:
        self._cost = cost
        self._nobodys = _hash("nobody has this password", cost)
        self._waiting = threading.BoundedSemaphore(MAX_WAITING)
        self.use_threads(os.cpu_count() or 1)

    def use_threads(self, number: int) -> None:
        """Calculate in so many threads from now on; to be called before the first request."""
        self._threads = ThreadPoolExecutor(number, "bcrypt", _give_way)

    def hash(self, password: str) -> str:
        """Return the bcrypt hash of a password of at most 72 bytes; 503 if too many wait for one."""
        return self._calculate(_hash, password, self._cost)

    def matches(self, password: str, hashed: str | None) -> bool:
        """Tell whether a password has this hash, taking as long where there is no account, so no hash.

        503 if too many wait for an answer.
        """
        same = self._calculate(_check, password, hashed or self._nobodys)
        return same and hashed is not None and len(password.encode()) <= MAX_BYTES

    def _calculate(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        if not self._waiting.acquire(blocking=False):
            raise HTTPServiceUnavailable(
                "Too many people log in right now; please try again in a moment.",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
        try:
            with waiting.aside(stand_in=True):
                return self._threads.submit(function, *arguments, **named).result()
        finally:
            self._waiting.release()


def _hash(password: str, cost: int) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode("ascii")


def _check(password: str, hashed: str) -> bool:
    try:
        return bcrypt.checkpw(password.encode()[:MAX_BYTES], hashed.encode())
    except ValueError:  # the column holds no bcrypt hash, as for an account that cannot log in
        return False


def _give_way() -> None:
    """Have the present thread run only when no other has anything to do, where that can be had (sched(7))."""
    with suppress(AttributeError, OSError):
        os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))


def includeme(config: Configurator) -> None:
    """Put the application's one :class:`Passwords` on the registry."""
    config.registry.passwords = Passwords(config.registry.scheduling.bcrypt_cost)
