"""Traces of real processes arrive at a collector, also what they did last before their end."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from scheduling.testing.processes import Installation, wait_for

PRODUCTION = Path(__file__).parents[2] / "production.ini"


class Collector(ThreadingHTTPServer):
    """Takes what OTLP exporters send (https://opentelemetry.io/docs/specs/otlp/#otlphttp)."""

    daemon_threads = True

    def __init__(self):
        self.resources = []
        super().__init__(("127.0.0.1", 0), Receiver)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def environ(self):
        # The default waits five seconds before it sends.
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.server_port}"}

    def spans(self):
        """Return what came: the service, the trace, the parent, the step and the name of each span."""
        return [
            (
                next(
                    item.value.string_value
                    for item in spans.resource.attributes
                    if item.key == "service.name"
                ),
                span.trace_id.hex(),
                span.parent_span_id.hex(),
                span.span_id.hex(),
                span.name,
            )
            for spans in list(self.resources)
            for scope in spans.scope_spans
            for span in scope.spans
        ]


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/v1/traces"
        self.server.resources += ExportTraceServiceRequest.FromString(body).resource_spans
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def collector():
    with Collector() as server:
        yield server
        server.shutdown()


@pytest.mark.parametrize("server", ["waitress", "granian"])
def test_a_request_and_its_mail_are_one_trace_over_processes(tmp_path, postgres, redis, collector, server):
    url = postgres.create_database(f"otel_{server}")
    with Installation(tmp_path, PRODUCTION, url, redis.url, collector.environ) as site:
        site.upgrade()
        site.serve("--processes", "1" if server == "waitress" else "2", "--server", server)
        worker = site.add_worker()
        for process in (site.web.start(), worker.start()):
            process.wait_until_ready()
        site.register()
        wait_for(lambda: worker.metric("scheduling_outbox_messages_total", state="done"))
        for process in (site.web, worker):
            process.terminate()
        assert [process.wait(30) for process in (site.web, worker)] == [0, 0], site.web.output
    spans = {name: span for *span, name in collector.spans()}
    request, delivery = spans["POST /api/v1/auth/register"], spans["process email"]
    assert request[0] == delivery[0] == "scheduling"
    assert request[1] == delivery[1]
    assert delivery[2] == request[3]
    # What the relay asks all the time is in no trace.
    assert {name for name, span in spans.items() if not span[2]} == {"POST /api/v1/auth/register"}


def test_a_collector_that_is_away_keeps_nothing_from_ending(tmp_path):
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SERVICE_NAME": "ours"}
    url = f"sqlite:///{tmp_path}/web.db"
    with Installation(tmp_path, PRODUCTION, url, "redis://127.0.0.1:1/0", environ) as site:
        site.upgrade()
        site.serve("--processes", "1")
        site.web.start().wait_until_ready()
        assert site.call("GET", "/bookings").status == 401
        site.web.terminate()
        assert site.web.wait(20) == 0
