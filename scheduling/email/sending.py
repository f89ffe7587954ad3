"""Sends a batch of e-mails: loads what they show, renders each, and hands it to the provider.

What is loaded is what holds now, not when the message was written: the address, the name, and what the kind's
``load`` returns. An e-mail that may have been handed over already goes out again exactly as it was.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import asdict
from datetime import timedelta
from email.utils import format_datetime, parseaddr
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.accounts.suppressions import reason_of_user, suppress
from scheduling.addresses import mail_address
from scheduling.db.failures import is_unavailable, one_line
from scheduling.db.session import session_scope
from scheduling.email import limit
from scheduling.email.provider import (
    AddressRefused,
    Ambiguous,
    Deferred,
    Misconfigured,
    OutgoingEmail,
    Throttled,
    Unavailable,
)
from scheduling.messaging.housekeeping import RELEASE_WINDOW
from scheduling.messaging.models import Delay
from scheduling.messaging.outcomes import NotNow, Permanent, Postpone, Skip
from scheduling.times import utcnow

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from scheduling.db.metadata import Row
    from scheduling.email.provider import EmailProvider
    from scheduling.email.registry import EmailRegistry
    from scheduling.messaging.consumers import Handler, Message

    Content = tuple[Row, Mapping[str, Any]]

logger = logging.getLogger(__name__)

UNKNOWN_KIND_WAIT = timedelta(minutes=5)
"""How long a message waits where no enabled plugin has its kind, as while a release is being replaced."""

LOAD_WAIT = timedelta(seconds=30)
"""How long e-mails wait whose contents the database did not give."""

DEFERRED_WAITS = (timedelta(minutes=6), timedelta(minutes=30), timedelta(hours=2))
"""When an e-mail is tried again that the provider takes later (RFC 5321, 4.5.4.1).

The first is for mail servers that greylist, most of which take an e-mail after five minutes.
"""

_PROBE_WAIT = timedelta(seconds=30)
"""How much longer than a pause the e-mail waits that began it anew, so that another is tried next."""


def knows_repetitions(registry: EmailRegistry) -> bool:
    """Tell whether the provider sends an e-mail once that it is given twice."""
    return registry.email_provider.deduplicates


def send_one(message: Message, registry: EmailRegistry) -> str | None:
    """Consumer: send the e-mail of one message."""
    return prepare([message], registry)(message, registry)


def prepare(messages: Sequence[Message], registry: EmailRegistry) -> Handler:
    """Load what the e-mails of a batch show, and return the function that sends one of them."""
    contents = _load(registry, messages)
    to_send = sum(not isinstance(content, Exception) for content in contents.values())
    grants = _Grants(registry, to_send)

    def send(message: Message, registry: EmailRegistry) -> str | None:
        content = contents[message.id]
        if isinstance(content, Exception):
            raise content
        _require_repeatable(message, registry)
        outgoing = _outgoing(message, content, registry)
        grants.use()
        with registry.sending_pause.passing() as probing:
            return _hand_over(message, outgoing, registry, probing=probing)

    return send


class _Grants:
    """What the rate limit granted to a batch."""

    def __init__(self, registry: EmailRegistry, wanted: int) -> None:
        self._registry = registry
        # From before the statement, whose answer may be late.
        self._until = monotonic() + limit.MAX_DELAY
        self._left = limit.take(registry, wanted)

    def use(self) -> None:
        """Use one grant, a new one where those of the batch are old; raise ``NotNow`` if there is none."""
        if self._left and (monotonic() < self._until or not self._registry.core_settings.email_rate_limit):
            self._left -= 1
        elif not limit.take(self._registry, 1):
            raise NotNow("the e-mail rate limit has no room")
        if not self._registry.throttle.take():
            raise NotNow("the provider takes fewer e-mails")


def _load(registry: EmailRegistry, messages: Sequence[Message]) -> dict[uuid.UUID, Content | Exception]:
    """Return the reader and the data of each message, or what is raised for it instead."""
    found = _readers(registry, {message.payload["user_id"] for message in messages})
    contents: dict[uuid.UUID, Content | Exception] = {}
    by_kind: dict[str, list[Message]] = defaultdict(list)
    for message in messages:
        if message.payload["user_id"] not in found:
            contents[message.id] = Skip("the user no longer exists")
        else:
            by_kind[message.kind].append(message)
    for kind, of_kind in by_kind.items():
        for message, data in zip(of_kind, _data(registry, kind, of_kind), strict=True):
            contents[message.id] = _content(found[message.payload["user_id"]], data)
    return contents


def _content(reader: Row, data: Mapping[str, Any] | Exception) -> Content | Exception:
    if isinstance(data, Exception):
        return data
    return Skip(f"the address is suppressed: {reader.suppressed}") if reader.suppressed else (reader, data)


def _readers(registry: EmailRegistry, ids: set[int]) -> dict[int, Row]:
    query = sa.select(users.c.id, users.c.name, users.c.email, reason_of_user.label("suppressed")).where(
        users.c.id.in_(sa.bindparam("ids", expanding=True))
    )
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


def _require_repeatable(message: Message, registry: EmailRegistry) -> None:
    """Raise ``Permanent`` for an e-mail that may have been sent and must not be sent twice."""
    if message.handed_at is None:
        return
    provider: EmailProvider = registry.email_provider
    if provider.deduplicates:
        known_until = message.handed_at + timedelta(seconds=provider.deduplicates_for)
        if utcnow() > known_until:
            raise Permanent("held: the provider may have sent it, and no longer knows; redrive it to send it")
    elif registry.email_templates.on_ambiguous(message.kind) == "hold":
        raise Permanent("held: a worker died while it may have been sending this; redrive it to send it")


def _outgoing(message: Message, content: Content, registry: EmailRegistry) -> OutgoingEmail:
    if message.handed is not None:
        return OutgoingEmail(**message.handed)
    reader, data = content
    mail = registry.email_templates.render(message.kind, reader.name, data)
    sender = registry.core_settings.email_from
    return OutgoingEmail(
        sender=sender,
        to_name=mail.to_name,
        to_address=_deliverable(reader.email),
        subject=mail.subject,
        text=mail.text,
        html=mail.html,
        headers=headers(message, sender),
    )


def _deliverable(address: str) -> str:
    try:
        return mail_address(address)
    except ValueError as error:
        raise Permanent("there is no domain like that of the user's address") from error


def headers(message: Message, sender: str) -> dict[str, str]:
    """Return the header fields of every e-mail, beside those for sender, receiver and subject.

    They ask for no automatic reply (RFC 3834), and the Message-ID (RFC 5322, 3.6.4) is the same on every
    attempt.
    """
    return {
        "Message-ID": f"<{message.id}@{_domain(sender)}>",
        "Date": format_datetime(utcnow()),
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
    }


@cache
def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"


def _hand_over(
    message: Message, outgoing: OutgoingEmail, registry: EmailRegistry, *, probing: bool
) -> str | None:
    """Hand an e-mail to the provider and return its id; raise what follows from what the provider says."""
    provider: EmailProvider = registry.email_provider
    try:
        sent = provider.send(outgoing, idempotency_key=str(message.id))
    except Throttled as error:
        registry.throttle.complained(error.retry_after)
        raise NotNow(str(error)) from error
    except Unavailable as error:
        registry.sending_pause.begin(str(error), seconds=error.retry_after)
        raise _paused(str(error), registry, probing=probing) from error
    except Misconfigured as error:
        registry.sending_pause.begin(str(error), refused=True)
        raise _paused(str(error), registry, probing=probing) from error
    except AddressRefused as error:
        with session_scope(registry) as db:
            suppress(db, outgoing.to_address, str(error))
        raise
    except Deferred as error:
        raise _deferred(message, error, registry) from error
    except Ambiguous as error:
        # It says as much of the next e-mail as of this one: a gateway without its server answers 502 to all.
        registry.sending_pause.begin(str(error), seconds=error.retry_after)
        raise _unknown(message, outgoing, error, registry, probing=probing) from error
    registry.throttle.took()
    return sent.provider_id


def _paused(reason: str, registry: EmailRegistry, *, probing: bool) -> Exception:
    """Return what is raised where a pause has begun."""
    until = _end_of_pause(registry)
    return Postpone(reason, until + _PROBE_WAIT, delay=Delay.OUTAGE) if probing else NotNow(reason)


def _end_of_pause(registry: EmailRegistry) -> datetime:
    until = utcnow() + registry.sending_pause.rest()
    limit.note_pause(registry, until)
    return until


def _unknown(
    message: Message, outgoing: OutgoingEmail, error: Ambiguous, registry: EmailRegistry, *, probing: bool
) -> Exception:
    """Return what is raised where nobody knows whether the provider has the e-mail."""
    until = _end_of_pause(registry)
    if registry.email_provider.deduplicates:
        # The same key asks again for as long as the provider knows it, and hours of 502 use up no attempt.
        wait = _PROBE_WAIT if probing else timedelta()
        return Postpone(str(error), until + wait, delay=Delay.OUTAGE, handed=asdict(outgoing))
    if registry.email_templates.on_ambiguous(message.kind) == "hold":
        return Permanent(f"held: {error}; redrive it to send it again")
    error.handed = asdict(outgoing)
    return error


def _deferred(message: Message, error: Deferred, registry: EmailRegistry) -> Exception:
    wait = DEFERRED_WAITS[min(message.postponed, len(DEFERRED_WAITS) - 1)]
    if error.retry_after is not None:
        wait = max(wait, timedelta(seconds=error.retry_after))
    days = registry.core_settings.email_retry_days
    if utcnow() + wait > message.created_at + timedelta(days=days):
        return Permanent(f"given up after {days:g} days: {error}")
    return Postpone(str(error), utcnow() + wait, delay=Delay.RETRY)
