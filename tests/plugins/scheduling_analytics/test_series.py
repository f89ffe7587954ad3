"""``GET /analytics/series``: counts over time."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduling.db.session import session_scope
from scheduling.times import format_timestamp, utcnow
from scheduling_analytics import dashboard, housekeeping, rollups, series
from scheduling_analytics.event_types import OTHER
from scheduling_analytics.models import analytics_events as events
from scheduling_analytics.others import MAX_TYPES

DAY = datetime(2027, 3, 15, tzinfo=UTC)


@pytest.fixture
def alice(site):
    client = site.user()
    write(site, sa.delete(events))
    return client


def write(site, statement, rows=None):
    with session_scope(site.registry) as db:
        db.write(statement, rows)


def happened(site, *moments, event_type="VIEW"):
    rows = [{"event_type": event_type, "metadata": {}, "created_at": moment} for moment in moments]
    write(site, sa.insert(events), rows)


def counts(client, query):
    rows = client.get(f"/analytics/series?{query}", status=200).json
    assert all(row.keys() == {"at", "event_type", "count"} for row in rows)
    return [tuple(row.values()) for row in rows]


def test_events_are_counted_by_hour_and_by_day_in_utc(site, alice):
    happened(site, *(DAY + timedelta(minutes=minutes) for minutes in (-1, 0, 59, 60, 24 * 60)))
    window = "from=2027-03-14T00:00:00Z&to=2027-03-17T00:00:00Z"
    assert counts(alice, f"interval=hour&{window}") == [
        ("2027-03-14T23:00:00.000Z", "VIEW", 1),
        ("2027-03-15T00:00:00.000Z", "VIEW", 2),
        ("2027-03-15T01:00:00.000Z", "VIEW", 1),
        ("2027-03-16T00:00:00.000Z", "VIEW", 1),
    ]
    days = [("2027-03-14", 1), ("2027-03-15", 3), ("2027-03-16", 1)]
    expected = [(f"{day}T00:00:00.000Z", "VIEW", count) for day, count in days]
    assert counts(alice, f"interval=day&{window}") == counts(alice, window) == expected


def test_types_are_in_the_order_of_their_bytes_and_one_can_be_asked_for(site, alice):
    for event_type in ("b", "B", "é", "a"):
        happened(site, DAY, event_type=event_type)
    window = "from=2027-03-15T00:00:00Z&to=2027-03-16T00:00:00Z"
    assert [row[1] for row in counts(alice, window)] == ["B", "a", "b", "é"]
    assert [row[1] for row in counts(alice, f"{window}&event_type=B")] == ["B"]
    assert counts(alice, f"{window}&event_type=none") == []


def test_the_window_is_half_open_and_counts_whole_intervals(site, alice):
    happened(site, DAY, DAY + timedelta(hours=23), DAY + timedelta(days=1))
    one = [("2027-03-15T00:00:00.000Z", "VIEW", 2)]
    assert counts(alice, "from=2027-03-15T00:00:00Z&to=2027-03-16T00:00:00Z") == one
    assert counts(alice, "from=2027-03-15T11:00:00Z&to=2027-03-15T12:00:00Z") == one
    assert counts(alice, "from=2027-03-15T13:00:00%2B02:00&to=2027-03-15T12:00:00Z") == one
    assert len(counts(alice, "from=2027-03-15T00:00:00Z&to=2027-03-16T00:00:00.001Z")) == 2


@pytest.mark.parametrize(("query", "seen"), [("interval=hour", 1), ("interval=day", 2), ("", 2)])
def test_without_a_window_it_is_the_last_day_or_the_last_thirty(site, alice, query, seen):
    happened(site, *(utcnow() - timedelta(days=days) for days in (0, 10, 40)))
    assert sum(count for *_, count in counts(alice, query)) == seen


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("interval=week", "interval"),
        ("from=yesterday", "from"),
        ("to=2027-03-15", "to"),
        (f"event_type={'x' * 101}", "event_type"),
        ("from=2027-03-15T00:00:00Z&to=2027-03-15T00:00:00Z", "to"),
        ("from=2999-01-01T00:00:00Z", "from"),
        ("from=2001-01-01T00:00:00Z", "from"),
        ("from=2026-01-01T00:00:00Z&to=2027-01-02T00:00:00.001Z", "from"),
        ("interval=hour&from=2027-01-01T00:00:00Z&to=2027-02-01T00:00:00.001Z", "from"),
        ("from=9999-12-31T00:00:00Z&to=9999-12-31T23:59:59Z", "to"),
        ("to=0001-01-01T00:00:00Z", "to"),
    ],
)
def test_a_wrong_parameter_is_a_400_that_names_it(alice, query, field):
    assert list(alice.get(f"/analytics/series?{query}", status=400).json["errors"]) == [field]


@pytest.mark.parametrize(
    "query",
    [
        "interval=hour&from=2027-01-01T00:00:00Z&to=2027-02-01T00:00:00Z",
        "from=2026-01-01T00:00:00Z&to=2027-01-02T00:00:00Z",
        "to=9999-12-31T23:59:59Z",
        "from=0001-01-01T00:00:00Z&to=0001-01-02T00:00:00Z",
    ],
)
def test_the_longest_windows_and_the_ends_of_the_calendar_are_answered(alice, query):
    assert counts(alice, query) == []


moments = st.builds(
    lambda minutes: DAY + timedelta(minutes=minutes), st.integers(-3 * 1440, 3 * 1440)
) | st.builds(
    lambda hours, off: DAY + timedelta(hours=hours, microseconds=off), st.integers(-9, 9), st.integers(-1, 1)
)


@given(
    st.lists(
        st.tuples(moments, st.sampled_from("ab"), st.sampled_from(["folded", "noted", "deleted"])),
        max_size=12,
    ),
    moments,
    moments,
    st.sampled_from(["hour", "day"]),
    st.sampled_from([None, "a"]),
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_series_says_what_the_events_say_however_much_is_folded(
    site, happening, one, other, interval, only
):
    write(site, sa.delete(events))
    for state in ("deleted", "folded", "noted"):
        for moment, event_type, how in happening:
            if how == state:
                happened(site, moment, event_type=event_type)
        if state != "noted" and rollups_are_there(site):
            fold(site)
        if state == "deleted":
            write(site, sa.delete(events))
    since, until = min(one, other), max(one, other) + timedelta(microseconds=1)
    expected = Counter(
        (series.beginning(interval, moment), event_type)
        for moment, event_type, how in happening
        if how != "deleted"
        and only in (None, event_type)
        and series.beginning(interval, since) <= moment
        and series.beginning(interval, moment) < until
    )
    sent = {"interval": interval, "window_start": since, "window_end": until}
    with session_scope(site.registry) as db:
        rows = series.read(db, sent | ({"event_type": only} if only else {}))
    assert [((row["at"], row["event_type"]), row["count"]) for row in rows] == sorted(expected.items())


def rollups_are_there(site):
    return site.registry.engine.dialect.name == "postgresql"


def fold(site):
    while housekeeping.fold(site.registry):
        pass


def test_a_hundred_types_are_told_by_name_the_systems_own_first_and_others_together(site, alice):
    happened(site, DAY, event_type="LOGIN")
    # An event of the system's own that is not in the window takes nobody's place.
    happened(site, DAY + timedelta(days=3), event_type="LOGIN_FAILED")
    for number in range(MAX_TYPES + 1):
        happened(site, DAY, DAY + timedelta(hours=1), event_type=f"type-{number:03}")
    happened(site, DAY + timedelta(hours=1), event_type="type-000")
    happened(site, DAY, event_type=OTHER)
    window = "interval=hour&from=2027-03-15T00:00:00Z&to=2027-03-15T02:00:00Z"
    rows = counts(alice, window)
    assert rows == sorted(rows)
    told = {name for _, name, _ in rows}
    assert told == {"LOGIN", OTHER, *(f"type-{number:03}" for number in range(MAX_TYPES - 1))}
    assert [count for _, name, count in rows if name == OTHER] == [3, 2]
    assert len(counts(alice, f"{window}&event_type=type-100")) == 2


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("from=2027-03-15T00:00:00Z&to=2027-03-15T00:00:00Z", "to must be after from"),
        ("from=2999-01-01T00:00:00Z", "from must be in the past, or send to as well"),
        ("to=0001-01-01T00:00:00Z", "to is too early"),
        ("from=2026-01-01T00:00:00Z&to=2028-01-02T00:00:00Z", "the window may have at most 366 days"),
    ],
)
def test_a_wrong_window_is_told_in_a_sentence(alice, query, sentence):
    assert alice.get(f"/analytics/series?{query}", status=400).json["error"] == sentence


def test_what_nobody_has_counted_yet_is_counted_by_its_events(site, alice):
    if not rollups_are_there(site):
        pytest.skip("SQLite counts the events always")
    happened(site, DAY)
    fold(site)
    write(site, sa.text("TRUNCATE analytics_events"))
    assert counts(alice, "from=2027-03-15T00:00:00Z&to=2027-03-16T00:00:00Z") == []


def test_who_reads_many_notes_folds_them(site, alice):
    if not rollups_are_there(site):
        pytest.skip("SQLite has no notes")
    fold(site)
    happened(site, *[DAY] * (dashboard.MAX_PENDING + 1))
    query = "from=2027-03-15T00:00:00Z&to=2027-03-16T00:00:00Z"
    before = counts(alice, query)
    with session_scope(site.registry) as db:
        assert rollups.count_pending(db) == 0
    assert counts(alice, query) == before == [(format_timestamp(DAY), "VIEW", dashboard.MAX_PENDING + 1)]
