"""Access tokens: JWT (RFC 7519), HS256, stateless, and revocable by cut-offs kept in memory.

A token is dated, as a cut-off is, by the database's clock: those of two machines differ. It carries the key
of its account, since an id may come again when a backup is restored.
"""

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

from scheduling.db.metadata import MAX_ID, database_now
from scheduling.db.statements import Statement
from scheduling.security.models import account_keys, token_cutoffs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyramid.config import Configurator

    from scheduling.db.metadata import Query, Row
    from scheduling.db.session import Session

ALGORITHM = "HS256"

REFRESH_SECONDS = 1.0
"""How often at most a process asks the database for new cut-offs."""

_OVERLAP = timedelta(minutes=1)
"""How far back a refresh looks again, for commits that took long; also by how much a clock may be ahead."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)

_CACHED_TOKENS = 4096

_CACHED_KEYS = 16384
"""Of how many accounts a process knows the key, which takes some 200 bytes each."""

ACCOUNT_GONE = "This account no longer exists."

_find_key = Statement(sa.select(account_keys.c.token_key).where(account_keys.c.id == sa.bindparam("user_id")))


class TokenError(Exception):
    """A token that is not accepted; the message is a sentence for the client."""


class TokenExpired(TokenError):
    """A token whose time is over."""

    def __init__(self) -> None:
        super().__init__("The token has expired; please log in again.")


class TokenRevoked(TokenError):
    """A token that was ended before its time was over."""

    def __init__(self) -> None:
        super().__init__("The token was revoked; please log in again.")


@dataclass(frozen=True)
class Claims:
    """What a verified token says.

    ``issued_ms`` is in milliseconds since the epoch, so that a token made right after a cut-off differs
    from one made right before it; ``expires`` is in seconds. ``key`` is empty for an account without one.
    """

    user_id: int
    key: str
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
        # An id has one key for ever, so what is known stays true.
        self._keys: dict[int, str] = {}
        self._seen: datetime | None = None
        self._refreshed = float("-inf")
        self._refreshing = threading.Lock()

    def issue(self, user: Row, issued_at: datetime) -> str:
        """Return a new token for a user, a row with ``id``, ``email``, ``role`` and ``token_key``.

        ``issued_at`` is by the database's clock, and not before the user's last cut-off.
        """
        issued_ms = _milliseconds(issued_at)
        issued = issued_ms // 1000
        payload = {
            "id": user.id,
            "email": user.email,
            "role": user.role,
            "iat": issued,
            "exp": issued + self._lifetime,
            "sub": str(user.id),
            "jti": uuid.uuid4().hex,
            "iat_ms": issued_ms,
        }
        if user.token_key is not None:
            payload["key"] = user.token_key
        return jwt.encode(payload, self._secret, algorithm=ALGORITHM)

    def verify(self, token: str, db: Session) -> Claims:
        """Return the claims of a token that is genuine, unexpired, not cut off and of the account of its id.

        Raises ``TokenError`` for any other. Asks the database for new cut-offs at most once a second in each
        process, and for the key of an account when a token of it is first seen.
        """
        claims = self._decode(token)
        if claims.expires <= time():
            raise TokenExpired
        self._refresh(db)
        if claims.issued_ms < self._cutoffs.get(claims.user_id, 0):
            raise TokenRevoked
        if self._keys.get(claims.user_id) != claims.key and self._find_key(db, claims.user_id) != claims.key:
            raise TokenError("The token is of another account; please log in again.")
        return claims

    def require_account(self, db: Session, user_id: int) -> None:
        """Raise ``TokenError`` if an account is gone, and refuse all of its tokens from now on."""
        self._keys.pop(user_id, None)
        self._find_key(db, user_id)

    def cut_off(self, db: Session, user_id: int) -> datetime:
        """End all tokens that a user has so far, once the transaction commits; return the cut-off.

        This process refuses them from the commit on, others within ``REFRESH_SECONDS``.
        """
        now: datetime = db.write(sa.select(database_now())).scalar_one()
        insert = db.insert(token_cutoffs).values(
            user_id=user_id, not_before=_EPOCH + (_milliseconds(now) + 1) * _MILLISECOND
        )
        earlier, later = token_cutoffs.c.not_before, insert.excluded.not_before
        latest = sa.case((earlier > later, earlier), else_=later)
        upsert = insert.on_conflict_do_update(index_elements=["user_id"], set_={"not_before": latest})
        cutoff: datetime = db.write(upsert.returning(token_cutoffs.c.not_before)).scalar_one()
        db.after_commit(lambda: self._remember(user_id, cutoff))
        return cutoff

    def refresh_due(self) -> None:
        """Make the next verification ask for new cut-offs, as if a second had passed."""
        self._refreshed = float("-inf")

    def _verify_signature(self, token: str) -> Claims:
        try:
            return _claims(self._payload(token))
        except jwt.ExpiredSignatureError as error:
            raise TokenExpired from error
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
            rows = db.rows(_cutoffs_since(self._seen))
            for row in rows:
                if row.user_id is not None:
                    self._remember(row.user_id, row.not_before)
            self._seen = rows[0].now
            self._refreshed = monotonic()
        finally:
            self._refreshing.release()

    def _remember(self, user_id: int, cutoff: datetime) -> None:
        self._cutoffs[user_id] = max(_milliseconds(cutoff), self._cutoffs.get(user_id, 0))

    def _find_key(self, db: Session, user_id: int) -> str:
        """Return the key of an account, empty if it has none; raise ``TokenError`` if there is no account."""
        row = db.row(_find_key, {"user_id": user_id})
        if row is None:
            raise TokenError(ACCOUNT_GONE)
        if len(self._keys) >= _CACHED_KEYS:
            self._keys.clear()
        key: str = row.token_key or ""
        self._keys[user_id] = key
        return key


def _cutoffs_since(seen: datetime | None) -> Query:
    """Return the query for the database's time and the cut-offs since it was ``seen``.

    A row has only the time where there is no cut-off. All cut-offs are read at first: tokens may be older
    than the lifetime that the settings have now.
    """
    clock = sa.select(database_now().label("now")).subquery()
    recent: sa.ColumnElement[bool] = sa.true()
    if seen is not None:
        # A generic plan takes a range without an end for a third of the table, and reads all of it.
        recent = token_cutoffs.c.not_before.between(seen - _OVERLAP, _END_OF_TIME)
    columns = (clock.c.now, token_cutoffs.c.user_id, token_cutoffs.c.not_before)
    return sa.select(*columns).select_from(clock.outerjoin(token_cutoffs, recent))


def _milliseconds(moment: datetime) -> int:
    """Return a moment in whole milliseconds since the epoch."""
    return (moment - _EPOCH) // _MILLISECOND


def _read(token: str, secret: str) -> dict[str, Any]:
    return jwt.decode(
        token,
        secret,
        algorithms=[ALGORITHM],
        options={"require": ["exp", "iat"]},
        # For an ``iat`` of the database's clock, if it runs ahead; ``verify`` looks at ``exp`` without any.
        leeway=_OVERLAP,
    )


def _claims(payload: dict[str, Any]) -> Claims:
    # Tokens of the reference system have no iat_ms; theirs counts as the start of the second.
    issued_ms = payload.get("iat_ms", payload["iat"] * 1000)
    # Those of an account that is older than the keys have none either.
    key = payload.get("key", "")
    claims = Claims(payload["id"], key, payload["email"], payload["role"], issued_ms, payload["exp"])
    numbers = (claims.user_id, claims.issued_ms, claims.expires)
    # Exactly int: True is an int to isinstance, and no id.
    if not all(type(number) is int and 0 < number <= MAX_ID for number in numbers):
        raise ValueError("a claim is no number of 64 bits")
    if not all(isinstance(text, str) for text in (claims.key, claims.email, claims.role)):
        raise TypeError("a claim is no text")
    return claims


def includeme(config: Configurator) -> None:
    """Put the application's one :class:`Tokens` on the registry."""
    settings = config.registry.core_settings
    config.registry.tokens = Tokens(settings.jwt_secret, settings.jwt_lifetime, settings.jwt_secret_fallbacks)
