"""Scheduling: a self-hosted scheduling backend, a Pyramid application that loads plugins."""

from __future__ import annotations

import os
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyramid.router import Router

    from scheduling.startup import Setup

__version__ = "1.0.0"

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


def main(global_config: dict[str, str], **settings: Any) -> Router:
    """Paste app factory: return the WSGI application for the settings of an ini file.

    The environment overrides the settings. Raises ``StartupError`` with one message for an operator.
    """
    from scheduling.startup import set_up  # noqa: PLC0415 - importing the package must stay cheap

    return make_app(set_up(settings, os.environ), settings)


def make_app(setup: Setup, pyramid_settings: dict[str, Any]) -> Router:
    """Return the WSGI application; nothing is asked of the database yet."""
    from pyramid.config import Configurator  # noqa: PLC0415

    from scheduling.config import loader  # noqa: PLC0415
    from scheduling.db.session import create_engine  # noqa: PLC0415

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
