"""Tells notices by e-mail: a subscriber writes a message, and a worker renders and sends it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scheduling.email import limit
from scheduling.email.brand import brand_of
from scheduling.email.pause import SendingPause
from scheduling.email.rendering import Templates, add_email_template
from scheduling.email.sending import knows_repetitions, prepare, send_one
from scheduling.email.throttle import Throttle
from scheduling.events import Notice
from scheduling.messaging.consumers import Consumer, add_consumer
from scheduling.messaging.outbox import enqueue, refuse
from scheduling.preferences import service as preferences

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from scheduling.email.registry import EmailRegistry

CONSUMER = "email"
"""The name of the consumer whose messages are e-mails."""

URGENT = "email-urgent"
"""The same for e-mails that somebody waits for; they have threads of their own."""

HANDLER_SECONDS = 40 * 60.0
"""How long a provider may take: RFC 5321, 4.5.3.2 grants a mail server half an hour for all its answers."""


def enqueue_email(notice: Notice) -> None:
    """Subscriber: write a message for the worker, if the notice has an e-mail and its user wants that."""
    if notice.email is None or not preferences.wants(notice.db, notice.user_id, notice.switch, "email"):
        return
    templates: Templates = notice.db.registry.email_templates
    if notice.email not in templates.samples:
        refuse(notice.db, f"No enabled plugin has the e-mail {notice.email!r}.")
    enqueue(
        notice.db,
        consumer=URGENT if templates.is_urgent(notice.email) else CONSUMER,
        kind=notice.email,
        payload={"user_id": notice.user_id, "data": notice.data, "type": notice.switch},
        dedupe_key=notice.email_key,
        due_at=notice.email_due_at,
        expires_at=notice.email_expires_at,
        user_id=notice.user_id,
    )


def room(registry: EmailRegistry) -> int | None:
    """Return how many e-mails may be begun now; None where nothing bounds that."""
    if registry.sending_pause.is_on():
        return 0
    bounds = [bound for bound in (registry.throttle.room(), limit.room(registry)) if bound is not None]
    if registry.sending_pause.is_probe_due():
        bounds.append(1)
    return min(bounds, default=None)


def is_paused(registry: EmailRegistry) -> bool:
    """Tell whether the provider takes no e-mail now."""
    return registry.sending_pause.is_on() or registry.throttle.room() == 0


def _close_provider(registry: EmailRegistry) -> None:
    registry.email_provider.close()


def includeme(config: Configurator) -> None:
    """Register the channel, its consumers and the directive for templates."""
    registry = config.registry
    settings = registry.core_settings
    registry.email_templates = Templates(settings.email_templates, brand_of(settings))
    config.add_directive("add_email_template", add_email_template)
    registry.sending_pause = SendingPause()
    registry.throttle = Throttle()
    consumer = Consumer(
        send_one,
        registry.core_settings.email_retry_attempts,
        HANDLER_SECONDS,
        __name__,
        prepare=prepare,
        marked_together=knows_repetitions,
        room=room,
        is_paused=is_paused,
    )
    # The relay asks in this order, so that what is urgent has the room first.
    add_consumer(config, URGENT, consumer)
    add_consumer(config, CONSUMER, replace(consumer, yields_to=URGENT))
    config.add_subscriber(enqueue_email, Notice)
    registry.worker_stop_hooks.append(_close_provider)
