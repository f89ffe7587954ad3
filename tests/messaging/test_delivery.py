from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.messaging.consumers import Consumer
from scheduling.messaging.delivery import deliver
from scheduling.messaging.models import State
from scheduling.messaging.outbox import enqueue
from scheduling.messaging.outcomes import NotNow
from scheduling.messaging.results import BACKOFF_CAP, backoff
from scheduling.plugin import Permanent, Postpone, Skip, Transient
from scheduling.times import utcnow
from tests.kit.messages import Handler, change, consumer, make_due, mark, only_row, put, row


@pytest.fixture
def handle(site):
    """A function that has a consumer end its attempts so; one that succeeds until it is called."""
    with consumer(site, Handler()):

        def use(*outcomes, **options):
            handler = Handler(*outcomes)
            site.registry.outbox_consumers["test"] = Consumer(handler, 3, plugin="acme", **options)
            return handler

        yield use


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
    assert deliver(site.registry, "test", [message_id]) == [None]
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


@pytest.mark.usefixtures("handle")
def test_a_message_for_a_consumer_that_nobody_has_is_refused_where_it_is_written(site):
    with pytest.raises(LookupError, match="'tset'"):
        put(site, "tset")


def test_in_production_it_is_logged_and_waits_for_the_plugin_of_the_next_release(site, monkeypatch, caplog):
    production = replace(site.registry.core_settings, app_env="production")
    monkeypatch.setattr(site.registry, "core_settings", production)
    message_id = put(site, "tset")
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "No enabled plugin handles messages to 'tset'" in caplog.text
    assert site.deliver() == []
    with consumer(site, Handler(), "tset"):
        assert site.deliver() == [State.DONE]
    assert row(site, message_id).state == State.DONE


def test_of_two_deliveries_of_one_message_one_is_refused(site, handle):
    handler = handle()
    message_id = put(site)
    assert mark(site) == [message_id]
    registry = site.registry

    def again(message, _):
        handler.seen.append(message)
        assert deliver(registry, "test", [message_id]) == [None]

    registry.outbox_consumers["test"] = Consumer(again, 3)
    assert deliver(registry, "test", [message_id]) == [State.DONE]
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
    assert mark(site) == [message_id]
    assert deliver(registry, "test", [message_id]) == [None]
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
    assert mark(site) == [message_id]
    assert mark(site) == []
    make_due(site, message_id)
    assert mark(site) == [message_id]


def test_of_two_messages_with_one_dedupe_key_the_first_is_kept(site, handle):
    handler = handle()
    put(site, dedupe_key="k")
    put(site, dedupe_key="k")
    site.deliver()
    assert len(handler.seen) == 1


def test_a_message_for_later_waits(site, handle):
    handle()
    message_id = put(site, due_at=utcnow() + timedelta(hours=1))
    assert row(site, message_id).state == State.SCHEDULED
    assert site.deliver() == []
    make_due(site, message_id)
    assert site.deliver() == [State.DONE]


def test_a_message_that_is_of_no_use_any_more_is_skipped(site, handle):
    handler = handle()
    message_id = put(site, expires_at=utcnow() + timedelta(hours=1))
    change(site, message_id, expires_at=utcnow() - timedelta(seconds=1))
    assert site.deliver() == [State.SKIPPED]
    assert handler.seen == []


def test_a_message_that_still_is_of_use_is_delivered(site, handle):
    handle()
    put(site, expires_at=utcnow() + timedelta(hours=1))
    assert site.deliver() == [State.DONE]


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (ValueError("mine"), "ValueError: mine"),
        (1234, "TypeError: the handler returned int"),
        (b"id", "TypeError: the handler returned bytes"),
        (Transient("busy", retry_after="soon"), "TypeError: "),
        (Transient("busy", retry_after=float("nan")), "ValueError: "),
        (Transient("busy", retry_after=1e300), "OverflowError: "),
        (Postpone("later", until=None), "AttributeError: "),
        (Postpone("later", utcnow(), delay="a while"), "ValueError: "),
    ],
)
def test_what_a_handler_does_wrongly_is_logged_and_counted(site, handle, caplog, outcome, error):
    handle(outcome)
    message_id = put(site)
    assert site.deliver() == [State.RETRY]
    assert row(site, message_id).attempts == 1
    assert row(site, message_id).last_error.startswith(error)
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert f"The consumer test of acme failed at message {message_id} (THING)" in record.message
    assert record.exc_info is not None


@pytest.mark.parametrize(
    "outcome", [Transient("busy"), Permanent("never"), Skip("no"), Postpone("s", utcnow())]
)
def test_what_a_handler_may_raise_is_no_error_of_its_plugin(site, handle, caplog, outcome):
    handle(outcome)
    put(site)
    site.deliver()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (ValueError("a\0b" + "x" * 9000), State.RETRY),
        (Transient("a\0b"), State.RETRY),
        (Skip("a\0b" * 9000), State.SKIPPED),
        (Postpone("a\0b", datetime(2099, 1, 1, tzinfo=UTC)), State.RETRY),
        ("a\0b" * 900, State.DONE),
    ],
)
def test_whatever_it_says_can_be_written(site, handle, outcome, state):
    handle(outcome)
    message_id = put(site)
    assert deliver(site.registry, "test", mark(site)) == [state]
    written = row(site, message_id).last_error or row(site, message_id).provider_id
    assert "ab" in written
    assert len(written) <= 500


def test_where_nothing_can_be_handled_all_in_hand_waits_again_without_an_attempt(site, handle):
    handler = handle(None, NotNow("closed"))
    ids = [put(site) for _ in range(4)]
    turns = [row(site, message_id).turn for message_id in ids]
    assert deliver(site.registry, "test", mark(site)) == [State.DONE]
    after = [row(site, message_id) for message_id in ids]
    assert [(kept.state, kept.attempts) for kept in after] == [("done", 1), *[("pending", 0)] * 3]
    assert [kept.turn for kept in after] == turns
    assert len(handler.seen) == 2
    assert site.deliver() == [State.DONE] * 3


def test_mail_to_an_account_that_is_gone_is_skipped(site):
    alice = site.user()
    with session_scope(site.registry) as db:
        db.write(sa.delete(users).where(users.c.id == alice.id))
    assert site.deliver() == [State.SKIPPED]
    assert site.mail == []


def test_the_same_mail_has_the_same_idempotency_key_on_every_attempt(site):
    site.user()
    site.deliver()
    assert list(site.provider.sent) == [str(only_row(site).id)]


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
