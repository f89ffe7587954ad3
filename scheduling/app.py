"""Builds the WSGI application: what is included, in which order."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

from pyramid.config import Configurator

from scheduling.config import loader
from scheduling.db.engine import create_engine

if TYPE_CHECKING:
    from pyramid.router import Router

    from scheduling.startup import Setup


ROOMS = (
    "scheduling.web.problems",
    "scheduling.web.tweens",
    "scheduling.web.transaction",
    "scheduling.security.tokens",
    "scheduling.web.policy",
    "scheduling.web.resources",
    "scheduling.web.views",
    "scheduling.messaging.outbox",
    "scheduling.messaging.housekeeping",
    "scheduling.observability.metrics",
    "scheduling.observability.otel",
    "scheduling.email.channel",
    "scheduling.accounts",
    "scheduling.messaging.administration",
    "scheduling.web.health",
)


def make_app(setup: Setup, pyramid_settings: dict[str, Any]) -> Router:
    """Return the WSGI application; nothing is asked of the database yet."""
    config = Configurator(settings=pyramid_settings)
    registry = config.registry
    registry.scheduling = setup.settings
    registry.plugins = setup.plugins
    registry.plugin_settings = setup.options
    registry.email_provider = setup.email_provider
    registry.engine = create_engine(setup.settings)
    registry.reserved_ids = defaultdict(deque)
    for room in ROOMS:
        config.include(room)
    loader.include(config, setup.plugins)
    return config.make_wsgi_app()
