"""Tells notices by e-mail: a subscriber writes a message, and a worker renders and sends it."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime, parseaddr
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.addresses import mail_address
from scheduling.db.session import session_scope
from scheduling.email.limit import take_slot
from scheduling.email.pause import PAUSE, SendingPause
from scheduling.email.provider import Ambiguous, EmailProvider, Misconfigured, OutgoingEmail
from scheduling.email.rendering import Templates, add_email_template
from scheduling.events import Notice
from scheduling.messaging.models import Delay
from scheduling.messaging.outbox import Message, enqueue
from scheduling.messaging.outcomes import Permanent, Postpone, Skip
from scheduling.times import utcnow

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from scheduling.email.registry import EmailRegistry

CONSUMER = "email"
"""The name of the consumer whose messages are e-mails."""

UNKNOWN_KIND_WAIT = timedelta(minutes=5)
"""How long a message is postponed when no enabled plugin has its kind."""


def enqueue_email(notice: Notice) -> None:
    """Subscriber: write a message for the worker, if the notice has an e-mail."""
    if notice.email is not None:
        payload = {"user_id": notice.user_id, "data": notice.data}
        enqueue(notice.db, consumer=CONSUMER, kind=notice.email, payload=payload)


def send_email_message(message: Message, registry: EmailRegistry) -> str | None:
    """Consumer: render a message and send it to the address that the user has now.

    Returns the provider's id. Raises ``Skip`` where nobody needs the e-mail any more, and whatever the
    provider, the rate limit and the pause raise.
    """
    templates: Templates = registry.email_templates
    if message.kind not in templates.samples:
        raise Postpone(f"no enabled plugin has the e-mail {message.kind}", utcnow() + UNKNOWN_KIND_WAIT)
    with session_scope(registry) as db:
        query = sa.select(users.c.name, users.c.email).where(users.c.id == message.payload["user_id"])
        user = db.row(query)
        if user is None:
            raise Skip("the user no longer exists")
        if not templates.is_wanted(message.kind, db, message.payload["data"]):
            raise Skip("nobody needs it any more")
    mail = templates.render(message.kind, user.name, message.payload["data"])
    outgoing = OutgoingEmail(
        sender=registry.core_settings.email_from,
        to_name=mail.to_name,
        to_address=_deliverable(user.email),
        subject=mail.subject,
        text=mail.text,
        html=mail.html,
        headers=headers(message, registry.core_settings.email_from),
    )
    return _send(message, outgoing, registry)


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
    domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    return {
        "Message-ID": f"<{message.id}@{domain}>",
        "Date": format_datetime(utcnow()),
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
    }


def _send(message: Message, outgoing: OutgoingEmail, registry: EmailRegistry) -> str | None:
    """Send an e-mail, if there is no pause and the rate limit has a slot; return the provider's id."""
    provider: EmailProvider = registry.email_provider
    never_twice = not provider.deduplicates and registry.email_templates.on_ambiguous(message.kind) == "hold"
    if message.recovered and never_twice:
        raise Permanent("held: a worker died while it may have been sending this; redrive it to send it")
    registry.sending_pause.raise_if_paused()
    take_slot(registry, message)
    try:
        return provider.send(outgoing, idempotency_key=str(message.id)).provider_id
    except Ambiguous as error:
        if never_twice:
            raise Permanent(f"held: {error}; redrive it to send it again") from error
        raise
    except Misconfigured as error:
        registry.sending_pause.begin(str(error))
        raise Postpone(
            f"the e-mail provider refuses us: {error}", utcnow() + PAUSE, delay=Delay.OUTAGE
        ) from error


def _close_provider(registry: EmailRegistry) -> None:
    registry.email_provider.close()


def includeme(config: Configurator) -> None:
    """Register the channel, its consumer and the directive for templates."""
    config.registry.email_templates = Templates(config.registry.core_settings.email_templates)
    config.add_directive("add_email_template", add_email_template)
    config.registry.sending_pause = SendingPause()
    config.add_outbox_consumer(
        CONSUMER, send_email_message, config.registry.core_settings.email_retry_attempts
    )
    config.add_subscriber(enqueue_email, Notice)
    config.registry.worker_stop_hooks.append(_close_provider)
