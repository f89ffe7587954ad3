"""Metrics for Prometheus (https://prometheus.io/docs/concepts/metric_types/), one registry an application."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily

from scheduling.db import session_scope
from scheduling.outbox import State, is_finished, is_open, outbox
from scheduling.times import utcnow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric
    from pyramid.config import Configurator
    from pyramid.registry import Registry

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400)


class Metrics:
    """The counters of a process; the gauges of the outbox are read from the database when asked for."""

    def __init__(self, registry: Registry) -> None:
        self.collectors = CollectorRegistry()
        self.messages = Counter(
            "scheduling_outbox_messages",
            "Attempts at messages by how they ended.",
            ["kind", "state"],
            registry=self.collectors,
        )
        self.delivery_seconds = Histogram(
            "scheduling_outbox_delivery_seconds",
            "Seconds from writing a message to its being done.",
            ["kind"],
            buckets=_SECONDS,
            registry=self.collectors,
        )
        self.published = self._counter("published", "Ids of messages that the relay published.")
        self.relay_errors = self._counter("relay_errors", "Times that the relay failed and started again.")
        self.refused_claims = self._counter(
            "refused_claims", "Ids that came in vain: another had the message."
        )
        self.recovered_leases = self._counter("recovered_leases", "Messages taken over from a dead worker.")
        self.collectors.register(OutboxCollector(registry))

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"scheduling_outbox_{name}", text, registry=self.collectors)

    def finished(self, kind: str, state: State, age_seconds: float) -> None:
        """Count the end of an attempt at a message that was written ``age_seconds`` ago."""
        self.messages.labels(kind, state).inc()
        if state is State.DONE:
            self.delivery_seconds.labels(kind).observe(age_seconds)


class OutboxCollector:
    """What of the outbox is unfinished, as the database has it; nothing while that is away."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering does not ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the figures, each from a partial index that has no finished rows."""
        rows = GaugeMetricFamily(
            "scheduling_outbox_rows", "Unfinished messages, the dead included.", labels=["kind", "state"]
        )
        age = GaugeMetricFamily(
            "scheduling_outbox_oldest_due_seconds", "How long the oldest due message has been waiting."
        )
        try:
            counts, oldest = unfinished(self._registry), oldest_due_seconds(self._registry)
        except sa.exc.SQLAlchemyError:
            return
        for (kind, state), number in counts.items():
            rows.add_metric([kind, state], number)
        age.add_metric([], oldest)
        yield rows
        yield age


def unfinished(registry: Registry) -> dict[tuple[str, str], int]:
    """Return how many unfinished messages there are by kind and state."""
    query = (
        sa.select(outbox.c.kind, outbox.c.state, sa.func.count())
        .where(~is_finished)
        .group_by(outbox.c.kind, outbox.c.state)
    )
    with session_scope(registry) as db:
        return {(kind, state): number for kind, state, number in db.rows(query)}


def oldest_due_seconds(registry: Registry) -> float:
    """Return for how many seconds the message that is due longest has been due, 0 if none is."""
    with session_scope(registry) as db:
        oldest = db.scalar(sa.select(sa.func.min(outbox.c.due_at)).where(is_open))
    return max(0.0, (utcnow() - oldest).total_seconds()) if oldest else 0.0


def includeme(config: Configurator) -> None:
    """Put the application's one :class:`Metrics` on the registry."""
    config.registry.metrics = Metrics(config.registry)
