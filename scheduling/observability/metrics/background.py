"""Metrics that are read from the database in the background, so that a scrape never waits for it for long."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Protocol

from scheduling.db.background import Background

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.metrics_core import Metric

PATIENCE_SECONDS = 1.0
"""How long a scrape waits for the database."""

MAX_AGE_SECONDS = 60.0
"""How old metrics may be that are given because there are no newer ones yet."""


class Collector(Protocol):
    """What Prometheus' client registers."""

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""


class InBackground:
    """Another collector's metrics; those of a minute ago, or else none, while they cannot be had in time."""

    def __init__(self, collector: Collector) -> None:
        self._metrics = Background(lambda: list(collector.collect()))

    def describe(self) -> list[Metric]:
        """Return no metric, so that Prometheus' client reads none when this is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return the metrics in time."""
        in_time = self._metrics.refresh(max_age=0, patience=PATIENCE_SECONDS)
        if in_time or monotonic() - self._metrics.answered_at < MAX_AGE_SECONDS:
            yield from self._metrics.answer or ()
