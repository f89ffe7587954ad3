from datetime import timedelta

import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.messaging.delivery import BACKOFF_CAP, backoff, deliver
from scheduling.messaging.models import State, outbox
from scheduling.messaging.outbox import Consumer, enqueue
from scheduling.messaging.relay import mark_due_as_queued
from scheduling.plugin import Permanent, Skip, Transient
from scheduling.times import utcnow


class Handler:
    """A consumer that does what each attempt is told to do."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.seen = []

    def __call__(self, message, registry):
        self.seen.append(message)
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def handle(site):
    def use(*outcomes):
        handler = Handler(*outcomes)
        site.registry.outbox_consumers["test"] = Consumer(handler, 3)
        return handler

    yield use
    site.registry.outbox_consumers.pop("test", None)


def put(site, **options):
    with session_scope(site.registry) as db:
        return enqueue(db, consumer="test", kind="THING", payload={"a": 1}, **options)


def row(site, message_id):
    with session_scope(site.registry) as db:
        return db.row(sa.select(outbox).where(outbox.c.id == message_id))


def change(site, message_id, **values):
    with session_scope(site.registry) as db:
        db.write(sa.update(outbox).where(outbox.c.id == message_id).values(values))


def make_due(site, message_id):
    change(site, message_id, due_at=utcnow() - timedelta(seconds=1))


def test_a_message_is_carried_out_once_and_kept_as_done(site, handle):
    handler = handle("their-id")
    message_id = put(site)
    assert row(site, message_id).state == State.PENDING
    assert site.deliver() == [State.DONE]
    assert [(m.id, m.kind, m.payload, m.attempt) for m in handler.seen] == [
        (message_id, "THING", {"a": 1}, 1)
    ]
    kept = row(site, message_id)
    assert (kept.state, kept.provider_id, kept.owner, kept.lease_until) == ("done", "their-id", None, None)
    assert kept.done_at is not None
    assert deliver(site.registry, message_id) is None
    assert len(handler.seen) == 1


def test_a_message_of_a_rolled_back_transaction_never_was(site, handle):
    handler = handle()
    with pytest.raises(ZeroDivisionError), session_scope(site.registry) as db:  # noqa: PT012
        enqueue(db, consumer="test", kind="THING", payload={})
        raise ZeroDivisionError
    assert site.deliver() == []
    assert handler.seen == []


def test_a_relay_is_told_of_a_message_at_commit_and_not_before(site, handle):
    site.registry.message_written.clear()
    with session_scope(site.registry) as db:
        enqueue(db, consumer="test", kind="THING", payload={})
        assert not site.registry.message_written.is_set()
    assert site.registry.message_written.is_set()


def test_a_failure_is_tried_again_later_and_in_the_end_dead(site, handle):
    handler = handle(ValueError("one"), Transient("two"), ConnectionError("three"))
    message_id = put(site)
    assert site.deliver() == [State.RETRY]
    assert site.deliver() == [], "not before its time"
    make_due(site, message_id)
    assert site.deliver() == [State.RETRY]
    make_due(site, message_id)
    assert site.deliver() == [State.DEAD]
    assert [m.attempt for m in handler.seen] == [1, 2, 3]
    assert row(site, message_id).last_error == "ConnectionError: three"
    make_due(site, message_id)
    assert site.deliver() == []


def test_retry_after_is_honoured(site, handle):
    handle(Transient("busy", retry_after=3600))
    message_id = put(site)
    before = utcnow()
    site.deliver()
    assert row(site, message_id).due_at >= before + timedelta(seconds=3600)


def test_a_permanent_failure_is_dead_at_once(site, handle):
    handle(Permanent("no such address"))
    message_id = put(site)
    assert site.deliver() == [State.DEAD]
    assert row(site, message_id).last_error == "Permanent: no such address"


def test_a_pointless_message_is_skipped(site, handle):
    handle(Skip("cancelled meanwhile"))
    message_id = put(site)
    assert site.deliver() == [State.SKIPPED]
    assert row(site, message_id).last_error == "cancelled meanwhile"


def test_a_message_of_a_plugin_that_is_gone_waits_for_it(site, handle):
    message_id = put(site)
    for _ in range(5):
        assert site.deliver() == [State.RETRY]
        make_due(site, message_id)
    assert row(site, message_id).last_error == "no enabled plugin handles 'test'"
    assert row(site, message_id).attempts == 0
    handle()
    assert site.deliver() == [State.DONE]


def test_of_two_deliveries_of_one_message_one_is_refused(site, handle):
    handler = handle()
    message_id = put(site)
    assert mark_due_as_queued(site.registry) == [message_id]
    registry = site.registry

    def again(message, _):
        handler.seen.append(message)
        assert deliver(registry, message_id) is None

    registry.outbox_consumers["test"] = Consumer(again, 3)
    assert deliver(registry, message_id) == State.DONE
    assert len(handler.seen) == 1


def test_a_lease_that_ran_out_is_taken_over_and_the_late_owner_cannot_write_its_result(site, handle):
    handler = handle()
    message_id = put(site)
    registry = site.registry

    def slow(message, _):
        past = utcnow() - timedelta(seconds=1)
        change(site, message_id, lease_until=past, due_at=past)
        registry.outbox_consumers["test"] = Consumer(handler, 3)
        assert site.deliver() == [State.DONE], "another worker takes over"
        return "late"

    registry.outbox_consumers["test"] = Consumer(slow, 3)
    assert mark_due_as_queued(registry) == [message_id]
    assert deliver(registry, message_id) is None
    assert handler.seen[0].attempt == 2
    assert row(site, message_id).provider_id is None


def test_a_message_that_kills_its_workers_is_dead_in_the_end(site, handle):
    handler = handle()
    message_id = put(site)
    past = utcnow() - timedelta(seconds=1)
    change(site, message_id, state=State.RUNNING, attempts=3, lease_until=past, due_at=past, owner="gone")
    assert site.deliver() == [State.DEAD]
    assert handler.seen == []


def test_a_published_message_that_nobody_finishes_is_published_again(site, handle):
    handle()
    message_id = put(site)
    assert mark_due_as_queued(site.registry) == [message_id]
    assert mark_due_as_queued(site.registry) == []
    make_due(site, message_id)
    assert mark_due_as_queued(site.registry) == [message_id]


def test_of_two_messages_with_one_dedupe_key_the_first_is_kept(site, handle):
    handler = handle()
    put(site, dedupe_key="k")
    put(site, dedupe_key="k")
    site.deliver()
    assert len(handler.seen) == 1


def test_a_message_for_later_waits(site, handle):
    handle()
    message_id = put(site, due_at=utcnow() + timedelta(hours=1))
    assert site.deliver() == []
    make_due(site, message_id)
    assert site.deliver() == [State.DONE]


def test_mail_to_an_account_that_is_gone_is_skipped(site):
    alice = site.user()
    with session_scope(site.registry) as db:
        db.write(sa.delete(users).where(users.c.id == alice.id))
    assert site.deliver() == [State.SKIPPED]
    assert site.mail == []


def test_the_same_mail_has_the_same_idempotency_key_on_every_attempt(site):
    site.user()
    [message_id] = mark_due_as_queued(site.registry)
    deliver(site.registry, message_id)
    assert list(site.provider.sent) == [str(message_id)]


@pytest.mark.parametrize("attempt", [1, 2, 5, 50, 10_000])
def test_backoff_grows_and_is_capped(attempt):
    waits = [backoff(attempt, timedelta(seconds=10)) for _ in range(200)]
    assert (
        timedelta(0)
        <= min(waits)
        <= max(waits)
        <= min(BACKOFF_CAP, timedelta(seconds=10) * 2 ** min(attempt, 20))
    )
    assert len(set(waits)) > 1
