"""The breakdown shows some types by name and all others in one row, and every figure of it is exact."""

from collections import defaultdict
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.times import utcnow
from scheduling_analytics import dashboard, others, rollups
from scheduling_analytics.models import analytics_events as events

MOST = 3
USERS = (1, 2, 3, 4)

facts = st.tuples(
    st.sampled_from([*"abcdefgh", "OTHER"]),
    st.sampled_from([None, *USERS]),
    st.integers(0, 40),  # days ago
)
steps = st.one_of(
    st.tuples(st.just("record"), st.lists(facts, min_size=1, max_size=8)),
    st.tuples(st.just("record"), st.lists(facts, min_size=1, max_size=8)),
    st.tuples(st.just("fold"), st.integers(1, 20)),
    st.tuples(st.just("delete"), st.integers(0, 10)),
)


class History:
    """Events in the database, and the same in a list."""

    def __init__(self, site):
        site.clear()
        self.registry = site.registry
        self.events = []
        self.write(
            sa.insert(users),
            [{"id": i, "name": "N", "email": f"{i}@example.com", "password_hash": "x"} for i in USERS],
        )

    def write(self, statement, parameters=None):
        with session_scope(self.registry) as db:
            return db.write(statement, parameters)

    def record(self, rows):
        now = utcnow().replace(microsecond=0) - timedelta(minutes=5)
        first = self.events[-1]["id"] + 1 if self.events else 1
        new = [
            {"id": first + i, "event_type": kind, "user_id": user, "created_at": now - timedelta(days=ago)}
            for i, (kind, user, ago) in enumerate(rows)
        ]
        self.write(sa.insert(events), [{**row, "metadata": {}} for row in new])
        self.events += new

    def delete(self, place):
        if place < len(self.events):
            self.write(sa.delete(events).where(events.c.id == self.events.pop(place)["id"]))

    def fold(self, batch):
        with session_scope(self.registry) as db:
            if rollups.has_rollups(db):
                rollups.fold(db, batch)

    def expected(self, days):
        """The dashboard, counted from the list."""
        since = utcnow() - timedelta(days=days)
        recent = [event for event in self.events if event["created_at"] >= since]
        by_type = defaultdict(list)
        for event in recent:
            by_type[event["event_type"]].append(event)
        named = sorted(by_type.keys() - {"OTHER"}, key=lambda kind: (-len(by_type[kind]), kind))
        rows = [row(kind, by_type[kind]) for kind in named[:MOST]]
        rest = [event for event in recent if event["event_type"] not in named[:MOST]]
        if rest:
            rows.append(row("OTHER", rest))
        overview = {
            "total_events": len(recent),
            "unique_users": len({event["user_id"] for event in recent} - {None}),
            "event_types": len(by_type),
        }
        return overview, sorted(rows, key=lambda row: -row["count"])

    def shown(self, days):
        with session_scope(self.registry) as db:
            told = dashboard.read(db, days)
        return told["overview"], told["breakdown"]


def row(event_type, happened):
    moments = [event["created_at"] for event in happened]
    return {
        "event_type": event_type,
        "count": len(happened),
        "unique_users": len({event["user_id"] for event in happened} - {None}),
        "first_event": min(moments),
        "last_event": max(moments),
    }


@pytest.fixture
def few_shown(monkeypatch):
    monkeypatch.setattr(others, "MAX_TYPES", MOST)


@given(st.lists(steps, max_size=12))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_what_is_shown_says_what_the_events_say(site, few_shown, happened):
    history = History(site)
    for name, *arguments in happened:
        getattr(history, name)(*arguments)
    for days in (1, 30, 366):
        assert history.shown(days) == history.expected(days)
    history.fold(rollups.BATCH)
    assert history.shown(30) == history.expected(30)


def test_at_most_100_types_are_shown_and_one_row_for_all_others(site):
    history = History(site)
    types = [f"type {n:03}" for n in range(150)]
    history.record([(name, USERS[n % 2], 1) for n, name in enumerate(types)] + [("type 149", None, 1)])
    for _ in range(2):
        with session_scope(site.registry) as db:
            told = dashboard.read(db, 30)
        assert told["overview"] == {"total_events": 151, "unique_users": 2, "event_types": 150}
        assert len(told["breakdown"]) == 101
        assert sum(row["count"] for row in told["breakdown"]) == 151
        other, first = told["breakdown"][:2]
        assert (other["event_type"], other["count"], other["unique_users"]) == ("OTHER", 50, 2)
        assert (first["event_type"], first["count"]) == ("type 149", 2)
        history.fold(rollups.BATCH)


def test_clients_cannot_hide_the_systems_own_types(site, few_shown):
    history = History(site)
    history.record([(kind, None, 1) for kind in "abcdef" for _ in range(2)] + [("LOGIN_FAILED", None, 1)])
    _, told = history.shown(30)
    assert [(row["event_type"], row["count"]) for row in told] == [
        *(("OTHER", 8), ("a", 2), ("b", 2), ("LOGIN_FAILED", 1))
    ]


@pytest.mark.parametrize("site_kind", ["postgresql"], indirect=True, scope="session")
def test_the_users_of_the_other_types_are_not_counted_from_the_events(site, few_shown):
    history = History(site)
    history.record([(kind, user, 1) for kind in "abcdefgh" for user in USERS])
    for _ in range(2):
        with site.queries() as queries:
            assert history.shown(30) == history.expected(30)
        assert not any("count(DISTINCT" in statement for statement in queries.statements)
        history.fold(rollups.BATCH)
