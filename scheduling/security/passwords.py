"""Password hashing with bcrypt, which leaves at least half of the server's threads to other requests."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import bcrypt
from pyramid.httpexceptions import HTTPServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyramid.config import Configurator

MIN_CHARACTERS = 6
MAX_BYTES = 72
"""bcrypt reads no more than 72 bytes; a longer password would only seem to be one."""

DEFAULT_THREADS = 4
"""waitress's own default, for a server that does not say how many it has."""

MAX_WAIT_SECONDS = 3.0
"""How long a request waits for a processor to hash on."""

RETRY_AFTER_SECONDS = 5
"""When a client that was refused should come again."""


class Passwords:
    """Hashes and checks passwords at one cost, in the thread of the request.

    A hash takes 70 ms of a processor, for which bcrypt releases Python's lock. As many are calculated at a
    time as there are processors. Requests that hash, or wait for it, hold at most half of the threads.
    """

    def __init__(self, cost: int) -> None:
        self._cost = cost
        self._nobodys = _hash("nobody has this password", cost)
        self._processors = threading.BoundedSemaphore(os.cpu_count() or 1)
        self.use_threads(DEFAULT_THREADS)

    def use_threads(self, number: int) -> None:
        """Take up to half of so many threads, one at least; to be called before the first request."""
        self._places = threading.BoundedSemaphore(max(1, number // 2))

    def hash(self, password: str) -> str:
        """Return the bcrypt hash of a password of at most 72 bytes; 503 if too many are at it."""
        with self._place():
            return _hash(password, self._cost)

    def matches(self, password: str, hashed: str | None) -> bool:
        """Tell whether a password has this hash, taking as long where there is no account, so no hash.

        503 if too many are at it.
        """
        with self._place():
            same = _check(password, hashed or self._nobodys)
        return same and hashed is not None and len(password.encode()) <= MAX_BYTES

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Hold one of the threads that may hash, and a processor; raise the 503 where either is missing."""
        if not self._places.acquire(blocking=False):
            raise _busy()
        try:
            if not self._processors.acquire(timeout=MAX_WAIT_SECONDS):
                raise _busy()
            try:
                yield
            finally:
                self._processors.release()
        finally:
            self._places.release()


def _busy() -> HTTPServiceUnavailable:
    return HTTPServiceUnavailable(
        "Too many people log in right now; please try again in a moment.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _hash(password: str, cost: int) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode("ascii")


def _check(password: str, hashed: str) -> bool:
    try:
        return bcrypt.checkpw(password.encode()[:MAX_BYTES], hashed.encode())
    except ValueError:  # the column holds no bcrypt hash, as for an account that cannot log in
        return False


def includeme(config: Configurator) -> None:
    """Put the application's one :class:`Passwords` on the registry."""
    config.registry.passwords = Passwords(config.registry.core_settings.bcrypt_cost)
