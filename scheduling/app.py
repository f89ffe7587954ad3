"""Builds the WSGI application: what is included, in which order."""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

from pyramid.config import Configurator

from scheduling.config import loader
from scheduling.db.engine import create_engine
from scheduling.plugin import Registry

if TYPE_CHECKING:
    from pyramid.router import Router

    from scheduling.startup import Setup

# Directives and the attributes of the registry have to be there before the first module that uses them.
INCLUDES = (
    # What surrounds a request: the exception views, then the tweens, each of which names its neighbours.
    "scheduling.web.problems",
    "scheduling.web.tweens",
    "scheduling.web.transaction",
    # Who sends it and what they may do: the policy verifies tokens.
    "scheduling.security.tokens",
    "scheduling.web.policy",
    # What it asks for and how that is answered: `add_api_resource`, `add_child`, `add_member`, the view
    # derivers and the renderer.
    "scheduling.web.resources",
    "scheduling.web.members",
    "scheduling.web.views",
    "scheduling.web.preconditions",
    # Messages: `add_outbox_consumer`, `add_event_consumer` and `add_housekeeping`.
    "scheduling.messaging.wakeup",
    "scheduling.messaging.turns",
    "scheduling.messaging.pace",
    "scheduling.messaging.in_hand",
    "scheduling.messaging.consumers",
    "scheduling.messaging.housekeeping",
    # Around views: what was done once, with a housekeeping task.
    "scheduling.web.idempotency",
    # Rate limits: `add_rate_limit`, and a view deriver inside of those above.
    "scheduling.throttling",
    # Metrics and traces: tweens outside of those above.
    "scheduling.observability.metrics",
    "scheduling.observability.otel",
    # E-mail: its consumer of messages, and `add_email_template`.
    "scheduling.email.channel",
    # Core's own resources, which use all of the above, as the plugins' do that come after them.
    "scheduling.accounts",
    "scheduling.preferences",
    "scheduling.messaging.administration",
    "scheduling.web.health",
    "scheduling.web.pages",
    "scheduling.web.openapi",
)


def make_app(setup: Setup, pyramid_settings: dict[str, Any]) -> Router:
    """Return the WSGI application; nothing is asked of the database yet.

    Raises ``StartupError`` where a plugin cannot be set up.
    """
    if setup.settings.log_level:
        # Over what the ini file says of the root logger; whoever starts us has read that already.
        logging.getLogger().setLevel(setup.settings.log_level)
    registry = Registry("scheduling")
    registry.core_settings = setup.settings
    registry.plugins = setup.plugins
    registry.plugin_settings = setup.plugin_settings
    registry.email_provider = setup.email_provider
    registry.engine = create_engine(setup.settings)
    registry.reserved_ids = defaultdict(deque)
    config = Configurator(registry=registry)
    # Pyramid does this itself only for a registry that it makes itself.
    config.setup_registry(settings=pyramid_settings)
    for module in INCLUDES:
        config.include(module)
    loader.include(config, setup.plugins)
    return config.make_wsgi_app()
