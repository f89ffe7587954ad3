"""Whatever happened, and however much of it is folded, the dashboard says what the events say."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling_analytics import dashboard, partitions, rollups
from scheduling_analytics.models import ALL_TYPES
from scheduling_analytics.models import analytics_events as events

NOW = datetime(2027, 3, 15, 10, 20, 30, 123456, tzinfo=UTC)
EDGES = [datetime(2027, 3, 15, 10, 20, tzinfo=UTC), datetime(2027, 3, 15, 10, tzinfo=UTC)]
EDGES += [datetime(2027, 3, 1, tzinfo=UTC), rollups.ORIGIN + timedelta(days=330 * 30)]
USERS = (1, 2, 3)

near_edges = st.builds(
    lambda edge, off: edge + timedelta(microseconds=off), st.sampled_from(EDGES), st.integers(-1, 1)
)
recent = st.builds(lambda seconds: NOW - timedelta(seconds=seconds), st.integers(0, 7200))
within_a_year = st.builds(lambda minutes: NOW - timedelta(minutes=minutes), st.integers(0, 366 * 1440))
anywhen = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
moments = recent | near_edges | within_a_year | anywhen
facts = st.fixed_dictionaries(
    {
        "event_type": st.sampled_from(["LOGIN", "SEARCH", "", "*"]),
        "user_id": st.sampled_from([None, *USERS]),
        "created_at": moments,
    }
)
places = st.integers(0, 10)
steps = st.one_of(
    st.tuples(st.just("record"), st.lists(facts, min_size=1, max_size=6)),
    st.tuples(st.just("record"), st.lists(facts, min_size=1, max_size=6)),
    st.tuples(st.just("change"), places, st.sampled_from(["event_type", "user_id", "created_at"]), facts),
    st.tuples(st.just("touch"), places),
    st.tuples(st.just("delete"), places),
    st.tuples(st.just("forget_user"), st.sampled_from(USERS)),
    st.tuples(st.just("fold"), st.integers(1, 5)),
    st.tuples(st.just("fold"), st.just(rollups.BATCH)),
    st.tuples(st.just("rebuild")),
    st.tuples(st.just("truncate")),
    st.tuples(st.just("partition"), within_a_year),
    st.tuples(st.just("retire"), within_a_year),
    st.tuples(st.just("look"), moments),
)


class History:
    """What happens to the events in the database, and the same in a list."""

    def __init__(self, site):
        site.clear()
        self.registry = site.registry
        self.postgres = site.registry.engine.dialect.name == "postgresql"
        self.events = []
        self.kept_since = datetime(1, 1, 1, tzinfo=UTC)
        for user_id in USERS:
            self.add_user(user_id)

    def write(self, statement, parameters=None):
        with session_scope(self.registry) as db:
            return db.write(statement, parameters)

    def add_user(self, user_id):
        self.write(sa.insert(users).values(id=user_id, name="N", email=f"{user_id}@x.org", password_hash="x"))

    def record(self, rows):
        first = self.events[-1]["id"] + 1 if self.events else 1
        new = [{"id": first + i, **row} for i, row in enumerate(rows)]
        self.write(sa.insert(events), [{**row, "metadata": {}} for row in new])
        self.events += new

    def change(self, place, name, row):
        if place < len(self.events):
            self.events[place][name] = row[name]
            self.write(sa.update(events).where(self.is_at(place)).values({name: row[name]}))

    def touch(self, place):
        if place < len(self.events):
            self.write(sa.update(events).where(self.is_at(place)).values(metadata={"seen": True}))

    def delete(self, place):
        if place < len(self.events):
            self.write(sa.delete(events).where(self.is_at(place)))
            del self.events[place]

    def is_at(self, place):
        return events.c.id == self.events[place]["id"]

    def forget_user(self, user_id):
        self.write(sa.delete(users).where(users.c.id == user_id))
        self.add_user(user_id)
        for event in self.events:
            if event["user_id"] == user_id:
                event["user_id"] = None

    def fold(self, batch):
        if self.postgres:
            with session_scope(self.registry) as db:
                assert rollups.fold(db, batch)

    def rebuild(self):
        if self.postgres:
            with session_scope(self.registry) as db:
                rollups.rebuild(db)

    def truncate(self):
        self.write(sa.text("TRUNCATE analytics_events") if self.postgres else sa.delete(events))
        self.events.clear()

    def partition(self, moment):
        """Make the first partition that lacks since then."""
        if self.postgres:
            with session_scope(self.registry) as db:
                partitions.make_one(db, NOW, moment)

    def retire(self, before):
        """Remove what is older, as where the retention ends there."""
        self.kept_since = max(self.kept_since, before)
        with session_scope(self.registry) as db:
            if self.postgres:
                while partitions.drop_one(db, before) or partitions.delete_strays(db, before):
                    pass
                assert rollups.trim(db, before) is False
            left = {row.id for row in db.rows(sa.select(events.c.id))}
        assert all(event["created_at"] < before for event in self.events if event["id"] not in left)
        self.events = [event for event in self.events if event["id"] in left]

    def expected(self, since):
        by_type = defaultdict(list)
        for event in self.events:
            if event["created_at"] >= since:
                by_type[event["event_type"]].append(event)
        moments = {key: [event["created_at"] for event in happened] for key, happened in by_type.items()}
        people = {key: {event["user_id"] for event in happened} for key, happened in by_type.items()}
        rows = {(k, len(m), len(people[k] - {None}), min(m), max(m)) for k, m in moments.items()}
        everybody = set().union(*people.values()) - {None}
        return rows | ({(ALL_TYPES, 0, len(everybody), None, None)} if everybody else set())

    def look(self, moment):
        since = max(moment, self.kept_since)
        with session_scope(self.registry) as db:
            counted = dashboard.count_by_rollups(db, since) if self.postgres else []
            scanned = dashboard.count_events(db, since)
        assert answer(scanned) == self.expected(since)
        if self.postgres:
            assert answer(counted) == self.expected(since)

    def fold_all(self):
        with session_scope(self.registry) as db:
            if rollups.is_rebuild_due(db):
                rollups.rebuild(db)
            while rollups.count_pending(db):
                rollups.fold(db)


def answer(rows):
    """Return the rows, leaving out what the rollups have for types without an event."""
    return {tuple(row[:5]) for row in rows if row.events or row.users}


@given(st.lists(steps, max_size=25), st.lists(moments, min_size=1, max_size=4))
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_dashboard_says_what_the_events_say(site, happened, looks):
    history = History(site)
    for name, *arguments in happened:
        getattr(history, name)(*arguments)
    for since in looks:
        history.look(since)
    if history.postgres:
        history.fold_all()
        for since in (max(moment, history.kept_since) for moment in [*looks, *EDGES]):
            with session_scope(history.registry) as db:
                rows = db.rows(dashboard.rollups_read, {"since": since, **dashboard.edges(since)})
            assert not any(row.is_corrected or row.pending for row in rows)
            assert answer(rows) == history.expected(since)


@pytest.mark.parametrize("since", [NOW, *EDGES])
def test_the_buckets_that_are_read_begin_where_the_smaller_ones_end(since):
    edges = list(dashboard.edges(since).values())
    assert edges == sorted(edges)
    assert edges[0] - since < timedelta(minutes=1)
    for minutes, edge in zip(rollups.SIZES, edges, strict=True):
        assert (edge - rollups.ORIGIN) % timedelta(minutes=minutes) == timedelta(0)
    for minutes, edge, following in zip(rollups.SIZES[1:], edges, edges[1:], strict=False):
        assert following - edge < timedelta(minutes=minutes)
