"""E-mail: a channel for notices that renders templates and hands them to the chosen provider."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db import session_scope
from scheduling.email.provider import EmailProvider, OutgoingEmail
from scheduling.email.rendering import Templates, add_email_template
from scheduling.errors import StartupError
from scheduling.events import Notice
from scheduling.outbox import Message, Skip, enqueue

if TYPE_CHECKING:
    from pyramid.config import Configurator
    from pyramid.registry import Registry

GROUP = "scheduling.email_providers"
CONSUMER = "email"


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
    with session_scope(registry) as db:
        query = sa.select(users.c.name, users.c.email).where(users.c.id == message.payload["user_id"])
        user = db.row(query)
    if user is None:
        raise Skip("the user no longer exists")
    mail = registry.email_templates.render(message.kind, user.name, message.payload["data"])
    outgoing = OutgoingEmail(
        sender=registry.scheduling.email_from,
        to_name=" ".join(user.name.split()),
        to_address=user.email,
        subject=mail.subject,
        text=mail.text,
        html=mail.html,
    )
    provider: EmailProvider = registry.email_provider
    return provider.send(outgoing, idempotency_key=str(message.id)).provider_id


def includeme(config: Configurator) -> None:
    """Register the channel, its consumer and the directive for templates."""
    config.registry.email_templates = Templates(config.registry.scheduling.email_templates)
    config.add_directive("add_email_template", add_email_template)
    config.add_outbox_consumer(CONSUMER, deliver)
    config.add_subscriber(enqueue_email, Notice)
