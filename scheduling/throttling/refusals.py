"""What is known to be refused: kept in the process, so that it costs no database and no bcrypt."""

from __future__ import annotations

import threading
from collections import OrderedDict
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

CAPACITY = 10_000
"""How many refusals are kept, and as many links, 4 MB at most; of older ones the database is asked again."""


class KnownRefusal(NamedTuple):
    """That a key is refused; both moments are of :func:`time.monotonic`."""

    known_until: float
    """Until when that is certain."""

    over_at: float
    """When a call passes again, as far as is known."""


class Link(NamedTuple):
    """That a key is refused whenever another is; the moment is of :func:`time.monotonic`."""

    other: bytes
    until: float


class Refusals:
    """The refusals of a process, by key."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, KnownRefusal] = OrderedDict()
        self._links: OrderedDict[bytes, Link] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept) + len(self._links)

    def left(self, key: bytes) -> tuple[float, float] | None:
        """Return for how many seconds a key is refused, certainly and probably; None where unknown."""
        now = self._clock()
        link = self._links.get(key)
        if link is not None and now < link.until:
            key = link.other
        kept = self._kept.get(key)
        if kept is None:
            return None
        if now >= kept.known_until:
            self.forget(key)
            return None
        return kept.known_until - now, kept.over_at - now

    def keep(self, key: bytes, *, certain: float, seconds: float) -> None:
        """Keep that a key is refused for ``seconds``, of which the first ``certain`` ones are certain."""
        now = self._clock()
        with self._lock:
            self._kept[key] = KnownRefusal(now + min(certain, seconds), now + seconds)
            self._kept.move_to_end(key)
            while len(self._kept) > CAPACITY:
                self._kept.popitem(last=False)

    def link(self, key: bytes, other: bytes, seconds: float) -> None:
        """Have a key be refused whenever ``other`` is, for so many seconds."""
        with self._lock:
            self._links[key] = Link(other, self._clock() + seconds)
            self._links.move_to_end(key)
            while len(self._links) > CAPACITY:
                self._links.popitem(last=False)

    def forget(self, key: bytes) -> None:
        """Have the database be asked again."""
        with self._lock:
            self._kept.pop(key, None)
            self._links.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._links.clear()
