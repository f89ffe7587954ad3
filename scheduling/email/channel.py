"""E-mail: a channel for notices that renders templates and hands them to the chosen provider."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from email.utils import format_datetime, parseaddr
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.email.limit import take_turn
from scheduling.email.provider import Ambiguous, EmailProvider, Misconfigured, OutgoingEmail
from scheduling.email.rendering import Templates, add_email_template
from scheduling.events import Notice
from scheduling.exceptions import StartupError
from scheduling.messaging.outbox import Message, enqueue
from scheduling.messaging.outcomes import Permanent, Postpone, Skip
from scheduling.times import utcnow

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.registry import Registry

GROUP = "scheduling.email_providers"
CONSUMER = "email"

GATE_CLOSED = timedelta(minutes=5)
"""How long sending pauses after the provider refused us."""

logger = logging.getLogger(__name__)


def provider_class(name: str) -> type[EmailProvider]:
    """Import the provider of this name, and only that one; raise ``StartupError`` if it is not usable."""
    found = entry_points(group=GROUP)
    entry = next((entry for entry in found if entry.name == name), None)
    if entry is None:
        raise StartupError(
            f"The e-mail provider {name!r} (EMAIL_PROVIDER) is not installed; "
            f"installed are: {', '.join(sorted(found.names))}."
        )
    try:
        provider = entry.load()
    except Exception as error:  # a plugin can fail in any way
        raise StartupError(
            f"The e-mail provider {name!r} could not be imported ({type(error).__name__}: {error})."
        ) from error
    if not (isinstance(provider, type) and issubclass(provider, EmailProvider)):
        raise StartupError(f"The e-mail provider {name!r}: {entry.value} is not an EmailProvider class.")
    return provider


def enqueue_email(notice: Notice) -> None:
    """Subscriber: leave a message for the worker, if the notice has an e-mail."""
    if notice.email is not None:
        payload = {"user_id": notice.user_id, "data": notice.data}
        enqueue(notice.db, consumer=CONSUMER, kind=notice.email, payload=payload)


def deliver(message: Message, registry: Registry) -> str | None:
    """Render a message and send it to the address that the user has now; return the provider's id."""
    templates: Templates = registry.email_templates
    if message.kind not in templates.samples:
        raise Postpone(f"no enabled plugin has the e-mail {message.kind}", utcnow() + GATE_CLOSED)
    with session_scope(registry) as db:
        query = sa.select(users.c.name, users.c.email).where(users.c.id == message.payload["user_id"])
        user = db.row(query)
        if user is None:
            raise Skip("the user no longer exists")
        if not templates.is_wanted(message.kind, db, message.payload["data"]):
            raise Skip("nobody needs it any more")
    mail = templates.render(message.kind, user.name, message.payload["data"])
    outgoing = OutgoingEmail(
        sender=registry.scheduling.email_from,
        to_name=" ".join(user.name.split()),
        to_address=user.email,
        subject=mail.subject,
        text=mail.text,
        html=mail.html,
        headers=headers(message, registry.scheduling.email_from),
    )
    return _send(message, outgoing, registry)


def headers(message: Message, sender: str) -> dict[str, str]:
    """Return the header fields of every e-mail: no auto-reply to it, and one Message-ID on every attempt.

    RFC 3834 (Auto-Submitted), RFC 5322 3.6.4 (Message-ID).
    """
    domain = parseaddr(sender)[1].rpartition("@")[2] or "localhost"
    return {
        "Message-ID": f"<{message.id}@{domain}>",
        "Date": format_datetime(utcnow()),
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
    }


def _send(message: Message, outgoing: OutgoingEmail, registry: Registry) -> str | None:
    provider: EmailProvider = registry.email_provider
    held = not provider.deduplicates and registry.email_templates.on_ambiguous(message.kind) == "hold"
    if message.recovered and held:
        raise Permanent("held: a worker died while it may have been sending this; redrive it to send it")
    registry.email_gate.pass_through()
    take_turn(registry, message)
    try:
        return provider.send(outgoing, idempotency_key=str(message.id)).provider_id
    except Ambiguous as error:
        if held:
            raise Permanent(f"held: {error}; redrive it to send it again") from error
        raise
    except Misconfigured as error:
        raise registry.email_gate.close(str(error)) from error


class Gate:
    """Closed for a while after the provider refused us, so that no message burns its attempts on that."""

    def __init__(self) -> None:
        self._closed_until: datetime | None = None
        self._reason = ""

    @property
    def trouble(self) -> str | None:
        """Why the provider refuses us, while the gate is closed."""
        return self._reason if self._closed_until and utcnow() < self._closed_until else None

    def pass_through(self) -> None:
        """Raise ``Postpone`` while the gate is closed."""
        if self.trouble and self._closed_until:
            raise Postpone(f"the e-mail provider refuses us: {self._reason}", self._closed_until)

    def close(self, reason: str) -> Postpone:
        """Close the gate, say so in the log, and return what the message that met it is to raise."""
        self._reason = reason
        self._closed_until = utcnow() + GATE_CLOSED
        logger.error("The e-mail provider refuses us, sending pauses for %s: %s", GATE_CLOSED, reason)
        return Postpone(f"the e-mail provider refuses us: {reason}", self._closed_until)


def includeme(config: Configurator) -> None:
    """Register the channel, its consumer and the directive for templates."""
    config.registry.email_templates = Templates(config.registry.scheduling.email_templates)
    config.add_directive("add_email_template", add_email_template)
    config.registry.email_gate = Gate()
    config.add_outbox_consumer(CONSUMER, deliver, config.registry.scheduling.email_retry_attempts)
    config.add_subscriber(enqueue_email, Notice)
