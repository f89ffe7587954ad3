"""The dashboard while others write, correct, fold and rebuild, on PostgreSQL: exact in every snapshot."""

import random
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.session import Session, session_scope
from scheduling.testing import Site
from scheduling.times import utcnow
from scheduling_analytics import dashboard, rollups
from scheduling_analytics.housekeeping import fold
from scheduling_analytics.models import analytics_events as events

WRITERS, TRANSACTIONS = 4, 250
TYPES = ["LOGIN", "SEARCH", "BOOKING_CREATED", "PAGE_VIEW"]


@pytest.fixture
def site(postgres):
    name = f"dashboard_{uuid.uuid4().hex}"
    site = Site(postgres.create_database(name), ["analytics"])
    yield site
    site.close()
    postgres.drop_database(name)


def add_user(db, user_id):
    row = {"id": user_id, "name": "N", "email": f"{uuid.uuid4()}@example.com", "password_hash": "x"}
    db.write(sa.insert(users).values(row))


class Writer:
    """Somebody who records events of three users, and sometimes corrects them."""

    def __init__(self, site, number):
        self.site = site
        self.random = random.Random(number)  # noqa: S311
        self.users = [number * 3 + i for i in range(1, 4)]
        with session_scope(site.registry) as db:
            for user_id in self.users:
                add_user(db, user_id)

    def __call__(self):
        for _ in range(TRANSACTIONS):
            with session_scope(self.site.registry) as db:
                self.record(db)
                if self.random.random() < 0.03:
                    self.random.choice([self.remove, self.correct, self.forget])(db)

    def record(self, db):
        rows = [
            {
                "event_type": self.random.choice(TYPES),
                "user_id": self.random.choice([*self.users, None]),
                "created_at": self.moment(),
                "metadata": {},
            }
            for _ in range(self.random.randint(1, 4))
        ]
        db.write(sa.insert(events), rows)

    def moment(self):
        ago = self.random.choice([timedelta(seconds=1), timedelta(hours=3), timedelta(days=40)])
        return utcnow() - ago * self.random.random()

    def some(self):
        mine = sa.select(events.c.id).where(events.c.user_id == self.random.choice(self.users))
        return events.c.id.in_(mine.order_by(events.c.id.desc()).limit(3))

    def remove(self, db):
        db.write(sa.delete(events).where(self.some()))

    def correct(self, db):
        values = {"event_type": self.random.choice(TYPES), "created_at": self.moment()}
        db.write(sa.update(events).where(self.some()).values(values))

    def forget(self, db):
        user_id = self.random.choice(self.users)
        db.write(sa.delete(users).where(users.c.id == user_id))
        add_user(db, user_id)


@contextmanager
def again_and_again(*works):
    """Do the works, each in a thread and without a pause, meanwhile; raise what they raise."""
    ended, errors = threading.Event(), []

    def repeat(work):
        try:
            while not ended.is_set():
                work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test has failed
            errors.append(error)

    threads = [threading.Thread(target=repeat, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert errors == []


def write_all(writers):
    with ThreadPoolExecutor(len(writers)) as threads:
        list(threads.map(lambda write: write(), writers))


def answer(rows):
    """Return the rows, leaving out what the rollups have for types without an event."""
    return {tuple(row[:5]) for row in rows if row.events or row.users}


def read_both(db, since):
    rolled = db.rows(dashboard.rollups_read, {"since": since, **dashboard.edges(since)})
    return rolled, dashboard.count_events(db, since)


class Reader:
    """Compares what the rollups and what the events say, both in one snapshot."""

    def __init__(self, site, seed):
        self.engine = site.registry.engine.execution_options(isolation_level="REPEATABLE READ")
        self.registry = site.registry
        self.random = random.Random(seed)  # noqa: S311
        self.seen = Counter()

    def __call__(self):
        window = self.random.choice([timedelta(seconds=2), timedelta(hours=2), timedelta(days=35)])
        db = Session(self.engine, self.registry)
        try:
            rolled, truth = read_both(db, utcnow() - window)
        finally:
            db.close()
        corrected = any(row.is_corrected for row in rolled)
        self.seen["corrected" if corrected else "counted"] += 1
        if not corrected:
            assert answer(rolled) == answer(truth)


def rebuild(site):
    with session_scope(site.registry) as db:
        rollups.rebuild(db)


def test_no_reader_ever_sees_what_was_not_so(site):
    writers = [Writer(site, number) for number in range(WRITERS)]
    readers = [Reader(site, seed) for seed in range(2)]

    with again_and_again(lambda: fold(site.registry), lambda: rebuild(site), *readers):
        write_all(writers)

    seen = readers[0].seen + readers[1].seen
    assert seen["counted"] > 10, seen
    assert seen["corrected"] > 0, seen
    fold(site.registry)
    for window in (timedelta(seconds=2), timedelta(hours=1), timedelta(days=100)):
        with session_scope(site.registry) as db:
            rolled, truth = read_both(db, utcnow() - window)
        assert not any(row.is_corrected or row.pending for row in rolled)
        assert answer(rolled) == answer(truth)


def test_only_one_folds_at_a_time_and_the_others_do_not_wait(site):
    site.user()
    with session_scope(site.registry) as db:
        assert rollups.fold(db) is True
        with session_scope(site.registry) as other:
            assert rollups.fold(other) is False
