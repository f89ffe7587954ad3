"""Password hashing with bcrypt, never on more cores than there are."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import bcrypt

if TYPE_CHECKING:
    from pyramid.config import Configurator

MIN_CHARACTERS = 6
MAX_BYTES = 72
"""bcrypt reads no more than 72 bytes; a longer password would only seem to be one."""


class Passwords:
    """Hashes and checks passwords at one cost."""

    def __init__(self, cost: int) -> None:
        self._cost = cost
        # bcrypt releases the GIL; more at once than cores would only take time from other requests.
        self._cores = threading.BoundedSemaphore(os.cpu_count() or 1)
        self._nobodys = self.hash("nobody has this password")

    def hash(self, password: str) -> str:
        """Return the bcrypt hash of a password of at most 72 bytes."""
        with self._cores:
            return bcrypt.hashpw(password.encode(), bcrypt.gensalt(self._cost)).decode("ascii")

    def matches(self, password: str, hashed: str | None) -> bool:
        """Tell whether a password has this hash, taking as long where there is no account, so no hash."""
        with self._cores:
            known = (hashed or self._nobodys).encode()
            try:
                same = bcrypt.checkpw(password.encode()[:MAX_BYTES], known)
            except ValueError:  # the column holds no bcrypt hash, as for an account that cannot log in
                return False
        return same and hashed is not None and len(password.encode()) <= MAX_BYTES


def includeme(config: Configurator) -> None:
    """Put the application's one :class:`Passwords` on the registry."""
    config.registry.passwords = Passwords(config.registry.scheduling.bcrypt_cost)
