"""The metrics of an application, for Prometheus (https://prometheus.io/docs/concepts/metric_types/)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, values

from scheduling.messaging.models import State
from scheduling.observability.metrics.background import InBackground
from scheduling.observability.metrics.http import HttpMetrics
from scheduling.observability.metrics.outbox import OutboxCollector
from scheduling.observability.metrics.process import BuildCollector, PoolGauge, ProcessesCollector

if TYPE_CHECKING:
    from pyramid.config import Configurator

    from scheduling.web.registry import WebRegistry

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_DELIVERY_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400)


class Metrics:
    """What the processes of an application count, and what is read from the database at each scrape."""

    def __init__(self, registry: WebRegistry) -> None:
        self._counted = CollectorRegistry()
        self.http = HttpMetrics(self._counted, registry)
        self.pool = PoolGauge(self._counted, registry)
        self.refused_calls = Counter(
            "scheduling_rate_limit_refused_calls",
            "Calls that a rate limit refused.",
            ["limit"],
            registry=self._counted,
        )
        self.messages = Counter(
            "scheduling_outbox_messages",
            "Attempts at messages by how they ended.",
            ["kind", "state"],
            registry=self._counted,
        )
        self.delivery_seconds = Histogram(
            "scheduling_outbox_delivery_seconds",
            "Seconds from writing a message to its being done.",
            ["kind"],
            buckets=_DELIVERY_SECONDS,
            registry=self._counted,
        )
        self.published = self._counter("published", "Ids of messages that the relay published.")
        self.relay_errors = self._counter("relay_errors", "Times that the relay failed and started again.")
        self.refused_claims = self._counter(
            "refused_claims", "Ids that came in vain: another had the message."
        )
        self.recovered_leases = self._counter("recovered_leases", "Messages taken over from a dead worker.")
        self._read_when_scraped = (InBackground(OutboxCollector(registry)), BuildCollector(registry))

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"scheduling_outbox_{name}", text, registry=self._counted)

    def attempt_ended(self, kind: str, state: State, age_seconds: float) -> None:
        """Count the end of an attempt at a message that was written ``age_seconds`` ago."""
        self.messages.labels(kind, state).inc()
        if state is State.DONE:
            self.delivery_seconds.labels(kind).observe(age_seconds)

    def exposed(self) -> CollectorRegistry:
        """Return everything that is exposed, added up over all processes that share a folder."""
        folder = os.environ.get(_FOLDER)
        exposed = CollectorRegistry()
        for collector in (ProcessesCollector(folder) if folder else self._counted, *self._read_when_scraped):
            exposed.register(collector)
        return exposed


def share_folder(folder: str) -> None:
    """Have metrics that are made from now on be counted in files, so that processes can be added up.

    ``folder`` is an empty one, which the caller removes when all processes have ended.
    """
    os.environ[_FOLDER] = folder
    # prometheus_client chose when it was imported, when the folder was not known yet.
    values.ValueClass = values.get_value_class()


def includeme(config: Configurator) -> None:
    """Put the application's one :class:`Metrics` on the registry, and count requests in a tween."""
    config.registry.metrics = Metrics(config.registry)
    config.add_tween(
        "scheduling.observability.metrics.http.tween_factory", over="scheduling.web.tweens.http_tween_factory"
    )
