"""The application's whole registry, as ``scheduling.plugin`` gives it to plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scheduling.email.registry import EmailRegistry

if TYPE_CHECKING:
    from scheduling.observability.metrics import Metrics


class Registry(EmailRegistry):
    """The application's registry: Pyramid's, with everything that Scheduling puts on it.

    It is ``config.registry``, ``request.registry`` and ``event.db.registry``, and what the handlers of
    messages and the housekeeping tasks are given.
    """

    metrics: Metrics
    """Counts requests and messages, for Prometheus."""
