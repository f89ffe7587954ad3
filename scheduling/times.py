"""Moments: aware datetimes in UTC, which requests and answers have as RFC 3339; the names of time zones."""

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import available_timezones

_RFC3339 = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<minute>(?:[01]\d|2[0-3]):\d\d):(?P<second>\d\d)(?P<fraction>\.\d+)?"
    r"(?P<offset>[Zz]|[+-]\d\d:[0-5]\d)?",
    re.ASCII,
)


def utcnow() -> datetime:
    """Return the present moment, aware, in UTC, with microseconds."""
    return datetime.now(UTC)


def parse_timestamp(text: str) -> datetime:
    """Read an RFC 3339 timestamp; one without an offset is taken as UTC.

    The answer is aware, in UTC, and cut to milliseconds, which is all that answers show. A leap
    second (``:60``) becomes the first moment of the next minute, as POSIX clocks count it.

    Raises ``ValueError`` for anything else, also for a moment outside the years 1 to 9999.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 timestamp")
    leap = match["second"] == "60"
    second = "59" if leap else match["second"]
    milliseconds = int((match["fraction"] or ".0")[1:4].ljust(3, "0"))
    offset = (match["offset"] or "Z").upper()
    moment = datetime.fromisoformat(f"{match['date']}T{match['minute']}:{second}{offset}")
    try:
        moment = moment.astimezone(UTC)
        if leap:
            return moment + timedelta(seconds=1)
    except OverflowError as error:
        raise ValueError("outside the years 1 to 9999") from error
    return moment.replace(microsecond=milliseconds * 1000)


def format_timestamp(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC with milliseconds: ``2027-04-01T09:00:00.000Z``.

    One without a time zone is taken as UTC, as SQLite gives it for a column of the type ``sa.DateTime``.
    """
    if moment.tzinfo is not UTC:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


@cache
def zone_names() -> frozenset[str]:
    """Return the names of all time zones of the IANA database, such as ``Europe/Berlin``."""
    # What a system calls its own zone, and the one of a machine that nobody has set up, are no places.
    return frozenset(available_timezones() - {"localtime", "posixrules", "Factory"})
