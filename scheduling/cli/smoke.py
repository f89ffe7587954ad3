"""``scheduling smoke``: uses a running installation as a client does, and names the step that fails."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from http.client import HTTPException
from time import monotonic, perf_counter, sleep
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import click
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from scheduling.accounts import service
from scheduling.db.failures import one_line
from scheduling.db.session import session_scope
from scheduling.email import channel
from scheduling.logs import printable
from scheduling.messaging.models import State, outbox
from scheduling.times import format_timestamp, utcnow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyramid.registry import Registry

    from scheduling.cli.program import Program
    from scheduling.db.metadata import Row
    from scheduling.db.session import Session

_ANSWER_SECONDS = 30
_POLL_SECONDS = 0.2
_MAX_TEXT = 300
_CLOCKS_DIFFER = timedelta(minutes=10)


class Failed(Exception):
    """What went wrong in a step, as a sentence."""


@click.command()
@click.option("--url", metavar="URL", help="Where it answers; by default on this machine, at the PORT.")
@click.option(
    "--email",
    "address",
    metavar="ADDRESS",
    help="The throw-away account's address, to which e-mails go; by default one at example.com.",
)
@click.option(
    "--timeout", type=click.IntRange(1), default=60, show_default=True, help="Seconds to wait for the e-mail."
)
@click.pass_obj
def smoke(program: Program, url: str | None, address: str | None, timeout: int) -> None:
    """Register a throw-away account, book, see the e-mail sent, cancel; exit 1 at the first step that fails.

    The account and what belongs to it are deleted in the end, in the database of the settings.
    """
    registry = program.registry
    visit = Visit(registry, _checked(url or _own_url(registry)), address, timeout)
    click.echo(f"{visit.tag} at {visit.url}")
    try:
        for name, step in visit.steps():
            _timed(name, step)
    finally:
        _timed("clean up", visit.clean_up)


def _own_url(registry: Registry) -> str:
    host = registry.scheduling.host
    return f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{registry.scheduling.port}"  # noqa: S104


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter("must start with http:// or https://", param_hint="--url")
    return url.rstrip("/")


def _timed(name: str, step: Callable[[], None]) -> None:
    started = perf_counter()
    try:
        step()
    except (Failed, LookupError, TypeError, SQLAlchemyError) as error:
        click.echo(f"FAILED  {name}: {printable(_reason(error))}")
        raise SystemExit(1) from error
    click.echo(f"ok      {name:<24} {(perf_counter() - started) * 1000:>7.0f} ms")


def _reason(error: Exception) -> str:
    if isinstance(error, DBAPIError):
        return one_line(error)
    return str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"


class Visit:
    """One throw-away user's way through the installation at ``url``."""

    def __init__(self, registry: Registry, url: str, address: str | None, timeout: int) -> None:
        self.url = url
        self.tag = f"smoke-{secrets.token_hex(4)}"
        self._registry = registry
        self._timeout = timeout
        self._account = {
            # Nobody else has this name, so that nobody else's account can be taken for ours.
            "name": self.tag,
            "email": address or f"{self.tag}@example.com",
            "password": secrets.token_urlsafe(16),
        }
        self._started = utcnow()
        self._token = ""
        self._user_id = 0
        self._booking: dict[str, Any] = {}

    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        """Return the steps in order, each with its name; those of bookings only where that plugin runs."""
        steps = [("register", self.register), ("find it in the database", self.find), ("log in", self.log_in)]
        sent = "see the e-mail sent"
        if not any(plugin.name == "bookings" for plugin in self._registry.plugins):
            return [*steps, (sent, lambda: self.see_mail("WELCOME"))]
        return [
            *steps,
            ("book", self.book),
            ("read the booking", self.read),
            (sent, lambda: self.see_mail("BOOKING_CONFIRMATION")),
            ("cancel", self.cancel),
        ]

    def register(self) -> None:
        """Make the account."""
        self._user_id = self._call("POST", "/auth/register", self._account)["user"]["id"]

    def find(self) -> None:
        """Find the account in the database of the settings."""
        with session_scope(self._registry) as db:
            account = self._row(db)
        if account is None or account.id != self._user_id:
            raise Failed(f"{self.url} works with another database than these settings (DATABASE_URL)")

    def log_in(self) -> None:
        """Exchange the password for a token."""
        self._token = self._call("POST", "/auth/login", self._account)["token"]

    def book(self) -> None:
        """Book an hour of tomorrow."""
        start = utcnow() + timedelta(days=1)
        times = {"start": format_timestamp(start), "end": format_timestamp(start + timedelta(hours=1))}
        self._booking = self._call("POST", "/bookings", {"title": self.tag, **times})["booking"]

    def read(self) -> None:
        """Read the booking back."""
        if self._call("GET", f"/bookings/{self._booking['id']}") != self._booking:
            raise Failed("what was read is not what was booked")

    def cancel(self) -> None:
        """Cancel the booking."""
        booking = self._call("DELETE", f"/bookings/{self._booking['id']}")["booking"]
        if booking["status"] != "cancelled":
            raise Failed(f"its status is {booking['status']}")

    def see_mail(self, kind: str) -> None:
        """Wait until the e-mail of a kind is done."""
        deadline = monotonic() + self._timeout
        while True:
            with session_scope(self._registry) as db:
                mail = next((mail for mail in self._mails(db) if mail.kind == kind), None)
            if mail is None:
                raise Failed(f"the outbox has no {kind}")
            if mail.state == State.DONE:
                return
            if mail.state in (State.DEAD, State.SKIPPED):
                raise Failed(f"message {mail.id} is {mail.state}: {mail.last_error}")
            if monotonic() > deadline:
                reason = mail.last_error or "does a worker run?"
                raise Failed(f"message {mail.id} is {mail.state} after {self._timeout} seconds: {reason}")
            sleep(_POLL_SECONDS)

    def clean_up(self) -> None:
        """Delete the account, with what belongs to it, and its e-mails, those not yet sent too."""
        with session_scope(self._registry) as db:
            account = self._row(db)
            if account is not None:
                self._user_id = account.id
                mails = [mail.id for mail in self._mails(db)]
                db.write(sa.delete(outbox).where(outbox.c.id.in_(mails)))
                service.delete(db, account.id)

    def _row(self, db: Session) -> Row | None:
        account = service.find_by_address(db, self._account["email"])
        return account if account is not None and account.name == self.tag else None

    def _mails(self, db: Session) -> Sequence[Row]:
        columns = (outbox.c.id, outbox.c.kind, outbox.c.state, outbox.c.last_error)
        # As text: the id in the JSON is a number of any size, and not every message has one.
        receiver = sa.cast(outbox.c.payload["user_id"].as_string(), sa.Text)
        return db.rows(
            sa.select(*columns).where(
                outbox.c.created_at > self._started - _CLOCKS_DIFFER,
                outbox.c.consumer == channel.CONSUMER,
                receiver == str(self._user_id),
            )
        )

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Content-Type": "application/json", "X-Request-ID": self.tag}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/api/v1{path}", data, headers, method=method)  # noqa: S310
        try:
            with urlopen(request, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310
                return json.loads(answer.read())
        except HTTPError as error:
            with error:
                text = error.read(_MAX_TEXT).decode(errors="replace")
            raise Failed(f"the answer is {error.code}: {text}") from error
        except (OSError, HTTPException) as error:
            raise Failed(f"{self.url} does not answer: {error}") from error
        except ValueError as error:
            raise Failed("the answer is not JSON") from error
