"""Spans of requests, statements and messages, as OpenTelemetry's SDK records them."""

import sys

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pyramid.interfaces import ITweens
from pyramid.request import Request

from scheduling import tracing
from scheduling.exceptions import StartupError
from scheduling.messaging.consumers import Consumer
from scheduling.messaging.relay import Relay
from scheduling.observability import otel
from scheduling.testing.site import Site
from tests.kit.factories import BOOKING

TRACE, STEP = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{STEP}-01"


@pytest.fixture
def traced(empty_database_url, database_kind, enabled_plugins, monkeypatch):
    """A site of the test's own that records spans."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    site = Site(empty_database_url, enabled_plugins)
    yield site
    site.registry.tracer.stop()
    site.close()


@pytest.fixture
def spans(traced):
    """A function that returns the spans that have ended since it was asked last."""
    exporter = InMemorySpanExporter()
    traced.registry.tracer.provider.add_span_processor(SimpleSpanProcessor(exporter))

    def spans():
        ended = exporter.get_finished_spans()
        exporter.clear()
        return ended

    return spans


def of_kind(kind, spans):
    return [span for span in spans if span.kind is kind]


def trace_of(span):
    return f"{span.context.trace_id:032x}"


def trace_parent_of(span):
    return f"{span.context.span_id:016x}"


def test_a_request_and_the_delivery_of_its_mail_are_one_trace(traced, spans):
    alice = traced.user()
    traced.deliver()
    spans()

    alice.post("/bookings", BOOKING, headers={"traceparent": TRACEPARENT}, status=201)
    traced.deliver()

    assert traced.mail[-1].subject.startswith("Booking confirmed")
    ended = spans()
    assert {trace_of(span) for span in ended} == {TRACE}
    [request], [delivery] = of_kind(SpanKind.SERVER, ended), of_kind(SpanKind.CONSUMER, ended)
    assert f"{request.parent.span_id:016x}" == STEP
    assert delivery.parent.span_id == request.context.span_id
    assert request.name == "POST /api/v1/bookings"
    assert delivery.name == "process email"
    assert request.attributes["http.response.status_code"] == 201
    assert {span.status.status_code for span in ended} == {StatusCode.UNSET}


def test_statements_are_spans_of_their_request_or_message(traced, spans, database_kind):
    alice = traced.user()
    spans()
    alice.post("/bookings", BOOKING, status=201)
    *statements, request = spans()
    if database_kind == "sqlite":
        assert not statements
        return
    assert {span.parent.span_id for span in statements} == {request.context.span_id}
    texts = [span.attributes["db.query.text"] for span in statements]
    assert any("INTO bookings" in text for text in texts)
    assert not any(BOOKING["title"] in text for text in texts)


def test_what_nobody_asked_for_is_no_trace(traced, spans):
    Relay(traced.registry).publish_due(lambda consumer, ids: None)
    traced.app.get("/health/ready")
    assert spans() == ()


def test_the_route_is_a_pattern_and_the_query_string_is_left_out(traced, spans):
    alice = traced.user()
    alice.get("/bookings/7?note=hush", status=404)
    request = of_kind(SpanKind.SERVER, spans())[-1]
    assert request.name == "GET /api/v1/bookings/{id}"
    assert request.attributes["url.path"] == "/api/v1/bookings/7"
    assert "hush" not in request.to_json()


def test_a_method_that_is_not_known_is_no_new_name(traced, spans):
    Request.blank("/api/v1/bookings", method="BREW").get_response(traced.wsgi_app)
    [request] = spans()
    assert request.name == "HTTP /api/v1/bookings"
    assert request.attributes["http.request.method"] == "_OTHER"


def test_failures_are_marked_without_their_words(traced, spans, monkeypatch):
    def fails(*_):
        raise RuntimeError("hush")

    monkeypatch.setitem(traced.registry.outbox_consumers, "email", Consumer(fails, 1))
    traced.user()
    traced.deliver()
    monkeypatch.setattr(traced.registry.tokens, "verify", fails)
    traced.anonymous.get("/users/me", headers={"Authorization": "Bearer x"}, status=500)
    ended = spans()
    [delivery], request = of_kind(SpanKind.CONSUMER, ended), of_kind(SpanKind.SERVER, ended)[-1]
    for span, kind in ((delivery, "RuntimeError"), (request, "500")):
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes["error.type"] == kind
        assert "hush" not in span.to_json()


def test_what_the_database_says_of_an_error_is_not_recorded(traced, spans, database_kind):
    traced.user("Alice", email="hush@example.com")
    body = {"name": "Alice", "email": "hush@example.com", "password": "secret123"}
    traced.anonymous.post("/auth/register", body, status=400)
    told = "".join(span.to_json() for span in spans())
    assert "hush" not in told
    assert ("23505" in told) == (database_kind != "sqlite")


def test_a_client_that_does_not_sample_is_followed(traced, spans):
    traced.user()
    spans()
    body = {"name": "Bob", "email": "bob@example.com", "password": "secret123"}
    headers = {"traceparent": f"00-{TRACE}-{STEP}-00"}
    traced.anonymous.post("/auth/register", body, headers=headers, status=201)
    told = []
    traced.registry.outbox_consumers["email"] = Consumer(
        lambda message, _: told.append(message.traceparent), 1
    )
    traced.deliver()
    assert tracing.parse(told[-1])[::2] == (TRACE, False)
    assert not [span for span in spans() if trace_of(span) == TRACE]


@pytest.mark.parametrize(
    ("environ", "configured"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "scheduling", "OTEL_TRACES_SAMPLER": "always_on"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
    ],
)
def test_tracing_is_on_where_the_environment_says_where_to_send(environ, configured):
    assert otel.is_configured(environ) == configured


def test_off_there_is_nothing_of_it(site):
    assert type(site.registry.tracer) is tracing.Tracer
    tweens = site.registry.getUtility(ITweens).implicit()
    assert tweens
    assert not [name for name, _ in tweens if "otel" in name]


def test_on_it_surrounds_everything_else(traced):
    assert (
        traced.registry.getUtility(ITweens).implicit()[0][0]
        == "scheduling.observability.otel.tracer.tween_factory"
    )


def test_an_exporter_that_is_not_installed_stops_the_start(traced, enabled_plugins, monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    with pytest.raises(StartupError, match="zipkin"):
        Site(
            traced.registry.core_settings.database_url.render_as_string(hide_password=False), enabled_plugins
        )


def test_where_it_is_configured_and_not_installed_it_is_off_and_says_so(
    empty_database_url, enabled_plugins, monkeypatch, caplog
):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    site = Site(empty_database_url, enabled_plugins)
    assert type(site.registry.tracer) is tracing.Tracer
    assert otel.NOT_INSTALLED in caplog.text
    site.close()
