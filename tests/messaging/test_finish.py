"""A handler that has its message done in its own transaction, so that it writes once."""

from datetime import timedelta

import pytest

from scheduling.db.session import session_scope
from scheduling.messaging.claims import claim, new_owner
from scheduling.messaging.consumers import finish
from scheduling.messaging.delivery import deliver
from scheduling.messaging.models import State
from scheduling.messaging.outbox import enqueue
from scheduling.times import utcnow
from tests.kit.messages import Handler, change, consumer, mark, put, row, rows


@pytest.fixture(autouse=True)
def other(site):
    """The consumer to which the handlers of the tests write."""
    with consumer(site, Handler(), "other"):
        yield


def told(site):
    """Return how many messages the handler has written."""
    return sum(message.consumer == "other" for message in rows(site))


def tell(message, registry, after=lambda: None):
    """Write a message and finish the one in hand, in one transaction."""
    with session_scope(registry) as db:
        finish(db, message)
        enqueue(db, consumer="other", kind="TOLD", payload={})
    after()


def test_a_message_is_done_by_the_commit_of_its_handler(site):
    with consumer(site, tell):
        message_id = put(site)
        assert deliver(site.registry, "test", mark(site)) == [State.DONE]
    found = row(site, message_id)
    assert (found.state, found.owner, found.lease_until, told(site)) == (State.DONE, None, None, 1)
    assert found.done_at <= utcnow()


def test_a_handler_whose_worker_died_after_the_commit_is_not_called_again(site):
    def die():
        past = utcnow() - timedelta(seconds=1)
        change(site, message_id, lease_until=past, due_at=past, owner="gone")

    with consumer(site, lambda message, registry: tell(message, registry, die)):
        message_id = put(site)
        deliver(site.registry, "test", mark(site))
        assert row(site, message_id).state == State.DONE
        assert mark(site) == []
    assert told(site) == 1


def test_an_error_after_the_commit_does_not_bring_the_message_back(site):
    def fail():
        raise ConnectionError("the answer to the commit was lost")

    with consumer(site, lambda message, registry: tell(message, registry, fail)):
        message_id = put(site)
        deliver(site.registry, "test", mark(site))
        change(site, message_id, due_at=utcnow() - timedelta(seconds=1))
        assert mark(site) == []
    assert (row(site, message_id).state, told(site)) == (State.DONE, 1)


def test_an_error_before_the_commit_undoes_all_and_the_message_is_tried_again(site):
    failures = [ValueError("once")]

    def fail_once(message, registry):
        with session_scope(registry) as db:
            finish(db, message)
            enqueue(db, consumer="other", kind="TOLD", payload={})
            if failures:
                raise failures.pop()

    with consumer(site, fail_once):
        message_id = put(site)
        assert deliver(site.registry, "test", mark(site)) == [State.RETRY]
        assert told(site) == 0
        change(site, message_id, due_at=utcnow() - timedelta(seconds=1))
        assert deliver(site.registry, "test", mark(site)) == [State.DONE]
    assert told(site) == 1


def test_a_handler_that_is_too_late_writes_nothing_beside_the_one_that_took_over(site):
    def be_slow(message, registry):
        past = utcnow() - timedelta(seconds=1)
        change(site, message_id, lease_until=past, due_at=past)
        # Another worker takes it over meanwhile.
        assert len(claim(site.registry, [message_id], new_owner())) == 1
        tell(message, registry)

    with consumer(site, be_slow):
        message_id = put(site)
        deliver(site.registry, "test", mark(site))
    assert (row(site, message_id).state, told(site)) == (State.RUNNING, 0)
