"""A whole site on a real database, called in process."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import psycopg
import sqlalchemy as sa
from webtest import TestApp

from scheduling.accounts.models import users
from scheduling.accounts.service import FOR_TOKEN
from scheduling.app import make_app
from scheduling.db import migrations
from scheduling.db.metadata import metadata
from scheduling.db.session import session_scope
from scheduling.email.provider import EmailProvider, OutgoingEmail, SendResult
from scheduling.messaging.delivery import deliver
from scheduling.messaging.relay import Relay
from scheduling.startup import set_up
from scheduling.testing.declared import DeclaredAnswers

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from webtest import TestResponse

    from scheduling.messaging.models import State

SETTINGS = {
    "scheduling.jwt_secret": "a secret that only the tests know, of more than 32 bytes",
    # The smallest cost that bcrypt has: tests register often.
    "scheduling.bcrypt_cost": "4",
    # Tests do more at once than people do; those of the limits have sites of their own.
    "scheduling.rate_limit_enabled": "false",
    # Nobody gets these e-mails.
    "scheduling.email_rate_limit": "0",
}

PASSWORD = "secret123"  # noqa: S105 - every account of the tests has it


class RecordingProvider(EmailProvider):
    """An e-mail provider that keeps what it is given, by idempotency key."""

    deduplicates = True
    sent: dict[str, OutgoingEmail]

    def send(self, message: OutgoingEmail, idempotency_key: str) -> SendResult:
        """Keep the e-mail."""
        self.sent[idempotency_key] = message
        return SendResult(f"recorded-{idempotency_key}")


@dataclass
class Client:
    """Somebody who calls the API: an account with its token, or nobody."""

    app: TestApp
    token: str | None = None
    id: int = 0
    name: str = ""
    email: str = ""

    def get(self, path: str, **options: Any) -> TestResponse:
        """GET a path below ``/api/v1``; ``status`` is the expected one, any good one by default."""
        return self.app.get(f"/api/v1{path}", **self._with_token(options))

    def head(self, path: str, **options: Any) -> TestResponse:
        """HEAD a path below ``/api/v1``."""
        return self.app.head(f"/api/v1{path}", **self._with_token(options))

    def post(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        """POST a JSON body, an empty object by default, to a path below ``/api/v1``."""
        return self.app.post_json(f"/api/v1{path}", {} if json is None else json, **self._with_token(options))

    def patch(self, path: str, json: Any = None, **options: Any) -> TestResponse:
        """PATCH a path below ``/api/v1`` with a JSON body, an empty object by default."""
        return self.app.patch_json(
            f"/api/v1{path}", {} if json is None else json, **self._with_token(options)
        )

    def delete(self, path: str, **options: Any) -> TestResponse:
        """DELETE a path below ``/api/v1``."""
        return self.app.delete(f"/api/v1{path}", **self._with_token(options))

    def _with_token(self, options: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return options | {"headers": headers | options.get("headers", {})}


@dataclass
class Queries:
    """The statements that were sent, BEGIN and COMMIT included."""

    statements: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.statements)


def _sqlalchemy_listeners(hook: Callable[[str], object]) -> dict[str, Callable[..., None]]:
    def statement(*event: Any) -> None:
        hook(event[2])

    def commit(*event: Any) -> None:
        hook("COMMIT")

    return {"before_cursor_execute": statement, "commit": commit}


def _psycopg_listeners(hook: Callable[[str], object]) -> dict[str, Callable[..., None]]:
    """Listen in the driver, since a ``Statement`` does not pass through SQLAlchemy."""

    class Cursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Self:
            hook(str(query))
            return super().execute(query, *arguments, **options)

    def checkout(driver: psycopg.Connection, *event: Any) -> None:
        driver.cursor_factory = Cursor

    def checkin(driver: psycopg.Connection | None, *event: Any) -> None:
        if driver is not None:
            driver.cursor_factory = psycopg.Cursor

    return {"checkout": checkout, "checkin": checkin}


class Site:
    """The application with some plugins on a migrated database, called through WebTest.

    Nothing runs in the background: :meth:`deliver` does what a worker would. A call fails whose answer is not
    what its view declares, see :class:`~scheduling.testing.declared.DeclaredAnswers`.
    """

    def __init__(
        self, database_url: str, plugins: Sequence[str], settings: Mapping[str, str] | None = None
    ) -> None:
        ini = {
            **SETTINGS,
            "scheduling.database_url": database_url,
            "scheduling.plugins": " ".join(plugins),
            **(settings or {}),
        }
        setup = set_up(ini, {})
        self.wsgi_app = make_app(setup, ini)
        self.registry = self.wsgi_app.registry
        self.answers = DeclaredAnswers(self.registry)
        self.provider = RecordingProvider(setup.settings, {})
        self.registry.email_provider = self.provider
        # There is no server here whose threads log-ins could keep from others.
        self.registry.passwords.use_threads(1000)
        self.clear_mail()
        migrations.upgrade(self.registry.engine, setup.plugins)
        self.app = TestApp(self.wsgi_app)
        self.anonymous = Client(self.app)
        self._accounts = 0

    def clear(self) -> None:
        """Delete all rows, keeping the schema, and forget the e-mails."""
        self.clear_mail()
        there = sa.inspect(self.registry.engine).get_table_names()
        with session_scope(self.registry) as db:
            for table in reversed(metadata.sorted_tables):
                if table.name in there:
                    db.write(sa.delete(table))

    def clear_mail(self) -> None:
        """Forget the e-mails that were sent."""
        self.provider.sent = {}

    def close(self) -> None:
        """Close the connections to the database."""
        self.registry.engine.dispose()

    def user(self, name: str = "Alice", *, email: str | None = None, admin: bool = False) -> Client:
        """Register an account and return a client that is logged in as it; an admin if asked for."""
        self._accounts += 1
        email = email or f"{name.lower().replace(' ', '.')}{self._accounts}@example.com"
        sent = {"name": name, "email": email, "password": PASSWORD}
        answer = self.anonymous.post("/auth/register", sent, status=201).json
        client = Client(self.app, answer["token"], answer["user"]["id"], name, email)
        if admin:
            with session_scope(self.registry) as db:
                db.write(sa.update(users).where(users.c.id == client.id).values(role="admin"))
            client.token = self.token(client.id)
        return client

    def token(self, user_id: int) -> str:
        """Return a new token of an account, as a log-in would; LookupError if there is none."""
        with session_scope(self.registry) as db:
            user = db.row(sa.select(*FOR_TOKEN).where(users.c.id == user_id))
        if user is None:
            raise LookupError(f"there is no account {user_id}")
        token: str = self.registry.tokens.issue(user, user.read_at)
        return token

    def deliver(self) -> list[State | None]:
        """Carry out every message that is due, and return how each ended."""
        ended: list[State | None] = []

        def deliver_at_once(consumer: str, ids: list[uuid.UUID]) -> None:
            ended.extend(deliver(self.registry, consumer, ids))

        # A relay that is new leaves no consumer alone.
        while Relay(self.registry).publish_due(deliver_at_once):
            pass
        return ended

    @property
    def mail(self) -> list[OutgoingEmail]:
        """The e-mails that were sent, in order."""
        return list(self.provider.sent.values())

    @contextmanager
    def queries(self) -> Iterator[Queries]:
        """Record the statements that are sent meanwhile, BEGIN and COMMIT included."""
        seen = Queries()
        with self.before_statements(seen.statements.append):
            yield seen

    @contextmanager
    def before_statements(self, hook: Callable[[str], object]) -> Iterator[None]:
        """Call ``hook`` with each statement before it is sent, BEGIN and COMMIT included."""
        engine = self.registry.engine
        postgres = engine.dialect.name == "postgresql"
        listeners = _psycopg_listeners(hook) if postgres else _sqlalchemy_listeners(hook)
        for name, listener in listeners.items():
            sa.event.listen(engine, name, listener)
        try:
            yield
        finally:
            for name, listener in listeners.items():
                sa.event.remove(engine, name, listener)

    def forget_when_cutoffs_were_read(self) -> None:
        """Let the next request ask for new token cut-offs, as it would after a second."""
        self.registry.tokens.refresh_due()
