"""Metrics of requests by method, route and status: how many, how long, and how many are in progress."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from scheduling.observability.metrics.routes import Routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry
    from pyramid.response import Response

    from scheduling.web.registry import WebRegistry
    from scheduling.web.request import Request

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

# RFC 9110, 9, and PATCH; a client can invent any number of others.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


class HttpMetrics:
    """Counts requests. Its labels have few values, whatever clients send, so that series do not grow."""

    def __init__(self, collectors: CollectorRegistry, registry: WebRegistry) -> None:
        self.routes = Routes(registry)
        self.in_flight = Gauge(
            "scheduling_http_requests_in_flight",
            "Requests that are being answered.",
            multiprocess_mode="livesum",
            registry=collectors,
        )
        self._requests = Counter(
            "scheduling_http_requests",
            "Requests by method, route and status.",
            ["method", "route", "status"],
            registry=collectors,
        )
        self._seconds = Histogram(
            "scheduling_http_request_duration_seconds",
            "Seconds from a whole request to its answer.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=collectors,
        )
        self._keys = Counter(
            "scheduling_http_idempotency_keys",
            "Requests with an Idempotency-Key by what came of it.",
            ["outcome"],
            registry=collectors,
        )
        # Looking up children by their labels takes longer than counting with them.
        self._children: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}

    def count(self, request: Request, status: str, seconds: float) -> None:
        """Count a request that was answered with ``status``, such as ``404``, after so many seconds."""
        method = request.environ["REQUEST_METHOD"]
        key = (method if method in METHODS else "other", self.routes.of(request), status)
        children = self._children.get(key)
        if children is None:
            children = self._requests.labels(*key), self._seconds.labels(*key[:2])
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)
        if request.idempotency_outcome:
            self._keys.labels(request.idempotency_outcome).inc()


def tween_factory(
    handler: Callable[[Request], Response], registry: WebRegistry
) -> Callable[[Request], Response]:
    """Count every request; one whose exception no other tween handled is a 500."""
    metrics: HttpMetrics = registry.metrics.http

    def tween(request: Request) -> Response:
        started = perf_counter()
        status = "500"
        metrics.in_flight.inc()
        try:
            response = handler(request)
            status = response.status[:3]
            return response
        finally:
            metrics.in_flight.dec()
            metrics.count(request, status, perf_counter() - started)

    return tween
