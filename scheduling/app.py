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


INCLUDES = (
    # Around every request: what failed becomes an answer, below the tween that gives answers their headers;
    # the transaction is innermost, so that an answer to an error is written after its rollback.
    "scheduling.web.problems",
    "scheduling.web.tweens",
    "scheduling.web.transaction",
    # Who may do what. The policy takes the tokens from the registry, so these come first.
    "scheduling.security.tokens",
    "scheduling.web.policy",
    # The directives of the resource tree and of messages, which what follows uses.
    "scheduling.web.resources",
    "scheduling.web.views",
    "scheduling.messaging.outbox",
    "scheduling.messaging.housekeeping",
    # Metrics before traces: the tween of traces names that of metrics, around which it goes.
    "scheduling.observability.metrics",
    "scheduling.observability.otel",
    # Core's own resources; accounts have an e-mail, so that the channel comes before them.
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
    for module in INCLUDES:
        config.include(module)
    loader.include(config, setup.plugins)
    return config.make_wsgi_app()
