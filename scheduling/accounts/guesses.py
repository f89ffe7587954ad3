"""Limits guesses at passwords: how many may fail for an account, and how many from a client's address.

A guess takes a place of both limits before bcrypt, and gives it back when the password was right; so guesses
at the same moment cannot be more than the limit, and those whose process dies count as failed. An account
that does not exist is limited like one that does. From an address from which an account has logged in, its
own limit does not hold: a stranger, who is elsewhere, cannot keep anybody out.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.accounts.models import login_addresses
from scheduling.addresses import normal_form
from scheduling.db.pruning import delete_batch
from scheduling.throttling.answers import tell
from scheduling.throttling.limiter import TooMany
from scheduling.throttling.limits import ACCOUNT, ADDRESS
from scheduling.times import utcnow
from scheduling.web.client_address import counted_address

if TYPE_CHECKING:
    from datetime import datetime

    from scheduling.db.registry import DatabaseRegistry
    from scheduling.throttling.limiter import Limit, Place
    from scheduling.web.request import Request

KNOWN_FOR = timedelta(days=30)
"""For how long after a log-in an address is known to be of the account's user."""

PRUNE_SECONDS = 3600.0

_NOTED_FOR = timedelta(days=1)
"""How old the note of a log-in may be until it is written anew."""


class Guess:
    """A password that somebody sends for an account."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._limiter = request.registry.limiter
        limits = request.registry.rate_limits
        self._of_account: Limit = limits[ACCOUNT].limit
        self._of_address: Limit = limits[ADDRESS].limit
        self._address: str = counted_address(request)
        self._places: list[Place] = []
        self._has_begun = False
        self._logged_in_at: datetime | None = None

    def require_unrefused(self, email: str) -> None:
        """Raise ``TooMany`` where a refusal is known to stand; the database is not asked."""
        for limit, key in (
            (self._of_account, self._key_of_pair(email)),
            (self._of_address, self._limiter.key(ADDRESS, self._address)),
        ):
            try:
                self._limiter.require_unrefused(key, limit)
            except TooMany as refusal:
                self._tell(refusal)
                raise

    def begin(self, email: str, user_id: int | None) -> None:
        """Take a place of both limits, once; raise ``TooMany``.

        ``email`` is the address of the account, in any spelling, ``user_id`` None where there is none.
        """
        if self._has_begun:
            return
        self._has_begun = True
        if self._of_account.places and not self._is_from_known_address(user_id):
            account = self._key_of_account(email, user_id)
            try:
                self._take(self._of_account, account)
            except TooMany as refusal:
                # This has just found out that the address is not known. So from here the account is refused
                # whenever it is at all: a hundred addresses that guess cost the database no more than one.
                self._limiter.refusals.link(self._key_of_pair(email), account, refusal.seconds)
                raise
        if self._of_address.places:
            try:
                self._take(self._of_address, self._limiter.key(ADDRESS, self._address))
            except TooMany:
                self.take_back()
                raise

    def take_back(self) -> None:
        """Have this guess not count: it was right, or was never checked."""
        places, self._places = self._places, []
        for place in places:
            self._limiter.give_back(self._request.db, place)
            tell(self._request, place.limit, place.remaining + 1, place.reset)

    def note_registration(self, email: str, user_id: int) -> None:
        """Do as :meth:`note_login`; what was refused while there was no such account is refused no more."""
        self.note_login(user_id)
        self._limiter.refusals.forget(self._key_of_pair(email))

    def note_login(self, user_id: int) -> None:
        """Note in the request's transaction from where an account has logged in, at most once a day."""
        now = utcnow()
        is_noted = self._logged_in_at is not None and self._logged_in_at > now - _NOTED_FOR
        if is_noted or not self._of_account.places:
            return
        db = self._request.db
        insert = db.insert(login_addresses).values(user_id=user_id, address=self._hash(), last_at=now)
        db.write(insert.on_conflict_do_update(index_elements=["user_id", "address"], set_={"last_at": now}))

    def _take(self, limit: Limit, key: bytes) -> None:
        try:
            place = self._limiter.take(self._request.db, limit, key)
        except TooMany as refusal:
            self._tell(refusal)
            raise
        self._places.append(place)
        tell(self._request, limit, place.remaining, place.reset)

    def _tell(self, refusal: TooMany) -> None:
        tell(self._request, refusal.limit, 0, refusal.retry_after)

    def _is_from_known_address(self, user_id: int | None) -> bool:
        # Asked also where there is no account, so that it takes as long.
        found = sa.select(login_addresses.c.last_at).where(
            login_addresses.c.user_id == (user_id or 0),
            login_addresses.c.address == self._hash(),
            login_addresses.c.last_at > utcnow() - KNOWN_FOR,
        )
        self._logged_in_at = self._request.db.scalar(found)
        return self._logged_in_at is not None

    def _hash(self) -> bytes:
        key: bytes = self._limiter.key("login-addresses", self._address)
        return key

    def _key_of_account(self, email: str, user_id: int | None) -> bytes:
        # By its id: who holds a token could else change the address, and guess on.
        account = _account(email) if user_id is None else str(user_id)
        key: bytes = self._limiter.key(ACCOUNT, account)
        return key

    def _key_of_pair(self, email: str) -> bytes:
        key: bytes = self._limiter.key(ACCOUNT, _account(email), self._address)
        return key


def _account(email: str) -> str:
    """Return what all spellings of an account's address have in common."""
    return normal_form(email) or email.lower()


def prune(registry: DatabaseRegistry) -> bool:
    """Delete a batch of addresses without a log-in for long; tell whether there may be more."""
    last_at = login_addresses.c.last_at
    return delete_batch(registry, last_at, last_at < utcnow() - KNOWN_FOR)
