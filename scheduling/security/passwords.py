"""Password hashing with bcrypt, which leaves at least half of the server's threads to other requests.

A password is hashed in NFC (Unicode, annex 15), since keyboards differ in whether they send ``é`` as one code
point or as two. Releases before hashed what was typed, so that form is tried too.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unicodedata import normalize

import bcrypt
from pyramid.httpexceptions import HTTPServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyramid.config import Configurator

MIN_CHARACTERS = 6
MAX_BYTES = 72
"""bcrypt reads no more than 72 bytes; a longer password would only seem to be one."""

_MAX_TYPED_BYTES = 3 * MAX_BYTES
"""What is longer is longer than ``MAX_BYTES`` in NFC too, and NFC is slow for a long text.

https://unicode.org/faq/normalization.html
"""

_MAX_COST = 15
"""The highest cost that the settings allow; a higher hash from elsewhere must not slow down every log-in."""

_BCRYPT = re.compile(r"\$2[abxy]?\$(\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)

DEFAULT_THREADS = 4
"""waitress's own default, for a server that does not say how many it has."""

MAX_WAIT_SECONDS = 3.0
"""How long a request waits for a processor to hash on."""

RETRY_AFTER_SECONDS = 5
"""When a client that was refused should come again."""


class Passwords:
    """Hashes passwords at one cost and checks them at any, in the thread of the request.

    A hash takes 70 ms of a processor, for which bcrypt releases Python's lock. As many are calculated at a
    time as there are processors. Requests that hash, or wait for it, hold at most half of the threads.
    """

    def __init__(self, cost: int) -> None:
        self._cost = cost
        # A stored hash may have a higher cost than the settings, which were lowered. All checks take as long
        # as with the highest that this process has met.
        self._highest = cost
        self._nobodys = _hash("nobody has this password", cost)
        self._processors = threading.BoundedSemaphore(os.cpu_count() or 1)
        self.use_threads(DEFAULT_THREADS)

    def use_threads(self, number: int) -> None:
        """Take up to half of so many threads, one at least; to be called before the first request."""
        self._places = threading.BoundedSemaphore(max(1, number // 2))

    def require_place(self) -> None:
        """Raise the 503 where too many hash, before anything else is done for one more."""
        if not self._places.acquire(blocking=False):
            raise _busy()
        self._places.release()

    def hash(self, password: str) -> str:
        """Return the bcrypt hash of a password that :func:`fits`; 503 if too many are at it."""
        with self._place():
            return _hash(_composed(password), self._cost)

    def matches(self, password: str, hashed: str | None) -> bool:
        """Tell whether a password has this hash, in NFC or as it was typed.

        It takes as long whatever the cost of the hash is, and where there is no account, so no hash. 503 if
        too many are at it.
        """
        forms = dict.fromkeys((_composed(password), password))
        with self._place():
            # Both forms, also where the first one matches: how long it takes must not tell.
            matching = [form for form in forms if self._compare(form, hashed)]
        return bool(matching)

    def renewed(self, password: str, hashed: str) -> str | None:
        """Return a new hash for a password that matches this one; None if this one is as a new one would be.

        It is not if its cost is another, or if it is not of the NFC. 503 if too many are at it.
        """
        composed = _composed(password)
        same_cost = _cost_of(hashed) == self._cost
        if same_cost and composed == password:
            return None
        with self._place():
            if same_cost and _check(composed, hashed):
                return None
            return _hash(composed, self._cost)

    def _compare(self, password: str, hashed: str | None) -> bool:
        """Check one form of a password, and work on until it has cost as much as the highest cost does."""
        cost = _cost_of(hashed)
        checked = self._nobodys if hashed is None or cost is None else hashed
        cost = cost or self._cost
        self._highest = max(self._highest, min(cost, _MAX_COST))
        same = _check(password, checked)
        # One more doubles the work: 2**4 + (2**4 + 2**5 + … + 2**9) = 2**10.
        for rest in range(cost, self._highest):
            _hash("", rest)
        return same and checked is hashed and len(password.encode()) <= MAX_BYTES

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


def fits(password: str) -> bool:
    """Tell whether a password has at most 72 bytes, as it was typed and in NFC, where a few are longer."""
    return len(password.encode()) <= MAX_BYTES and len(normalize("NFC", password).encode()) <= MAX_BYTES


def _composed(password: str) -> str:
    """Return a password in NFC, or as it is where that is too long for bcrypt."""
    if len(password.encode()) > _MAX_TYPED_BYTES:
        return password
    composed = normalize("NFC", password)
    return composed if len(composed.encode()) <= MAX_BYTES else password


def _hash(password: str, cost: int) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode("ascii")


def _cost_of(hashed: str | None) -> int | None:
    """Return the cost of a bcrypt hash; None if it is none, as for an account that cannot log in."""
    found = _BCRYPT.fullmatch(hashed or "")
    return int(found[1]) if found else None


def _check(password: str, hashed: str) -> bool:
    try:
        return bcrypt.checkpw(password.encode()[:MAX_BYTES], hashed.encode())
    except ValueError:  # it looks like a bcrypt hash and is none, such as one of cost 99
        return False


def includeme(config: Configurator) -> None:
    """Put the application's one :class:`Passwords` on the registry."""
    config.registry.passwords = Passwords(config.registry.core_settings.bcrypt_cost)
