"""Spans of requests, messages and statements, recorded by the SDK of OpenTelemetry.

Spans hold no personal data: no query string, no parameter of a statement, no error message
of the database (https://opentelemetry.io/docs/specs/semconv/).
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from http import HTTPStatus
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING, Any, Self

import psycopg
import sqlalchemy as sa
from opentelemetry import trace
from opentelemetry.propagate import extract, get_global_textmap
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from scheduling.exceptions import StartupError
from scheduling.observability.metrics.http import METHODS
from scheduling.tracing import TraceParent, Tracer, as_current, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from uuid import UUID

    from opentelemetry.context import Context
    from pyramid.registry import Registry
    from pyramid.response import Response

    from scheduling.web.request import Request

STOP_SECONDS = 3.0
"""How long the end of a process may wait for spans that are still to be sent."""


class OtelTracer(Tracer):
    """Records spans. The SDK reads ``OTEL_…`` for the sampler, the resource and the exporter."""

    def __init__(self, engine: sa.Engine) -> None:
        ours = Resource.create({"service.name": "scheduling", "service.version": version("scheduling")})
        self.provider = TracerProvider(
            resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
        )
        self._spans = self.provider.get_tracer("scheduling", version("scheduling"))
        self._exporter = _exporter_class()
        if engine.dialect.name == "postgresql":
            sa.event.listen(engine, "connect", _cursors_of(self))

    @contextmanager
    def record(
        self, name: str, kind: SpanKind, attributes: Mapping[str, str], before: Context | None = None
    ) -> Iterator[trace.Span]:
        """Record the ``with`` block as a span; of an exception neither the text nor the traceback."""
        with self._spans.start_as_current_span(
            name, before, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except Exception as error:
                _fail(span, getattr(error, "sqlstate", None) or type(error).__name__)
                raise

    def start(self) -> None:
        """Begin to send what is recorded, from a thread."""
        self.provider.add_span_processor(BatchSpanProcessor(self._exporter()))

    def stop(self) -> None:
        """Send the rest; what the collector does not accept in time is lost."""
        thread = threading.Thread(target=self.provider.shutdown, daemon=True)
        thread.start()
        thread.join(STOP_SECONDS)

    @contextmanager
    def delivering(self, message_id: UUID, consumer: str, header: str | None) -> Iterator[None]:
        """Record an attempt at a message as a span of the trace that wrote it."""
        attributes = {
            "messaging.system": "scheduling",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": consumer,
            "messaging.message.id": str(message_id),
        }
        recording = self.record(f"process {consumer}", SpanKind.CONSUMER, attributes, _context(parse(header)))
        with recording as span, as_current(_trace_parent(span)):
            yield

    def failed(self, error: Exception) -> None:
        """Mark the current span as failed."""
        _fail(trace.get_current_span(), type(error).__name__)


def _exporter_class() -> type[SpanExporter]:
    """Find what ``OTEL_TRACES_EXPORTER`` names; ``otlp``, over HTTP, is the default."""
    name = os.environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if name == "otlp":
        protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
        name = "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
    found = entry_points(group="opentelemetry_traces_exporter", name=name)
    if not found:
        raise StartupError(
            f"The exporter {name} of OpenTelemetry (OTEL_TRACES_EXPORTER) is not installed; "
            "install the distribution that has it, or set OTEL_TRACES_EXPORTER=none."
        )
    exporter: type[SpanExporter] = next(iter(found)).load()
    return exporter


def _trace_parent(span: trace.Span) -> TraceParent:
    context = span.get_span_context()
    trace_id, span_id = trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)
    return TraceParent(trace_id, span_id, context.trace_flags.sampled)


def _context(parent: TraceParent | None) -> Context | None:
    if parent is None:
        return None
    flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
    remote = SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=flags)
    return trace.set_span_in_context(NonRecordingSpan(remote))


def _fail(span: trace.Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))


def _cursors_of(tracer: OtelTracer) -> Callable[..., None]:
    """Return a listener that has each new connection record its statements, but only within a span.

    Outside one, each query with which the relay looks for due messages would be a trace of its own.
    """

    class Cursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Self:
            if not trace.get_current_span().is_recording():
                return super().execute(query, *arguments, **options)
            text = str(query)
            attributes = {"db.system.name": "postgresql", "db.query.text": text}
            with tracer.record(text.split(None, 1)[0], SpanKind.CLIENT, attributes):
                return super().execute(query, *arguments, **options)

    def connected(driver: psycopg.Connection[Any], *event: Any) -> None:
        driver.cursor_factory = Cursor

    return connected


def tween_factory(
    handler: Callable[[Request], Response], registry: Registry
) -> Callable[[Request], Response]:
    """Record every request but the probes."""
    tracer: OtelTracer = registry.tracer
    routes = registry.metrics.http.routes
    headers = {f"HTTP_{name.upper().replace('-', '_')}": name for name in get_global_textmap().fields}

    def tween(request: Request) -> Response:
        environ = request.environ
        if environ["PATH_INFO"].startswith("/health"):
            return handler(request)
        method = environ["REQUEST_METHOD"]
        known = method if method in METHODS else "HTTP"
        attributes = {
            "http.request.method": known if known == method else "_OTHER",
            "url.scheme": environ["wsgi.url_scheme"],
            "url.path": request.path_text,
        }
        before = extract({name: environ[key] for key, name in headers.items() if key in environ})
        with tracer.record(known, SpanKind.SERVER, attributes, before) as span:
            request.trace = _trace_parent(span)
            response = handler(request)
            _answered(span, known, routes.of(request), response.status_int)
        return response

    return tween


def _answered(span: trace.Span, method: str, route: str, status: int) -> None:
    span.update_name(f"{method} {route}")
    span.set_attributes({"http.route": route, "http.response.status_code": status})
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _fail(span, str(status))
