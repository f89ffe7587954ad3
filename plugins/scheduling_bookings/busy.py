"""When users are busy, as refusing conflicts and free/busy ask; plugins add sources of it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    import pyramid.config

    from scheduling.plugin import Session

    Span = tuple[datetime, datetime]
    Source = Callable[[Session, Sequence[int], datetime, datetime], Iterable[tuple[Any, ...]]]

_SOURCES = "busy sources"
"""The category of the introspector that keeps them."""

OWN = "bookings"
"""The name of the source that is the bookings themselves."""


class Busy(NamedTuple):
    """A time at which a user is busy, half-open: from ``start`` on, until just before ``end``."""

    user_id: int
    start: datetime
    end: datetime
    booking_id: int | None = None
    """The booking that takes it, where it is one."""


def add_busy_source(config: pyramid.config.Configurator, name: str, find: Source) -> None:
    """Directive: have ``find(db, user_ids, start, end)`` tell when users are busy.

    It returns rows of ``(user_id, start, end)``, perhaps with a ``booking_id`` at the end, of everything that
    overlaps the half-open interval from ``start`` to ``end``, for all of the users in one query. Two sources
    of one name are a conflict, which stops the start.
    """
    introspectable = config.introspectable(_SOURCES, name, name, "busy source")
    introspectable["find"] = find
    config.action(("busy source", name), introspectables=(introspectable,))


def find_busy(db: Session, user_ids: Sequence[int], start: datetime, end: datetime) -> list[Busy]:
    """Return all that keeps users busy between two moments, of every source, in no order.

    Only what is a booking of the user's own has its ``booking_id``. What another source gives beyond what it
    was asked for is left out, so that no time is refused that free/busy shows as free.
    """
    found: list[Busy] = []
    for entry in db.registry.introspector.get_category(_SOURCES, ()):
        source = entry["introspectable"]
        rows = (Busy(*row) for row in source["find"](db, user_ids, start, end))
        if source.title != OWN:
            rows = (row._replace(booking_id=None) for row in rows if _is_asked(row, user_ids, start, end))
        found += rows
    return found


def _is_asked(busy: Busy, user_ids: Sequence[int], start: datetime, end: datetime) -> bool:
    return busy.user_id in user_ids and max(busy.start, start) < min(busy.end, end)


def merged(spans: Iterable[Span], start: datetime, end: datetime) -> list[Span]:
    """Return spans in order, cut to a window, as one where they overlap or touch."""
    found: list[Span] = []
    for begins, ends in sorted(spans):
        begins, ends = max(begins, start), min(ends, end)  # noqa: PLW2901 - what is left of it
        if begins >= ends:
            continue
        if found and begins <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], ends))
        else:
            found.append((begins, ends))
    return found


def merged_by_user(
    db: Session, user_ids: Sequence[int], start: datetime, end: datetime
) -> dict[int, list[Span]]:
    """Return for each user when it is busy in a window: :func:`merged`."""
    spans: dict[int, list[Span]] = defaultdict(list)
    for busy in find_busy(db, user_ids, start, end):
        spans[busy.user_id].append((busy.start, busy.end))
    return {user_id: merged(spans[user_id], start, end) for user_id in user_ids}


def includeme(config: pyramid.config.Configurator) -> None:
    """Register the directive."""
    config.add_directive("add_busy_source", add_busy_source)
