"""The relay: in which order messages are published, how many at once, and what an idle one asks."""

from datetime import timedelta
from time import monotonic

import pytest

from scheduling.messaging import relay
from scheduling.messaging.consumers import Consumer
from scheduling.messaging.models import State
from scheduling.messaging.relay import Relay
from scheduling.messaging.worker import Worker
from scheduling.testing.processes import wait_for
from scheduling.times import utcnow
from tests.kit.messages import Handler, change, consumer, make_due, mark, put, row, working


@pytest.fixture(autouse=True)
def handler(site):
    # What other tests have taught of how long a message takes.
    site.registry.pace._seconds.pop("test", None)
    with consumer(site, Handler()) as handler:
        yield handler


def published(site, *, by=None):
    """Return what a round of the relay publishes: consumers and ids."""
    found = []
    (by or Relay(site.registry)).publish_due(lambda name, ids: found.append((name, ids)))
    return found


def test_a_flood_of_one_user_delays_nobody_else_by_more_than_a_batch(site):
    flood = [put(site, user_id=1) for _ in range(500)]
    single = put(site, user_id=2)
    batch = mark(site, limit=50)
    assert single in batch
    assert [message_id for message_id in batch if message_id != single] == flood[:49]


def test_those_of_a_flood_follow_each_other_at_once_where_nobody_else_waits(site):
    flood = [put(site, user_id=1) for _ in range(60)]
    assert mark(site) == flood


def test_what_comes_again_and_what_waits_share_the_room(site):
    again = [put(site) for _ in range(10)]
    for number, message_id in enumerate(again):
        due_at = utcnow() - timedelta(minutes=10 - number)
        change(site, message_id, state=State.RETRY, due_at=due_at)
    waiting = [put(site) for _ in range(10)]
    assert mark(site, limit=8) == again[:4] + waiting[:4]
    assert mark(site, limit=20) == again[4:] + waiting[4:]


@pytest.mark.parametrize(("chance", "is_again"), [(0, False), (1, True)])
def test_of_a_room_of_one_either_has_its_part(site, monkeypatch, chance, is_again):
    again, waiting = put(site), put(site)
    change(site, again, state=State.RETRY)
    monkeypatch.setattr(relay.random, "getrandbits", lambda bits: chance)
    assert mark(site, limit=1) == [again if is_again else waiting]
    assert mark(site, limit=1) == [waiting if is_again else again]


def test_what_a_worker_died_with_is_handed_out_alone(site):
    ids = [put(site) for _ in range(7)]
    past = utcnow() - timedelta(seconds=1)
    change(site, *ids[:4], state=State.RUNNING, owner="gone", attempts=1, lease_until=past, due_at=past)
    batches = [found for _, found in published(site)]
    assert sorted(batches[:4]) == sorted([message_id] for message_id in ids[:4])
    assert batches[4:] == [ids[4:]]


def test_a_message_that_kills_its_workers_takes_no_other_along(site, handler):
    deadly, *others = [put(site) for _ in range(5)]
    attempt = 0
    while row(site, deadly).state != State.DEAD:
        # The worker takes them all where it can, and dies with the first.
        for _, ids in published(site):
            if deadly in ids:
                past, attempt = utcnow() - timedelta(seconds=1), attempt + 1
                dead = {"state": State.RUNNING, "owner": "gone", "lease_until": past, "due_at": past}
                change(site, *ids, attempts=attempt, **dead)
                if attempt == 3:
                    make_due(site)
                    site.deliver()
                break
    assert {row(site, message_id).state for message_id in others} == {State.DONE}


def test_batches_are_as_large_as_messages_are_quick(site):
    pace, ids = site.registry.pace, [put(site) for _ in range(120)]
    pace._seconds["test"] = 0.001
    assert [len(found) for _, found in published(site)] == [50, 50, 20]
    change(site, *ids, state=State.PENDING, due_at=utcnow())
    pace._seconds["test"] = 2.0
    assert {len(found) for _, found in published(site)} == {1}
    del pace._seconds["test"]


@pytest.mark.parametrize(("seconds", "most"), [(2.0, 8), (0.05, 80), (0.001, 400)])
def test_no_more_is_published_than_threads_take_soon(site, seconds, most):
    site.registry.pace._seconds["test"] = seconds
    one = Relay(site.registry)
    for _ in range(most + 10):
        put(site)
    found = [published(site, by=one) for _ in range(3)]
    assert sum(len(ids) for batches in found for _, ids in batches) == most
    assert found[2] == []
    assert one.has_more, "it looks again soon: receivers may take them quickly"


def test_a_consumer_is_handed_what_it_has_room_for_and_then_left_alone(site):
    with consumer(site, Handler(), "narrow", room=lambda registry: 3):
        ids = [put(site, "narrow") for _ in range(5)]
        one = Relay(site.registry)
        assert published(site, by=one) == [("narrow", ids[:3])]
        assert published(site, by=one) == []
        assert published(site) == [("narrow", ids[3:])]


def test_consumers_share_a_room_in_the_order_of_their_registration(site):
    def room(registry):
        return 3

    with consumer(site, Handler(), "first", room=room), consumer(site, Handler(), "second", room=room):
        second = [put(site, "second") for _ in range(5)]
        first = [put(site, "first") for _ in range(2)]
        assert published(site) == [("first", first), ("second", second[:1])]


def test_a_full_room_costs_one_consumer_no_other_its_messages(site):
    with consumer(site, Handler(), "full", room=lambda registry: 0):
        put(site, "full")
        message_id = put(site)
        assert published(site) == [("test", [message_id])]


@pytest.mark.parametrize("number", [0, 20])
def test_an_idle_worker_asks_twice_a_second_at_most_however_many_consumers_there_are(
    site, number, monkeypatch
):
    consumers = site.registry.outbox_consumers
    for each in range(number):
        monkeypatch.setitem(consumers, f"idle-{each}", Consumer(Handler()))
    monkeypatch.setattr(site.registry, "housekeeping", {})
    rounds = []
    monkeypatch.setattr(
        relay, "has_due", lambda registry, ask=relay.has_due: rounds.append(monotonic()) or ask(registry)
    )
    with working(site):
        wait_for(lambda: len(rounds) >= 2)
        with site.queries() as queries:
            begun, seen = monotonic(), len(rounds)
            wait_for(lambda: len(rounds) >= seen + 3)
            seconds = monotonic() - begun
    assert len(queries) <= 2 * seconds + 1, queries.statements


def test_each_consumer_has_receivers_of_its_own(site):
    names = [thread.name for thread in Worker(site.registry, 2)._threads]
    assert names.count("relay") == 1
    for name in site.registry.outbox_consumers:
        assert {f"receiver-0 of {name}", f"receiver-1 of {name}"} <= set(names)


def test_a_consumer_leaves_the_room_to_the_one_to_which_it_yields(site):
    def room(registry):
        return 3

    with (
        consumer(site, Handler(), "urgent"),
        consumer(site, Handler(), "other", room=room, yields_to="urgent"),
    ):
        other = [put(site, "other") for _ in range(5)]
        urgent = put(site, "urgent")
        assert mark(site, "urgent") == [urgent], "as another worker's relay does"
        assert published(site) == [("other", other[:2])]
        change(site, urgent, state=State.RUNNING)
        assert published(site) == [("other", other[2:])]
