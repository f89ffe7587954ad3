"""Batches: how many statements one costs, and what a crash or an error in between leaves."""

import pytest
import sqlalchemy as sa

from scheduling.messaging import batch as batches
from scheduling.messaging import delivery
from scheduling.messaging.batch import Batch
from scheduling.messaging.claims import claim, new_owner
from scheduling.messaging.delivery import deliver
from scheduling.messaging.models import State
from scheduling.plugin import Permanent, Transient
from tests.kit.messages import Handler, change, consumer, mark, put, row


@pytest.fixture
def together(site):
    """A consumer whose results are written together."""
    with consumer(site, Handler(), marked_together=lambda registry: True) as handler:
        yield handler


@pytest.fixture
def one_by_one(site):
    with consumer(site, Handler()) as handler:
        yield handler


def states(site, ids):
    return [row(site, message_id).state for message_id in ids]


def test_a_batch_costs_a_claim_and_a_result_however_large_it_is(site, together):
    costs = []
    for number in (5, 50):
        for _ in range(number):
            put(site)
        ids = mark(site)
        with site.queries() as queries:
            assert deliver(site.registry, "test", ids) == [State.DONE] * number
        costs.append(len(queries))
    assert costs[0] == costs[1] <= 6, queries.statements


def test_those_of_a_batch_end_each_in_its_own_way(site, together):
    together.outcomes += ["id", Transient("busy"), ValueError("oops"), Permanent("never"), None]
    ids = [put(site) for _ in range(5)]
    expected = [State.DONE, State.RETRY, State.RETRY, State.DEAD, State.DONE]
    assert deliver(site.registry, "test", mark(site)) == expected
    assert states(site, ids) == expected
    assert row(site, ids[0]).provider_id == "id"
    assert row(site, ids[2]).last_error == "ValueError: oops"


def test_of_a_batch_those_are_claimed_that_nobody_else_has(site, together):
    ids = [put(site) for _ in range(4)]
    mark(site)
    change(site, ids[1], state=State.DONE)
    change(site, ids[2], state=State.PENDING)
    assert deliver(site.registry, "test", ids) == [State.DONE, State.DONE, None, None]
    assert [message.id for message in together.seen] == [ids[0], ids[3]]


def looking(site, ids):
    """Return a handler that notes how many of the messages are done when it is called, and what it notes."""
    seen = []
    return lambda message, registry: seen.append(states(site, ids).count(State.DONE)), seen


def test_each_result_is_written_before_the_next_message_where_a_repetition_does_harm(site, one_by_one):
    ids = [put(site) for _ in range(4)]
    handler, seen = looking(site, ids)
    with consumer(site, handler, "another"):
        change(site, consumer="another")
        deliver(site.registry, "another", mark(site, "another"))
    assert seen == [0, 1, 2, 3]


@pytest.mark.parametrize(("seconds", "expected"), [(60.0, [0, 0, 0, 0]), (-1.0, [0, 1, 2, 3])])
def test_results_are_kept_for_a_moment_at_most(site, together, monkeypatch, seconds, expected):
    monkeypatch.setattr(delivery, "WRITE_SECONDS", seconds)
    ids = [put(site) for _ in range(4)]
    handler, seen = looking(site, ids)
    with consumer(site, handler, "another", marked_together=lambda registry: True):
        change(site, consumer="another")
        deliver(site.registry, "another", mark(site, "another"))
    assert seen == expected


def fail(*_):
    raise sa.exc.OperationalError("UPDATE", {}, ConnectionError("gone"))


def test_where_a_result_cannot_be_written_what_was_not_begun_waits_for_no_lease(
    site, one_by_one, monkeypatch
):
    ids = [put(site) for _ in range(3)]
    marked = mark(site)
    with monkeypatch.context() as patch:
        patch.setattr(batches, "write_results", fail)
        with pytest.raises(sa.exc.OperationalError):
            deliver(site.registry, "test", marked)
    assert states(site, ids) == [State.RUNNING, State.PENDING, State.PENDING]
    assert site.deliver() == [State.DONE, State.DONE]


def test_results_that_could_not_be_written_are_written_the_next_time(site, together, monkeypatch):
    message_id = put(site)
    owner = new_owner()
    mark(site)
    held = Batch(
        site.registry,
        site.registry.outbox_consumers["test"],
        claim(site.registry, [message_id], owner),
        owner,
        None,
    )
    message = held.take()
    held.end(message, delivery.result(message.row, State.DONE))
    with monkeypatch.context() as patch:
        patch.setattr(batches, "write_results", fail)
        with pytest.raises(sa.exc.OperationalError):
            held.write()
    assert held.write()
    assert row(site, message_id).state == State.DONE


def test_where_a_lease_ran_out_the_rest_is_left_to_whoever_has_it_now(site, one_by_one):
    """As with a worker that stood still for longer than the lease."""
    ids = [put(site) for _ in range(3)]

    def sleep(message, registry):
        change(site, owner="another worker")

    with consumer(site, sleep, "another") as handler:
        change(site, consumer="another")
        assert deliver(site.registry, "another", mark(site, "another")) == [None]
    assert handler is sleep
    assert {row(site, message_id).owner for message_id in ids} == {"another worker"}


def test_what_waits_behind_others_for_long_is_given_back(site, one_by_one, monkeypatch):
    clock = iter([0.0, 0.0, 3.0, 6.0])
    ids = [put(site) for _ in range(4)]
    marked = mark(site)
    monkeypatch.setattr(delivery._Delivery, "_seconds", lambda self: next(clock))
    assert deliver(site.registry, "test", marked) == [State.DONE, State.DONE, State.DONE]
    assert states(site, ids) == [*[State.DONE] * 3, State.PENDING]


class Thread:
    """A thread of a worker that is told to stop."""

    def is_to_stop(self):
        return True


def test_a_thread_that_is_to_stop_gives_back_what_it_has_not_begun(site, one_by_one):
    ids = [put(site) for _ in range(3)]
    deliver(site.registry, "test", mark(site), Thread())
    assert one_by_one.seen == []
    kept = [row(site, message_id) for message_id in ids]
    assert [(each.state, each.attempts, each.owner) for each in kept] == [("pending", 0, None)] * 3


def test_where_a_batch_cannot_be_prepared_each_message_has_failed_once(site, caplog):
    def prepare(messages, registry):
        raise sa.exc.ProgrammingError("SELECT", {}, Exception("no such column"))

    with consumer(site, Handler(), prepare=prepare):
        put(site), put(site)
        assert site.deliver() == [State.RETRY, State.RETRY]
    assert "acme" in caplog.text


def test_where_the_database_is_away_meanwhile_none_has(site):
    def prepare(messages, registry):
        fail()

    with consumer(site, Handler(), prepare=prepare):
        ids = [put(site), put(site)]
        with pytest.raises(sa.exc.OperationalError):
            site.deliver()
    assert [(row(site, each).state, row(site, each).attempts) for each in ids] == [("pending", 0)] * 2
