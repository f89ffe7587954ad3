"""Relays are told of messages that another process has written."""

import threading
import uuid
from contextlib import suppress

import pytest

from scheduling.db.session import session_scope
from scheduling.messaging import wakeup
from scheduling.messaging.outbox import enqueue
from scheduling.messaging.wakeup import listening
from scheduling.testing import Site
from scheduling.testing.processes import wait_for

LONG = 60.0
"""Seconds that nobody waits where a notification comes."""


@pytest.fixture(scope="module")
def registry(postgres):
    """The registry of a site on PostgreSQL whose workers are other processes."""
    url = postgres.create_database(f"wakeup_{uuid.uuid4().hex}")
    site = Site(url, [], {"scheduling.broker_url": "redis://127.0.0.1:1/0"})
    yield site.registry
    site.close()


def notifying():
    return [thread for thread in threading.enumerate() if thread.name == "notify-workers"]


def write(registry):
    with session_scope(registry) as db:
        enqueue(db, consumer="email", kind="WELCOME", payload={})


def test_a_message_ends_the_wait_of_a_relay_in_another_process(registry):
    with listening(registry) as wait:
        write(registry)
        assert wait(LONG)


def test_a_message_that_is_rolled_back_is_not_told(registry):
    with listening(registry) as wait:
        with suppress(ZeroDivisionError), session_scope(registry) as db:
            enqueue(db, consumer="email", kind="WELCOME", payload={})
            1 / 0  # noqa: B018
        assert not wait(0.1)


def test_many_messages_are_told_by_few_notifications(registry, monkeypatch):
    monkeypatch.setattr(wakeup, "_GATHER_SECONDS", 1)
    with listening(registry) as wait:
        for _ in range(20):
            write(registry)
        wait_for(lambda: not notifying())
        told = 0
        while told_now := wait(0):
            told += len(told_now)
    assert 1 <= told < 20


def test_the_connection_that_listened_does_not_go_back_to_the_pool(registry):
    pool = registry.engine.pool
    with listening(registry):
        before = pool.checkedin()
    assert pool.checkedin() == before


def test_a_database_that_is_away_fails_no_request(registry):
    with listening(registry):
        registry.engine.dispose()
        registry.wake_relays()
        wait_for(lambda: not notifying())


def test_a_relay_in_this_process_is_told_by_an_event(site):
    with listening(site.registry) as wait:
        write(site.registry)
        assert wait(LONG)
        assert not site.registry.message_written.is_set()
