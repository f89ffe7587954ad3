"""Sends a batch of e-mails: renders what was loaded for each, and hands it to the provider.

An e-mail that may have been handed over already goes out again exactly as it was.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from datetime import timedelta
from email.utils import format_datetime, parseaddr
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.accounts.suppressions import suppress
from scheduling.addresses import mail_address
from scheduling.db.session import session_scope
from scheduling.email import limit
from scheduling.email.contents import load
from scheduling.email.provider import (
    AddressRefused,
    Ambiguous,
    Deferred,
    Misconfigured,
    OutgoingEmail,
    Throttled,
    Unavailable,
)
from scheduling.messaging.models import Delay
from scheduling.messaging.outcomes import NotNow, Permanent, Postpone
from scheduling.times import utcnow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from scheduling.email.contents import Content
    from scheduling.email.provider import EmailProvider
    from scheduling.email.registry import EmailRegistry
    from scheduling.messaging.consumers import Handler, Message

DEFERRED_WAITS = (timedelta(minutes=6), timedelta(minutes=30), timedelta(hours=2))
"""When an e-mail is tried again that the provider takes later (RFC 5321, 4.5.4.1).

The first is for mail servers that greylist, most of which take an e-mail after five minutes.
"""

SOON = timedelta(seconds=2)
"""How long an e-mail waits that the provider could not take while it takes others."""

_PROBE_WAIT = timedelta(seconds=30)
"""How much longer than a pause the e-mail waits that began it anew, so that another is tried next."""


_LONGEST_UNKNOWN_WAIT = timedelta(minutes=30)
"""How much longer it waits at most where nobody knows whether the provider has it."""


def knows_repetitions(registry: EmailRegistry) -> bool:
    """Tell whether the provider sends an e-mail once that it is given twice."""
    return registry.email_provider.deduplicates


def send_one(message: Message, registry: EmailRegistry) -> str | None:
    """Consumer: send the e-mail of one message."""
    return prepare([message], registry)(message, registry)


def prepare(messages: Sequence[Message], registry: EmailRegistry) -> Handler:
    """Load what the e-mails of a batch show, and return the function that sends one of them."""
    contents = load(registry, messages)
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
    sender = registry.core_settings.email_from
    # One with a sender that an operator has corrected since would be refused again.
    if message.handed is not None and message.handed["sender"] == sender:
        return OutgoingEmail(**message.handed)
    reader, data = content
    optional = _is_optional(message, registry)
    mail = registry.email_templates.render(
        message.kind, reader.name, data, reader.time_zone, optional=optional
    )
    return OutgoingEmail(
        sender=sender,
        to_name=mail.to_name,
        to_address=_deliverable(reader.email),
        subject=mail.subject,
        text=mail.text,
        html=mail.html,
        headers=headers(message, sender) | (_list_headers(registry) if optional else {}),
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


def _is_optional(message: Message, registry: EmailRegistry) -> bool:
    """Tell whether users can switch e-mails such as this off."""
    # Messages of the release before have no type.
    of_type = registry.notice_types.get(message.payload.get("type") or "")
    return of_type is not None and of_type.email is not None


def _list_headers(registry: EmailRegistry) -> dict[str, str]:
    """Return List-Unsubscribe (RFC 2369), if the settings name a place where users switch e-mails off.

    There is no List-Unsubscribe-Post (RFC 8058): nothing here switches an e-mail off by one call.
    """
    place = registry.core_settings.email_unsubscribe_url
    return {"List-Unsubscribe": f"<{place}>"} if place else {}


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
        if registry.sending_pause.failed(str(error), seconds=error.retry_after):
            raise _paused(str(error), registry, probing=probing) from error
        raise Postpone(str(error), utcnow() + SOON, delay=Delay.OUTAGE) from error
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
        registry.sending_pause.failed(str(error), seconds=error.retry_after)
        raise _unknown(message, outgoing, error, registry, probing=probing) from error
    registry.throttle.took()
    registry.sending_pause.took()
    return sent.provider_id


def _paused(reason: str, registry: EmailRegistry, *, probing: bool) -> Exception:
    """Return what is raised where a pause has begun."""
    until = _note_pause(registry)
    return Postpone(reason, until + _PROBE_WAIT, delay=Delay.OUTAGE) if probing else NotNow(reason)


def _note_pause(registry: EmailRegistry) -> datetime:
    """Note for metrics that sending pauses, and return until when."""
    until = utcnow() + registry.sending_pause.rest()
    if not registry.sending_pause.is_on():
        return until
    # What the provider said is to be written to the message, whether or not this can be written.
    with contextlib.suppress(sa.exc.DBAPIError):
        limit.note_pause(registry, until)
    return until


def _unknown(
    message: Message, outgoing: OutgoingEmail, error: Ambiguous, registry: EmailRegistry, *, probing: bool
) -> Exception:
    """Return what is raised where nobody knows whether the provider has the e-mail."""
    until = max(_note_pause(registry), utcnow() + SOON)
    until += _PROBE_WAIT if probing else timedelta()
    if registry.email_provider.deduplicates:
        # The same key asks again for as long as the provider knows it, and hours of 502 use up no attempt.
        # The longer that goes on the less often, or a few e-mails that always end so would pause all others.
        age = utcnow() - message.handed_at if message.handed_at else timedelta()
        until += min(age / 4, _LONGEST_UNKNOWN_WAIT)
        return Postpone(str(error), until, delay=Delay.OUTAGE, handed=asdict(outgoing))
    if registry.email_templates.on_ambiguous(message.kind) == "hold":
        return Permanent(f"held: {error}; redrive it to send it again")
    error.handed = asdict(outgoing)
    if probing:
        error.retry_after = (until - utcnow()).total_seconds()
    return error


def _deferred(message: Message, error: Deferred, registry: EmailRegistry) -> Exception:
    first, second, *_, longest = DEFERRED_WAITS
    waits = [first, second, *[longest] * message.postponed][: message.postponed + 1]
    days = registry.core_settings.email_retry_days
    # Not from when it was written: a reminder may have been written weeks before.
    if sum(waits, timedelta()) > timedelta(days=days):
        return Permanent(f"given up after {days:g} days: {error}")
    asked = timedelta(seconds=error.retry_after or 0.0)
    return Postpone(str(error), utcnow() + max(waits[-1], min(asked, longest)), delay=Delay.RETRY)
