"""Messages that are written for later: when they get their turns, and how they are withdrawn."""

import uuid
from datetime import timedelta

import pytest
import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging import scheduled
from scheduling.messaging.administration.service import redrive_all
from scheduling.messaging.claims import claim, new_owner
from scheduling.messaging.models import Delay, State, outbox
from scheduling.messaging.outbox import lock_unsent, move, withdraw
from scheduling.messaging.relay import Relay
from scheduling.messaging.scheduled import give_turns
from scheduling.observability.metrics.outbox import due, oldest_due_seconds, unfinished, waiting
from scheduling.times import utcnow
from tests.kit.messages import Handler, change, consumer, make_due, mark, put, row, rows

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def handler(site):
    with consumer(site, Handler()) as handler:
        yield handler


def put_later(site, **options):
    return put(site, due_at=utcnow() + HOUR, **options)


def write(site, function, *arguments):
    with session_scope(site.registry) as db:
        return function(db, *arguments)


def keys(site):
    return sorted(message.dedupe_key for message in rows(site) if message.dedupe_key)


def test_what_is_due_later_waits_and_is_then_delivered(site, handler):
    message_id = put_later(site)
    assert row(site, message_id).state == State.SCHEDULED
    assert site.deliver() == []
    make_due(site)
    assert site.deliver() == [State.DONE]


def test_many_that_become_due_at_once_leave_room_for_others(site):
    reminders = [put_later(site, user_id=1) for _ in range(60)]
    other_reminder = put_later(site, user_id=2)
    make_due(site)
    give_turns(site.registry)
    written_then = put(site, user_id=3)
    first = mark(site, limit=5)
    assert {other_reminder, written_then} < set(first)
    assert len(set(first) & set(reminders)) == 3


def test_a_turn_is_that_of_the_moment_at_which_it_is_due_and_not_of_when_it_was_written(site):
    reminders = [put_later(site, user_id=1) for _ in range(3)]
    waiting_since_then = put(site, user_id=1)
    make_due(site, *reminders)
    first, *others = mark(site)
    assert (first, set(others)) == (waiting_since_then, set(reminders))


def test_of_what_nobody_causes_each_has_the_turn_of_its_moment(site):
    first, second = put_later(site), put_later(site)
    change(site, second, due_at=utcnow() - HOUR)
    change(site, first, due_at=utcnow() - HOUR / 2)
    assert mark(site) == [second, first]


def test_a_relay_looks_again_soon_where_more_are_due_than_get_their_turns_at_once(site):
    moment = utcnow() - HOUR
    message = {"consumer": "gone", "kind": "T", "payload": {}, "state": "scheduled", "due_at": moment}
    with session_scope(site.registry) as db:
        many = [{"id": uuid.uuid4(), "created_at": moment, **message} for _ in range(scheduled.BATCH + 1)]
        db.write(sa.insert(outbox), many)
    relay = Relay(site.registry)
    relay.publish_due(lambda name, ids: None)
    assert relay.has_more
    relay.publish_due(lambda name, ids: None)
    assert not relay.has_more
    assert {message.state for message in rows(site)} == {State.PENDING}


def test_metrics_tell_of_what_is_due_though_no_worker_runs_and_of_nothing_before(site):
    message_id = put_later(site)
    assert (due(site.registry), oldest_due_seconds(site.registry), waiting(site.registry)) == (0, 0.0, [])
    change(site, message_id, due_at=utcnow() - HOUR)
    assert due(site.registry) == 1
    assert 3600 <= oldest_due_seconds(site.registry) < 3700
    [(kind, reason, _, since)] = waiting(site.registry)
    assert (kind, reason, since) == ("THING", "worker", row(site, message_id).due_at)
    assert unfinished(site.registry) == {}
    put(site)
    assert unfinished(site.registry) == {("THING", "pending"): 1}


def test_what_was_written_long_before_is_not_old_when_it_becomes_due(site):
    message_id = put_later(site)
    moment = utcnow() - timedelta(minutes=1)
    change(site, message_id, created_at=utcnow() - timedelta(days=9), due_at=moment)
    give_turns(site.registry)
    assert row(site, message_id).created_at == moment
    assert [since for *_, since in waiting(site.registry)] == [moment]


def test_redriving_what_failed_sends_nothing_that_is_due_later(site):
    message_id = put_later(site)
    assert redrive_all(site.registry, State.RETRY) == []
    assert row(site, message_id).state == State.SCHEDULED


def test_what_is_due_later_can_be_moved(site):
    message_id = put_later(site, dedupe_key="k")
    later = utcnow() + 2 * HOUR
    assert write(site, lock_unsent, "k").id == message_id
    write(site, move, message_id, later)
    assert row(site, message_id).due_at == later


def test_what_the_release_before_wrote_for_later_can_be_moved_and_is_delivered(site):
    message_id = put(site, dedupe_key="k")
    change(site, state=State.RETRY, delay=Delay.SCHEDULED, due_at=utcnow() + HOUR)
    assert write(site, lock_unsent, "k").id == message_id
    write(site, move, message_id, utcnow() - HOUR)
    assert site.deliver() == [State.DONE]


@pytest.mark.parametrize("state", [State.SCHEDULED, State.PENDING, State.QUEUED, State.RETRY])
def test_what_no_worker_had_is_withdrawn_and_its_key_is_free(site, state):
    put_later(site, dedupe_key="a")
    put_later(site, dedupe_key="b")
    change(site, state=state)
    put_later(site, dedupe_key="c")
    write(site, withdraw, ["a", "b", "none"])
    assert keys(site) == ["c"]
    put_later(site, dedupe_key="a")
    assert keys(site) == ["a", "c"]


def test_what_was_withdrawn_and_written_again_in_one_transaction_is_there_once(site):
    put_later(site, dedupe_key="a")
    with session_scope(site.registry) as db:
        withdraw(db, ["a"])
        # As a request does that moves what a message is about.
        db.after_commit(lambda: None)
    put_later(site, dedupe_key="a")
    assert keys(site) == ["a"]


def test_what_a_worker_has_or_had_stays_and_keeps_its_key(site):
    put(site, dedupe_key="in hand")
    claim(site.registry, mark(site), new_owner())
    put(site, dedupe_key="done")
    change(site, put(site, dedupe_key="failed once"), state=State.RETRY, attempts=1)
    change(site, put(site, dedupe_key="held"), state=State.RETRY, handed_at=utcnow())
    before = keys(site)
    change(site, *[message.id for message in rows(site) if message.dedupe_key == "done"], state=State.DONE)
    write(site, withdraw, before)
    assert keys(site) == before


def test_withdrawing_does_not_wait_for_a_worker_that_is_just_taking_the_message(session_site):
    site = session_site
    if site.registry.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    put_later(site, dedupe_key="a")
    with session_scope(site.registry) as relay:
        relay.rows(sa.select(outbox.c.id).with_for_update())
        write(site, withdraw, ["a"])
    assert keys(site) == ["a"]
