"""The limiter: lets a call pass or refuses it, exactly over all processes; the database counts."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from scheduling.throttling.attacks import Attacks
from scheduling.throttling.refusals import Refusals
from scheduling.throttling.statements import GIVE_BACK, TAKE

if TYPE_CHECKING:
    from scheduling.db.metadata import Row
    from scheduling.db.session import Session
    from scheduling.web.registry import WebRegistry

SETTLE_SECONDS = 10.0
"""After how long a place that was taken is not given back any more: a log-in waits 3 s for a processor."""

UNSETTLED_SECONDS = 1.0
"""For how long a refusal is believed that may end early, since a place is given back."""

GROWING_KEEP_SECONDS = 86_400
"""For how long nothing must pass until a limit with growing waits begins anew."""

_MICRO = 1_000_000


@dataclass(frozen=True)
class Limit:
    """``places`` calls in any ``seconds``, and, with a ``first_wait``, single ones after growing waits."""

    name: str
    places: int
    """0 is no limit."""

    seconds: int
    first_wait: int = 0
    """Seconds; each wait is twice as long as the one before, up to ``seconds``."""

    @property
    def policy(self) -> str:
        """The limit as an item of ``RateLimit-Policy``."""
        return f'"{self.name}";q={self.places};w={self.seconds}'


class Place(NamedTuple):
    """A place of a limit that a call has taken."""

    limit: Limit
    key: bytes
    moment: int
    raised: int
    remaining: int
    reset: int


class TooMany(Exception):
    """A call is refused, certainly for ``certain`` seconds, and as far as is known for ``seconds``."""

    def __init__(self, limit: Limit, certain: float, seconds: float) -> None:
        self.limit = limit
        self.certain = certain
        self.seconds = seconds
        super().__init__(limit.name)

    @property
    def retry_after(self) -> int:
        """The whole seconds after which to try again."""
        return max(1, ceil(self.seconds))


class Limiter:
    """Takes places of limits and gives them back."""

    def __init__(self, registry: WebRegistry) -> None:
        # An address is soon found by its hash alone, so it is hashed with a secret.
        self._secret = blake2b(registry.core_settings.jwt_secret.encode()).digest()
        self._dialect = registry.engine.dialect.name
        self.refusals = Refusals()
        self.attacks = Attacks(registry)

    def key(self, limit_name: str, *subject: str) -> bytes:
        """Return the key of a row: a hash of what is counted, such as an address, and of the limit's name."""
        text = "\0".join((limit_name, *subject))
        return blake2b(text.encode("utf-8", "surrogatepass"), key=self._secret, digest_size=16).digest()

    def require_unrefused(self, key: bytes, limit: Limit) -> None:
        """Raise :class:`TooMany` where a refusal is known to stand; the database is not asked."""
        left = self.refusals.left(key)
        if left is not None:
            raise TooMany(limit, *left)

    def take(self, db: Session, limit: Limit, key: bytes) -> Place:
        """Take a place, which is committed at once; raise :class:`TooMany` where there is none.

        ``db`` must be in no transaction: others would wait for its end.
        """
        self.require_unrefused(key, limit)
        row = db.row(
            TAKE[self._dialect],
            {
                "key": key,
                "places": limit.places,
                "window": limit.seconds * _MICRO,
                "first_wait": limit.first_wait * _MICRO,
                "keep": (GROWING_KEEP_SECONDS if limit.first_wait else limit.seconds) * _MICRO,
            },
        )
        assert row is not None  # noqa: S101 - an INSERT or an UPDATE returns its row
        wait = max(0.0, (_passes_at(limit, row) - row.now) / _MICRO)
        if not row.admitted:
            settled = row.now - row.newest > SETTLE_SECONDS * _MICRO
            refusal = TooMany(limit, wait if settled else min(wait, UNSETTLED_SECONDS), wait)
            self.refusals.keep(key, certain=refusal.certain, seconds=refusal.seconds)
            raise refusal
        is_last = row.waits > 0 or row.number >= limit.places
        remaining = 0 if is_last else limit.places - row.number
        return Place(limit, key, row.newest, int(row.waits > 0), remaining, max(1, ceil(wait)))

    def give_back(self, db: Session, place: Place) -> None:
        """Give a place back, which is committed at once: the call shall not count."""
        parameters = {"key": place.key, "moment": place.moment, "raised": place.raised}
        # Text, so that it begins no transaction.
        db.connection.execute(GIVE_BACK[self._dialect], parameters)
        self.refusals.forget(place.key)


def _passes_at(limit: Limit, row: Row) -> int:
    """Return when the next call passes that cannot now, or when the oldest one counts no more."""
    if row.waits:
        wait = min(limit.first_wait << (row.waits - 1), limit.seconds)
        return int(row.newest + wait * _MICRO)
    return int(row.oldest + limit.seconds * _MICRO)
