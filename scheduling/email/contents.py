"""Loads what the e-mails of a batch show: what holds now, not what held when the messages were written.

That is the reader's address, name and time zone, and what the kind's ``load`` returns.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.accounts.suppressions import reason_of_user
from scheduling.db.failures import is_unavailable, one_line
from scheduling.db.session import session_scope
from scheduling.messaging.housekeeping import RELEASE_WINDOW
from scheduling.messaging.outcomes import Permanent, Postpone, Skip
from scheduling.times import utcnow

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from scheduling.db.metadata import Row
    from scheduling.email.registry import EmailRegistry
    from scheduling.messaging.consumers import Message

    Content = tuple[Row, Mapping[str, Any]]
    """The reader, and what the e-mail shows."""

logger = logging.getLogger(__name__)

UNKNOWN_KIND_WAIT = timedelta(minutes=5)
"""How long a message waits where no enabled plugin has its kind, as while a release is being replaced."""

LOAD_WAIT = timedelta(seconds=30)
"""How long e-mails wait whose contents the database did not give."""


def load(registry: EmailRegistry, messages: Sequence[Message]) -> dict[uuid.UUID, Content | Exception]:
    """Return the reader and the data of each message, or what is raised for it instead."""
    found = _readers(registry, {_user_id(message) for message in messages})
    contents: dict[uuid.UUID, Content | Exception] = {}
    by_kind: dict[str, list[Message]] = defaultdict(list)
    for message in messages:
        if _user_id(message) not in found:
            contents[message.id] = Skip("the user no longer exists")
        else:
            by_kind[message.kind].append(message)
    for kind, of_kind in by_kind.items():
        for message, data in zip(of_kind, _data(registry, kind, of_kind), strict=True):
            contents[message.id] = _content(found[message.payload["user_id"]], data)
    return contents


def _user_id(message: Message) -> int:
    """Return whose e-mail it is; 0, which nobody is, where the message does not say so."""
    user_id = message.payload.get("user_id")
    return user_id if isinstance(user_id, int) else 0


def _content(reader: Row, data: Mapping[str, Any] | Exception) -> Content | Exception:
    if isinstance(data, Exception):
        return data
    return Skip(f"the address is suppressed: {reader.suppressed}") if reader.suppressed else (reader, data)


def _readers(registry: EmailRegistry, ids: set[int]) -> dict[int, Row]:
    query = sa.select(
        users.c.id, users.c.name, users.c.email, users.c.time_zone, reason_of_user.label("suppressed")
    ).where(users.c.id.in_(sa.bindparam("ids", expanding=True)))
    with session_scope(registry) as db:
        return {row.id: row for row in db.rows(query, {"ids": list(ids)})}


def _data(
    registry: EmailRegistry, kind: str, messages: Sequence[Message]
) -> list[Mapping[str, Any] | Exception]:
    templates = registry.email_templates
    if kind not in templates.samples:
        return [_unknown_kind(message) for message in messages]
    try:
        # Of its own, so that a transaction that fails fails no other kind.
        with session_scope(registry) as db:
            loaded = templates.load(kind, db, messages)
    except Exception as error:  # noqa: BLE001 - a plugin's function can fail in any way; other kinds go on
        if isinstance(error, sa.exc.DBAPIError) and is_unavailable(error):
            # Often the database is away. But it may be this kind's statement, which takes too long each time.
            logger.warning("What the e-mails %s show could not be loaded: %s", kind, one_line(error))
            return [Postpone("what it shows could not be loaded", utcnow() + LOAD_WAIT) for _ in messages]
        if len(messages) == 1:
            return [error]
        # One message that it cannot load, as one without the id that it expects, must not fail the others.
        return [data for message in messages for data in _data(registry, kind, [message])]
    nobody = Skip("nobody needs it any more")
    return [nobody if data is None else data for data in loaded]


def _unknown_kind(message: Message) -> Exception:
    reason = f"no enabled plugin has the e-mail {message.kind}"
    if utcnow() - message.created_at > RELEASE_WINDOW:
        return Permanent(reason)
    return Postpone(reason, utcnow() + UNKNOWN_KIND_WAIT)
