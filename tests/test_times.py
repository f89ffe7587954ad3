from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.times import format_timestamp, parse_timestamp, utcnow

OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# A day from either end of the calendar, so that the moment exists in UTC whatever the offset.
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=OFFSETS)  # noqa: DTZ001
TIMESTAMP_LIKE = st.from_regex(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{0,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})?",
    fullmatch=True,
)


def cut_to_milliseconds(moment):
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def parsed_or_refused(text):
    try:
        return parse_timestamp(text)
    except ValueError:
        return None


@given(MOMENTS)
def test_what_is_written_is_read_back_to_the_millisecond(moment):
    read = parse_timestamp(format_timestamp(moment))
    assert read == cut_to_milliseconds(moment.astimezone(UTC))
    assert read.utcoffset() == timedelta(0)
    assert format_timestamp(read) == format_timestamp(moment)


@given(MOMENTS)
def test_a_moment_is_written_in_utc_with_milliseconds_in_24_characters(moment):
    text = format_timestamp(moment)
    assert len(text) == 24
    assert (text[10], text[19], text[-1]) == ("T", ".", "Z")
    assert datetime.fromisoformat(text) == cut_to_milliseconds(moment)


@given(MOMENTS, st.sampled_from(["T", "t", " "]))
def test_an_offset_moves_the_moment_to_utc(moment, separator):
    assert parse_timestamp(moment.isoformat(separator)) == cut_to_milliseconds(moment)


@given(st.datetimes())
def test_a_timestamp_without_an_offset_is_utc(naive):
    assert parse_timestamp(naive.isoformat()) == cut_to_milliseconds(naive.replace(tzinfo=UTC))


@given(st.datetimes(timezones=st.just(UTC)), st.text("0123456789", min_size=1, max_size=30))
def test_a_fraction_of_any_length_is_cut_to_milliseconds(moment, digits):
    whole = moment.replace(microsecond=0)
    read = parse_timestamp(f"{whole.date()}T{whole:%H:%M:%S}.{digits}Z")
    assert read == whole.replace(microsecond=int(digits[:3].ljust(3, "0")) * 1000)


@given(
    st.one_of(st.text(), TIMESTAMP_LIKE, st.builds("".join, st.lists(st.sampled_from("0123456789-:TZ+. \n"))))
)
def test_any_text_is_a_moment_in_utc_or_a_value_error(text):
    moment = parsed_or_refused(text)
    assert moment is None or (moment.utcoffset() == timedelta(0) and moment.microsecond % 1000 == 0)


@given(MOMENTS, st.text(min_size=1))
def test_nothing_may_stand_before_or_after_a_timestamp(moment, more):
    text = format_timestamp(moment)
    assert parsed_or_refused(more + text) is None
    assert parsed_or_refused(text + more) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60.999Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31T15:59:60-08:00", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:59.999Z", datetime(2016, 12, 31, 23, 59, 59, 999000, UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999Z", datetime(9999, 12, 31, 23, 59, 59, 999000, UTC)),
    ],
)
def test_leap_seconds_and_the_ends_of_the_calendar_are_read(text, moment):
    assert parse_timestamp(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:00-00:01",
        "9999-12-31T23:59:60Z",
        "2023-02-29T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T10:00:00+05:60",
        "2024-01-01T10:00:00+24:00",
        "2024-01-01T10:00:61Z",
        "2024-01-01T10:00Z",
        "2024-01-01",
        "2024-01-01T10:00:00,5Z",
        "2024-01-01T10:00:00Z\n",
        "",
    ],
)
def test_what_is_no_moment_is_a_value_error(text):
    assert parsed_or_refused(text) is None


@pytest.mark.parametrize("value", [None, 7, 1.5, True, b"2024-01-01T10:00:00Z", [], {}])
def test_what_is_no_text_is_a_type_error(value):
    with pytest.raises(TypeError):
        parse_timestamp(value)


def test_now_is_aware_and_in_utc():
    before, now, after = datetime.now(UTC), utcnow(), datetime.now(UTC)
    assert before <= now <= after
    assert now.utcoffset() == timedelta(0)
