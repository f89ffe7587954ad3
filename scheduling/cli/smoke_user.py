"""The throw-away account of ``scheduling smoke``: made and used by the API, looked at in the database."""

from __future__ import annotations

import secrets
from datetime import timedelta
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, NoReturn

import sqlalchemy as sa

from scheduling.accounts import service
from scheduling.cli.smoke_client import Client, Failed
from scheduling.db.session import session_scope
from scheduling.email import channel
from scheduling.messaging.models import State, outbox
from scheduling.times import utcnow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyramid.registry import Registry

    from scheduling.db.metadata import Row
    from scheduling.db.session import Session

_POLL_SECONDS = 0.2
_MAX_CLOCK_DIFFERENCE = timedelta(minutes=10)
"""By how much the clock of the installation may be behind that of this process."""


class ThrowAwayUser:
    """An account at the installation at ``url``, with the steps that core does with it.

    It is the :class:`scheduling.plugin.SmokeUser` of plugins, which add steps of theirs. ``address`` is where
    its e-mails go, by default one at example.com; ``timeout`` is for how many seconds to wait for one.
    """

    def __init__(self, registry: Registry, url: str, address: str | None, timeout: int) -> None:
        # Nobody else has this name, so that nobody else's account can be taken for this one.
        self.name = f"smoke-{secrets.token_hex(4)}"
        self._registry = registry
        self._client = Client(url, self.name)
        self._timeout = timeout
        self._account = {
            "name": self.name,
            "email": address or f"{self.name}@example.com",
            "password": secrets.token_urlsafe(16),
        }
        self._started = utcnow()
        self._id = 0

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the API as this user, and return the JSON of the answer; anything else fails the step."""
        return self._client.call(method, path, body)

    def fail(self, reason: str) -> NoReturn:
        """Fail the step; ``reason`` is a sentence without a full stop."""
        raise Failed(reason)

    def register(self) -> None:
        """Make the account."""
        self._id = self.call("POST", "/auth/register", self._account)["user"]["id"]

    def find_in_database(self) -> None:
        """Find the account in the database of the settings."""
        with session_scope(self._registry) as db:
            row = self._row(db)
        if row is None or row.id != self._id:
            self.fail(f"{self._client.url} works with another database than these settings (DATABASE_URL)")

    def log_in(self) -> None:
        """Exchange the password for a token."""
        self._client.token = self.call("POST", "/auth/login", self._account)["token"]

    def wait_for_email(self, kind: str) -> None:
        """Wait until the e-mail of a kind is sent; the step fails if it is not in time, or never will be."""
        deadline = monotonic() + self._timeout
        while True:
            with session_scope(self._registry) as db:
                email = next((email for email in self._emails(db) if email.kind == kind), None)
            if email is None:
                self.fail(f"the outbox has no {kind}")
            if email.state == State.DONE:
                return
            if email.state in (State.DEAD, State.SKIPPED):
                self.fail(f"message {email.id} is {email.state}: {email.last_error}")
            if monotonic() > deadline:
                reason = email.last_error or "does a worker run?"
                self.fail(f"message {email.id} is {email.state} after {self._timeout} seconds: {reason}")
            sleep(_POLL_SECONDS)

    def delete(self) -> None:
        """Delete the account, with what belongs to it, and its e-mails, those not yet sent too."""
        with session_scope(self._registry) as db:
            row = self._row(db)
            if row is not None:
                self._id = row.id
                emails = [email.id for email in self._emails(db)]
                db.write(sa.delete(outbox).where(outbox.c.id.in_(emails)))
                service.delete(db, row.id)

    def _row(self, db: Session) -> Row | None:
        """Return the account's row; None where there is none, or somebody else's has the address."""
        row = service.find_by_address(db, self._account["email"])
        return row if row is not None and row.name == self.name else None

    def _emails(self, db: Session) -> Sequence[Row]:
        """Return the messages that are e-mails to the account."""
        columns = (outbox.c.id, outbox.c.kind, outbox.c.state, outbox.c.last_error)
        # As text: the id in the JSON is a number of any size, and not every message has one.
        receiver = sa.cast(outbox.c.payload["user_id"].as_string(), sa.Text)
        return db.rows(
            sa.select(*columns).where(
                outbox.c.created_at > self._started - _MAX_CLOCK_DIFFERENCE,
                outbox.c.consumer == channel.CONSUMER,
                receiver == str(self._id),
            )
        )
