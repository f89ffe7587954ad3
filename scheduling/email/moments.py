"""Moments and spans as people read them: in a time zone, with its name and its offset, in English."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from scheduling.times import zone_names

if TYPE_CHECKING:
    from datetime import tzinfo

# strftime would name them in the language of the process's locale.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def format_moment(moment: datetime, zone: str) -> str:
    """Return a moment as people of a zone read it: ``Thu 1 April 2027, 09:00 CEST (UTC+2)``.

    ``zone`` is a name of the IANA database. UTC is shown for a name that it does not have, and where the
    zone's date would lie outside the years 1 to 9999. Seconds are shown unless they are 0.
    """
    (local,) = _in_zone(zone, moment)
    return f"{_date(local)}, {_time(local)} {_zone(local)}"


def format_span(start: datetime, end: datetime, zone: str) -> str:
    """Return from when until when, as people of a zone read it; see :func:`format_moment`.

    That is ``Thu 1 April 2027, 09:00–09:30 CEST (UTC+2)``. What differs at the end is shown there again: the
    date over midnight; the zone's name and offset over a change of clocks.
    """
    first, last = _in_zone(zone, start, end)
    same_day = first.date() == last.date()
    begin, finish = f"{_date(first)}, {_time(first)}", f"{_time(last)} {_zone(last)}"
    if not same_day:
        finish = f"{_date(last)}, {finish}"
    if _zone(first) != _zone(last):
        return f"{begin} {_zone(first)} – {finish}"
    return f"{begin}–{finish}" if same_day else f"{begin} – {finish}"


def same_clock(zone: str, other: str, *moments: datetime) -> bool:
    """Tell whether clocks of two zones show the same at each of some moments."""
    return _clocks(zone, moments) == _clocks(other, moments)


def _clocks(zone: str, moments: tuple[datetime, ...]) -> list[timedelta | None]:
    return [local.utcoffset() for local in _in_zone(zone, *moments)]


def _in_zone(zone: str, *moments: datetime) -> list[datetime]:
    """Return moments in a zone, or all in UTC where that cannot be; a naive one is taken as UTC."""
    aware = [moment if moment.tzinfo else moment.replace(tzinfo=UTC) for moment in moments]
    # A user's zone was in the database when it was chosen; a later version may have dropped the name.
    wanted: tzinfo = ZoneInfo(zone) if zone in zone_names() else UTC
    try:
        return [moment.astimezone(wanted) for moment in aware]
    except OverflowError:
        return [moment.astimezone(UTC) for moment in aware]


def _date(local: datetime) -> str:
    return f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local.year:04}"


def _time(local: datetime) -> str:
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def _zone(local: datetime) -> str:
    """Return a zone with its offset: ``CEST (UTC+2)``; ``(UTC+5:45)`` if it has no abbreviation; ``UTC``."""
    name, offset = local.tzname() or "", local.utcoffset() or timedelta()
    if name == "UTC":
        return name
    minutes, seconds = divmod(int(abs(offset).total_seconds()), 60)
    shown = f"UTC{'-' if offset < timedelta() else '+'}{minutes // 60}"
    # Before there were standard times, places had the sun's, to the second.
    if minutes % 60 or seconds:
        shown += f":{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
    # The database has "+0545" where people use no abbreviation.
    return f"{name} ({shown})" if re.fullmatch("[A-Za-z]+", name) else f"({shown})"
