"""Busy sources, and how what they say is put together."""

from datetime import UTC, datetime, timedelta

import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationConflictError

from scheduling.db.session import session_scope
from scheduling_bookings.busy import OWN, Busy, add_busy_source, find_busy, merged, merged_by_user
from tests.kit.factories import BOOKING, book


def at(hour, minute=0):
    return datetime(2099, 1, 1, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], []),
        ([(8, 9), (10, 11)], [(8, 9), (10, 11)]),
        ([(10, 11), (8, 9)], [(8, 9), (10, 11)]),
        ([(8, 9), (9, 10)], [(8, 10)]),
        ([(8, 12), (9, 10), (11, 14)], [(8, 14)]),
        ([(8, 9), (8, 9)], [(8, 9)]),
        ([(1, 8), (17, 20)], [(6, 8), (17, 18)]),
        ([(1, 6), (18, 20), (2, 3)], []),
        ([(1, 23)], [(6, 18)]),
    ],
)
def test_spans_are_merged_where_they_overlap_or_touch_and_cut_to_the_window(spans, expected):
    found = merged([(at(start), at(end)) for start, end in spans], at(6), at(18))
    assert found == [(at(start), at(end)) for start, end in expected]


@pytest.fixture
def sources(site):
    """A function that adds a busy source for one test."""
    added = []

    def add(name, find):
        add_busy_source(Configurator(registry=site.registry, autocommit=True), name, find)
        added.append(name)

    yield add
    for name in added:
        site.registry.introspector.remove("busy sources", name)


@pytest.fixture
def calendar(sources):
    """Another busy source: from 12 to 13 o'clock, for the users that it is given."""
    users, asked = set(), []

    def find(db, user_ids, start, end):
        asked.append(list(user_ids))
        noon = at(12), at(13)
        overlaps = noon[0] < end and noon[1] > start
        return [(user_id, *noon, 999) for user_id in user_ids if user_id in users and overlaps]

    sources("calendar", find)
    find.users, find.asked = users, asked
    return find


@pytest.mark.parametrize(
    ("whose", "start", "end"), [(1, 12, 12), (1, 11, 12), (1, 13, 14), (2, 12, 13), (1, 12.5, 12.5)]
)
def test_what_a_source_gives_beyond_what_it_was_asked_for_refuses_nothing(site, sources, whose, start, end):
    day = at(0)
    sources("sloppy", lambda *_: [(whose, day + timedelta(hours=start), day + timedelta(hours=end))])
    with session_scope(site.registry) as db:
        assert find_busy(db, [1], at(12), at(13)) == []


def test_every_source_is_asked_once_for_all_users(site, calendar):
    alice, bob = site.user("Alice"), site.user("Bob")
    calendar.users.update({alice.id, bob.id})
    booking = book(alice)
    with session_scope(site.registry) as db, site.queries() as queries:
        found = find_busy(db, [alice.id, bob.id], at(9), at(18))
    assert set(found) == {
        Busy(alice.id, at(10), at(11), booking["id"]),
        # A booking that another source names may be somebody else's.
        Busy(alice.id, at(12), at(13)),
        Busy(bob.id, at(12), at(13)),
    }
    assert calendar.asked == [[alice.id, bob.id]]
    assert len(queries.statements) == 1
    with session_scope(site.registry) as db:
        spans = merged_by_user(db, [bob.id, alice.id], at(9), at(18))
    assert spans == {bob.id: [(at(12), at(13))], alice.id: [(at(10), at(11)), (at(12), at(13))]}


def test_a_time_is_refused_for_whatever_reason_its_owner_is_busy(site, calendar):
    alice = site.user("Alice")
    calendar.users.add(alice.id)
    times = {"start": "2099-01-01T11:30:00Z", "end": "2099-01-01T12:30:00Z"}
    refused = alice.post("/bookings", BOOKING | times | {"on_conflict": "reject"}, status=409)
    noon = {"start_time": "2099-01-01T12:00:00.000Z", "end_time": "2099-01-01T13:00:00.000Z"}
    assert refused.json["conflicts"] == [noon]
    alice.post("/bookings", BOOKING | {"on_conflict": "reject"}, status=201)


def test_two_sources_of_one_name_stop_the_start():
    config = Configurator()
    config.add_directive("add_busy_source", add_busy_source)

    def one(config):
        config.add_busy_source(OWN, lambda *_: [])

    def another(config):
        config.add_busy_source(OWN, lambda *_: [])

    config.include(one)
    config.include(another)
    with pytest.raises(ConfigurationConflictError):
        config.commit()


def test_the_first_and_the_last_moments_that_there_are_can_be_asked_for(site):
    alice = site.user("Alice")
    book(alice)
    earliest, latest = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    with session_scope(site.registry) as db:
        assert len(find_busy(db, [alice.id], earliest, latest)) == 1
        assert find_busy(db, [alice.id], earliest, earliest + timedelta(days=1)) == []
        assert find_busy(db, [], earliest, latest) == []
