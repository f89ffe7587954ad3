"""Real processes on servers of their own, which a test may kill, and a stand-in for Resend's API."""

import random
import threading
import time
import uuid
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import namedtuple_row

from scheduling.testing.api_server import ApiAnswer, ApiServer
from scheduling.testing.processes import Installation
from scheduling.testing.servers import postgres_server, redis_server

PRODUCTION = Path(__file__).parents[2] / "production.ini"
START, END = "2099-01-01T10:00:00Z", "2099-01-01T11:00:00Z"


@dataclass(frozen=True)
class Sent:
    """A call of POST /emails: when it came, and what became of it."""

    key: str
    at: float
    fate: str


class Resend(ApiServer):
    """Sends an e-mail once however often its key is repeated; a part of the calls meets trouble."""

    # Before the e-mail is taken or after; in the last two nobody knows.
    TROUBLE = ("503", "503 Retry-After", "takes it and hangs up", "takes it and is silent")
    SILENT_SECONDS = 3.0

    def __init__(self):
        self.calls = []
        self.accepted = {}
        self.arrived = threading.Event()
        """Set when an e-mail has come."""
        self.go_on = threading.Event()
        """Cleared to hold the answers back."""
        self.go_on.set()
        self.answered_at = 0.0
        self.cause_trouble(0)
        super().__init__()

    def cause_trouble(self, part, seed=0):
        """Let a part of the calls meet trouble from now on."""
        self._trouble, self._random = part, random.Random(seed)

    @property
    def mails(self):
        return list(self.accepted.values())

    @property
    def duplicates(self):
        """How many calls repeated an e-mail that was taken before."""
        return sum(call.fate == "repeated" for call in self.calls)

    def subjects(self):
        """How many e-mails of each subject it would have delivered."""
        return Counter(mail["subject"] for mail in list(self.accepted.values()))

    def stop(self):
        self.go_on.set()
        super().stop()

    def answer(self, request):
        raise NotImplementedError

    def react(self, request):
        if (request.method, request.path) == ("GET", "/domains"):
            return ApiAnswer(200, {"object": "list", "data": []})
        assert (request.method, request.path) == ("POST", "/emails")
        self.arrived.set()
        self.go_on.wait()
        with self._lock:
            answer = self._take(request.headers["Idempotency-Key"], request.body)
            fate = self.calls[-1].fate
        if fate == "takes it and is silent":
            self._ended.wait(self.SILENT_SECONDS)
        self.answered_at = time.monotonic()
        return answer

    def _take(self, key, mail):
        fate = self._random.choice(self.TROUBLE) if self._random.random() < self._trouble else "accepted"
        if not fate.startswith("503"):
            repeated = key in self.accepted
            fate = "repeated" if repeated else fate
            if self.accepted.setdefault(key, mail) != mail:
                fate = "refused"
        self.calls.append(Sent(key, time.time(), fate))
        if fate == "refused":
            return ApiAnswer(409, {"name": "invalid_idempotent_request", "message": "another payload"})
        if fate.startswith("503"):
            headers = {"Retry-After": "1"} if "Retry-After" in fate else {}
            return ApiAnswer(503, {"name": "internal_server_error", "message": "later"}, headers)
        return None if fate.startswith("takes it") else ApiAnswer(200, {"id": f"re-{key}"})


class ChaosInstallation(Installation):
    """An installation whose e-mails go to a :class:`Resend`, with short leases, and its database."""

    def __init__(self, folder, database_url, redis_url, provider, environ):
        self.database_url = database_url
        super().__init__(
            folder,
            PRODUCTION,
            database_url,
            redis_url,
            {
                "EMAIL_PROVIDER": "resend",
                "EMAIL_API_KEY": provider.secret,
                "EMAIL_RATE_LIMIT": "6000",
                "EMAIL_RETRY_ATTEMPTS": "50",
                "SCHEDULING_RESEND_URL": provider.url,
                "SCHEDULING_RESEND_TIMEOUT": "2",
                "SCHEDULING_OUTBOX_LEASE": "4",
                "SCHEDULING_OUTBOX_REPUBLISH": "3",
                "SCHEDULING_OUTBOX_BACKOFF": "1",
                **environ,
            },
        )

    def start(self, workers=1):
        """Start the web process and workers."""
        self.upgrade()
        started = [self.web, *(self.add_worker() for _ in range(workers))]
        for process in started:
            process.start()
        for process in started:
            process.wait_until_ready()

    def book(self, token, title):
        """Post a booking; its answer."""
        return self.call("POST", "/bookings", {"title": title, "start": START, "end": END}, token=token)

    def rows(self, query):
        """Return the rows of a query, with names."""
        with psycopg.connect(self.database_url, row_factory=namedtuple_row) as connection:
            return connection.execute(query).fetchall()

    def states(self):
        """How many messages are in each state."""
        return Counter(row.state for row in self.rows("SELECT state FROM outbox"))

    def all_done(self):
        return set(self.states()) == {"done"}


@pytest.fixture(scope="session")
def own_postgres():
    """A PostgreSQL that no other test uses while one of these kills it."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def own_redis():
    with redis_server() as server:
        yield server


@pytest.fixture
def provider():
    with Resend() as server:
        yield server


@pytest.fixture
def make_site(own_postgres, own_redis, provider, tmp_path):
    """A function that makes a site on a database of its own; options are further environment variables."""
    name = f"chaos_{uuid.uuid4().hex}"
    with ExitStack() as ends:
        database_url = own_postgres.create_database(name)
        ends.callback(own_postgres.drop_database, name)

        def make(redis_url=own_redis.url, **environ):
            return ends.enter_context(ChaosInstallation(tmp_path, database_url, redis_url, provider, environ))

        yield make
