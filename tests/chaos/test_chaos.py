"""Bookings while everything is killed at random: none is lost, and no e-mail is sent twice.

CHAOS_SEED and CHAOS_SECONDS choose another run than that of the suite.
"""

import os
import random
import threading
import time
from http import HTTPStatus

from scheduling.testing.processes import UNREACHABLE, wait_for
from tests.chaos.load import Load

SEED = int(os.environ.get("CHAOS_SEED") or 1)
SECONDS = float(os.environ.get("CHAOS_SECONDS") or 40)
BOOKINGS, KILLS = 300, 2  # at least, the kills of each, however long that takes
CLIENTS = 8
PROGRESS = 20  # bookings to every kill of the web process
PROVIDER_TROUBLE = 0.2
SETTLE_SECONDS = 300.0


class RetryingLoad(Load):
    """Accounts that book until they are told to end; what was answered 201 is promised."""

    def __init__(self, site, seed):
        self.promised = []
        self.progress = threading.Semaphore(0)
        self.retries = 0
        self._site = site
        self._seed = seed
        self._tokens = [site.register() for _ in range(CLIENTS)]
        super().__init__(CLIENTS)

    def _run(self, number):
        pauses = random.Random(self._seed * 1000 + number)
        booking = attempt = 0
        while not self._ending.wait(pauses.uniform(0.1, 0.6)):
            # A title of its own for every attempt: one without an answer may have made a booking.
            title = f"No. {number}-{booking}-{attempt}"
            if self._book(number, title):
                booking, attempt = booking + 1, 0
            else:
                attempt += 1
                self.retries += 1

    def _book(self, number, title):
        try:
            answer = self._site.book(self._tokens[number], title)
        except UNREACHABLE:
            return False
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return False
        assert answer.status == HTTPStatus.CREATED, answer
        self.promised.append(title)
        self.progress.release()
        return True


class Monkey:
    """Kills and restarts: the web process, the workers, each with a relay and consumers, and Redis."""

    TURNS = ("web", "web", "worker-0", "worker-0", "worker-1", "worker-1", "redis") * 2

    def __init__(self, site, redis, clients, seed):
        self.kills = dict.fromkeys(self.TURNS, 0)
        self._victims = {process.name: process for process in (site.web, *site.workers)} | {"redis": redis}
        self._clients = clients
        self._random = random.Random(seed)
        self._turns = []
        self._pause = threading.Event()

    def strike(self):
        """Kill one of them, often before it has quite started, and start it again a moment later."""
        self._turns = self._turns or self._random.sample(self.TURNS, len(self.TURNS))
        name = self._turns.pop()
        self._pause.wait(self._random.uniform(0.2, 1.6))
        if name == "web":
            self._await_progress()
        self._victims[name].kill()
        self.kills[name] += 1
        self._pause.wait(self._random.uniform(0, 0.5))
        self._victims[name].start()

    def _await_progress(self):
        """Wait until the clients have got somewhere, which may take a while on a busy machine."""
        for _ in range(PROGRESS):
            assert self._clients.progress.acquire(timeout=60), "nobody could book"


def test_chaos_loses_no_message_and_sends_none_twice(make_site, own_redis, provider):
    site = make_site()
    site.start(workers=2)
    provider.cause_trouble(PROVIDER_TROUBLE, SEED)
    clients = RetryingLoad(site, SEED)
    monkey = Monkey(site, own_redis, clients, SEED)
    end = time.monotonic() + SECONDS

    def enough():
        return len(clients.promised) >= BOOKINGS and min(monkey.kills.values()) >= KILLS

    try:
        while time.monotonic() < end or not enough():
            assert time.monotonic() < end + SETTLE_SECONDS, "so slow that it shows nothing"
            monkey.strike()
    finally:
        clients.end()
    ended = time.monotonic()
    wait_for(lambda: set(site.states()) <= {"done", "dead", "skipped"}, SETTLE_SECONDS, "all is settled")
    print(
        f"\nseed {SEED}, {SECONDS:.0f} s: {len(clients.promised)} bookings promised, "
        f"{clients.retries} attempts in vain; kills {monkey.kills}; "
        f"{len(provider.calls)} calls for {len(provider.accepted)} e-mails, {provider.duplicates} repeated; "
        f"settled in {time.monotonic() - ended:.1f} s"
    )
    require_nothing_lost(site, provider, clients.promised)


def require_nothing_lost(site, provider, promised):
    unfinished = site.rows("SELECT kind, state, attempts, last_error FROM outbox WHERE state <> 'done'")
    assert unfinished == []
    bookings = site.rows("""
        SELECT title,
            (SELECT count(*) FROM outbox WHERE kind = 'BOOKING_CONFIRMATION'
                AND (payload -> 'data' ->> 'booking_id')::bigint = bookings.id) AS messages,
            (SELECT count(*) FROM notifications WHERE type = 'BOOKING_CONFIRMED'
                AND (metadata ->> 'booking_id')::bigint = bookings.id) AS notices
        FROM bookings""")
    titles = [booking.title for booking in bookings]
    assert set(promised) <= set(titles)
    assert {(booking.messages, booking.notices) for booking in bookings} == {(1, 1)}
    # The provider sends once for a key, so each key must be a message's, and each e-mail be there once.
    assert set(provider.accepted) == {str(row.id) for row in site.rows("SELECT id FROM outbox")}
    subjects = provider.subjects()
    assert subjects.pop("Welcome, Alice") == CLIENTS
    assert subjects == dict.fromkeys((f"Booking confirmed: {title}" for title in titles), 1)
