"""Access tokens: JWT (RFC 7519), HS256, stateless, and revocable by cut-offs kept in memory."""

from __future__ import annotations

import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from time import monotonic, time
from typing import TYPE_CHECKING, Any

import jwt
import sqlalchemy as sa

from scheduling.db.metadata import MAX_ID
from scheduling.security.models import token_cutoffs
from scheduling.times import utcnow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyramid.config import Configurator

    from scheduling.db.session import Session

ALGORITHM = "HS256"

REFRESH_SECONDS = 1.0
"""How often at most a process asks the database for new cut-offs."""

_OVERLAP = timedelta(minutes=1)
"""How far back a refresh looks again: for commits that took long, and clocks that differ between machines."""

_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)

_CACHED_TOKENS = 4096


class TokenError(Exception):
    """A token that is not accepted; the message is a sentence for the client."""


@dataclass(frozen=True)
class Claims:
    """What a verified token says.

    ``issued_ms`` is in milliseconds since the epoch, so that a token made right after a cut-off differs
    from one made right before it; ``expires`` is in seconds.
    """

    user_id: int
    email: str
    role: str
    issued_ms: int
    expires: int


class Tokens:
    """Makes and verifies tokens, and knows which users' older tokens have been cut off.

    It signs with ``secret``. Tokens that one of the ``fallbacks`` signed, which was the secret before or will
    be the next one, are as good.
    """

    def __init__(self, secret: str, lifetime_seconds: int, fallbacks: Sequence[str] = ()) -> None:
        self._secret = secret
        self._fallbacks = tuple(fallbacks)
        self._lifetime = lifetime_seconds
        # Verifying a signature takes about 80 µs, and a client sends the same token again and again.
        self._decode: Callable[[str], Claims] = lru_cache(_CACHED_TOKENS)(self._verify_signature)
        self._cutoffs: dict[int, int] = {}
        self._seen: datetime | None = None
        self._refreshed = float("-inf")
        self._refreshing = threading.Lock()

    def issue(self, user_id: int, email: str, role: str, *, not_before_ms: int = 0) -> str:
        """Return a new token for a user, valid from ``not_before_ms`` where that is later than now."""
        issued_ms = max(int(time() * 1000), not_before_ms)
        issued = issued_ms // 1000
        payload = {
            "id": user_id,
            "email": email,
            "role": role,
            "iat": issued,
            "exp": issued + self._lifetime,
            "sub": str(user_id),
            "jti": uuid.uuid4().hex,
            "iat_ms": issued_ms,
        }
        return jwt.encode(payload, self._secret, algorithm=ALGORITHM)

    def verify(self, token: str, db: Session) -> Claims:
        """Return the claims of a token that is genuine, unexpired and not cut off, else raise ``TokenError``.

        Asks the database for new cut-offs at most once a second in each process.
        """
        claims = self._decode(token)
        if claims.expires <= time():
            raise TokenError("The token has expired; please log in again.")
        self._refresh(db)
        if claims.issued_ms < self._cutoffs.get(claims.user_id, 0):
            raise TokenError("The token was revoked; please log in again.")
        return claims

    def cut_off(self, db: Session, user_id: int) -> int:
        """End all tokens that a user has so far, once the transaction commits; return the cut-off, in ms."""
        cutoff_ms = int(time() * 1000) + 1
        not_before = datetime.fromtimestamp(cutoff_ms / 1000, UTC)
        insert = db.insert(token_cutoffs).values(user_id=user_id, not_before=not_before)
        later = token_cutoffs.c.not_before < insert.excluded.not_before
        db.write(
            insert.on_conflict_do_update(
                index_elements=["user_id"], set_={"not_before": not_before}, where=later
            )
        )
        db.after_commit(lambda: self._remember(user_id, cutoff_ms))
        return cutoff_ms

    def refresh_due(self) -> None:
        """Make the next verification ask for new cut-offs, as if a second had passed."""
        self._refreshed = float("-inf")

    def _verify_signature(self, token: str) -> Claims:
        try:
            return _claims(self._payload(token))
        except jwt.ExpiredSignatureError as error:
            raise TokenError("The token has expired; please log in again.") from error
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError) as error:
            raise TokenError("The token is not valid.") from error

    def _payload(self, token: str) -> dict[str, Any]:
        *others, last = (self._secret, *self._fallbacks)
        for secret in others:
            with suppress(jwt.InvalidSignatureError):
                return _read(token, secret)
        return _read(token, last)

    def _refresh(self, db: Session) -> None:
        # One thread asks; the others go on with what is known, which is at most one query older. Only the
        # first time they wait: nothing is known yet.
        if monotonic() - self._refreshed < REFRESH_SECONDS:
            return
        if not self._refreshing.acquire(blocking=self._seen is None):
            return
        try:
            asked = utcnow()
            statement = sa.select(token_cutoffs.c.user_id, token_cutoffs.c.not_before)
            # All of them at first: tokens may be older than the lifetime that the settings have now.
            if self._seen is not None:
                # A generic plan takes a range without an end for a third of the table, and reads all of it.
                recent = token_cutoffs.c.not_before.between(self._seen - _OVERLAP, _END_OF_TIME)
                statement = statement.where(recent)
            for user_id, not_before in db.rows(statement):
                self._remember(user_id, round(not_before.timestamp() * 1000))
            self._seen = asked
            self._refreshed = monotonic()
        finally:
            self._refreshing.release()

    def _remember(self, user_id: int, cutoff_ms: int) -> None:
        self._cutoffs[user_id] = max(cutoff_ms, self._cutoffs.get(user_id, 0))


def _read(token: str, secret: str) -> dict[str, Any]:
    return jwt.decode(
        token,
        secret,
        algorithms=[ALGORITHM],
        options={"require": ["exp", "iat"]},
        # For an ``iat`` of a clock that runs ahead; ``verify`` looks at ``exp`` without any.
        leeway=_OVERLAP,
    )


def _claims(payload: dict[str, Any]) -> Claims:
    # Tokens of the reference system have no iat_ms; theirs counts as the start of the second.
    issued_ms = payload.get("iat_ms", payload["iat"] * 1000)
    claims = Claims(payload["id"], payload["email"], payload["role"], issued_ms, payload["exp"])
    numbers = (claims.user_id, claims.issued_ms, claims.expires)
    # Exactly int: True is an int to isinstance, and no id.
    if not all(type(number) is int and 0 < number <= MAX_ID for number in numbers):
        raise ValueError("a claim is no number of 64 bits")
    if not (isinstance(claims.email, str) and isinstance(claims.role, str)):
        raise TypeError("a claim is no text")
    return claims


def includeme(config: Configurator) -> None:
    """Put the application's one :class:`Tokens` on the registry."""
    settings = config.registry.core_settings
    config.registry.tokens = Tokens(settings.jwt_secret, settings.jwt_lifetime, settings.jwt_secret_fallbacks)
