"""Moments and spans as people read them, in zones with odd rules and on both sides of a change of clocks."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.email.moments import format_moment, format_span, same_clock
from scheduling.times import zone_names


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


SPANS = {
    # zone, start and end in UTC, what is shown
    "summer": (
        "Europe/Berlin",
        "2027-04-01T07:00",
        "2027-04-01T07:30",
        "Thu 1 April 2027, 09:00–09:30 CEST (UTC+2)",
    ),
    "UTC": ("UTC", "2027-04-01T07:00", "2027-04-01T07:30", "Thu 1 April 2027, 07:00–07:30 UTC"),
    "another name of UTC": (
        "Etc/Zulu",
        "2027-04-01T07:00",
        "2027-04-01T07:30",
        "Thu 1 April 2027, 07:00–07:30 UTC",
    ),
    "GMT": (
        "Europe/London",
        "2027-01-04T07:00",
        "2027-01-04T07:30",
        "Mon 4 January 2027, 07:00–07:30 GMT (UTC+0)",
    ),
    "no abbreviation": (
        "Asia/Kathmandu",
        "2027-04-01T03:15",
        "2027-04-01T03:45",
        "Thu 1 April 2027, 09:00–09:30 (UTC+5:45)",
    ),
    "over midnight": (
        "Europe/Berlin",
        "2027-04-01T21:30",
        "2027-04-01T22:30",
        "Thu 1 April 2027, 23:30 – Fri 2 April 2027, 00:30 CEST (UTC+2)",
    ),
    "clocks forward": (
        "Europe/Berlin",
        "2027-03-28T00:30",
        "2027-03-28T01:30",
        "Sun 28 March 2027, 01:30 CET (UTC+1) – 03:30 CEST (UTC+2)",
    ),
    "clocks back": (
        "Europe/Berlin",
        "2027-10-31T00:30",
        "2027-10-31T01:30",
        "Sun 31 October 2027, 02:30 CEST (UTC+2) – 02:30 CET (UTC+1)",
    ),
    "days around a change": (
        "America/New_York",
        "2027-11-06T16:00",
        "2027-11-07T17:00",
        "Sat 6 November 2027, 12:00 EDT (UTC-4) – Sun 7 November 2027, 12:00 EST (UTC-5)",
    ),
    "half an hour forward": (
        "Australia/Lord_Howe",
        "2027-10-02T15:00",
        "2027-10-02T16:00",
        "Sun 3 October 2027, 01:30 (UTC+10:30) – 03:00 (UTC+11)",
    ),
    "half an hour back": (
        "Australia/Lord_Howe",
        "2027-04-03T14:45",
        "2027-04-03T15:15",
        "Sun 4 April 2027, 01:45 (UTC+11) – 01:45 (UTC+10:30)",
    ),
    "Ramadan begins": (
        "Africa/Casablanca",
        "2027-02-07T01:30",
        "2027-02-07T02:30",
        "Sun 7 February 2027, 02:30 (UTC+1) – 02:30 (UTC+0)",
    ),
    "Ramadan is over": (
        "Africa/Casablanca",
        "2027-03-14T01:30",
        "2027-03-14T02:30",
        "Sun 14 March 2027, 01:30 (UTC+0) – 03:30 (UTC+1)",
    ),
    "a day that never was": (
        "Pacific/Apia",
        "2011-12-30T09:30",
        "2011-12-30T10:30",
        "Thu 29 December 2011, 23:30 (UTC-10) – Sat 31 December 2011, 00:30 (UTC+14)",
    ),
    "two hours at once": (
        "Antarctica/Troll",
        "2027-03-28T00:30",
        "2027-03-28T01:30",
        "Sun 28 March 2027, 00:30 (UTC+0) – 03:30 (UTC+2)",
    ),
    "the sun's time": (
        "Asia/Kathmandu",
        "1900-01-01T12:00",
        "1900-01-01T12:30",
        "Mon 1 January 1900, 17:41:16–18:11:16 LMT (UTC+5:41:16)",
    ),
    "three digits": ("UTC", "0999-01-01T12:00", "0999-01-01T12:30", "Tue 1 January 0999, 12:00–12:30 UTC"),
    "before the first year": (
        "America/New_York",
        "0001-01-01T00:00",
        "0001-01-01T00:30",
        "Mon 1 January 0001, 00:00–00:30 UTC",
    ),
    "after the last": (
        "Asia/Tokyo",
        "9999-12-31T14:30",
        "9999-12-31T15:30",
        "Fri 31 December 9999, 14:30–15:30 UTC",
    ),
    "an unknown zone": (
        "Europe/Atlantis",
        "2027-04-01T07:00",
        "2027-04-01T07:30",
        "Thu 1 April 2027, 07:00–07:30 UTC",
    ),
    "a folder": ("Europe", "2027-04-01T07:00", "2027-04-01T07:30", "Thu 1 April 2027, 07:00–07:30 UTC"),
    "a path": (
        "../../etc/passwd",
        "2027-04-01T07:00",
        "2027-04-01T07:30",
        "Thu 1 April 2027, 07:00–07:30 UTC",
    ),
    "no zone": ("", "2027-04-01T07:00", "2027-04-01T07:30", "Thu 1 April 2027, 07:00–07:30 UTC"),
    "seconds": ("UTC", "2027-04-01T07:00:05", "2027-04-01T07:30", "Thu 1 April 2027, 07:00:05–07:30 UTC"),
}


@pytest.mark.parametrize("case", SPANS)
def test_spans(case):
    zone, start, end, shown = SPANS[case]
    assert format_span(utc(start), utc(end), zone) == shown


def test_a_moment():
    assert format_moment(utc("2027-04-01T07:00"), "Europe/Berlin") == "Thu 1 April 2027, 09:00 CEST (UTC+2)"
    assert format_moment(datetime(2027, 4, 1, 7), "UTC") == "Thu 1 April 2027, 07:00 UTC"  # noqa: DTZ001


def test_two_zones_may_have_the_same_clock_at_one_moment_and_not_at_another():
    summer, winter = utc("2027-07-01T07:00"), utc("2027-01-01T07:00")
    assert same_clock("Europe/Berlin", "Africa/Johannesburg", summer)
    assert not same_clock("Europe/Berlin", "Africa/Johannesburg", summer, winter)
    assert same_clock("UTC", "Europe/Atlantis", summer, winter)


MONTHS = [f"{datetime(2027, month, 1, tzinfo=UTC):%B}" for month in range(1, 13)]
MOMENT = re.compile(
    r"(?:(?P<day>[A-Z][a-z]{2}) (?P<date>\d+) (?P<month>[A-Z][a-z]+) (?P<year>\d{4}), )?"
    r"(?P<time>\d\d:\d\d(?::\d\d)?)"
    r"(?: (?:[A-Za-z]+ )?\(UTC(?P<offset>[+-]\d+(?::\d\d){0,2})\)| UTC)?"
)


def read(span: str) -> list[datetime]:
    """Read what is shown back; what the end does not say again is as at the start, and the other way."""
    parts = [match.groupdict() for match in map(MOMENT.fullmatch, re.split(" – |–", span)) if match]
    assert len(parts) in (1, 2), span
    moments = []
    for part in parts:
        dated = part if part["day"] else parts[0]
        day = datetime(int(dated["year"]), MONTHS.index(dated["month"]) + 1, int(dated["date"]))  # noqa: DTZ001
        assert f"{day:%a}" == dated["day"]
        hours = [int(number) for number in part["time"].split(":")]
        offset = part["offset"] or parts[-1]["offset"] or "+0"
        values = dict(zip(("hours", "minutes", "seconds"), map(int, offset[1:].split(":")), strict=False))
        zone = timezone(timedelta(**values) * (-1 if offset[0] == "-" else 1))
        moments.append(day.replace(hour=hours[0], minute=hours[1], second=[*hours, 0][2], tzinfo=zone))
    return moments


moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
near_now = st.datetimes(datetime(1970, 1, 1), datetime(2040, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(second=0, microsecond=0, tzinfo=UTC)
)


@given(
    moments | near_now, st.timedeltas(timedelta(), timedelta(hours=30)), st.sampled_from(sorted(zone_names()))
)
def test_what_is_shown_reads_back_as_the_same_moments(start, length, zone):
    end = start + timedelta(minutes=length // timedelta(minutes=1))
    assert read(format_span(start, end, zone)) == [start, end]
    assert read(format_moment(start, zone)) == [start]
