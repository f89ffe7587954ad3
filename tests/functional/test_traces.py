"""One trace from a request over its outbox rows to what a worker calls (W3C Trace Context)."""

import io
import json
import logging
import re

import pytest
import sqlalchemy as sa

from scheduling import tracing
from scheduling.db.session import session_scope
from scheduling.logs import JsonFormatter, TextFormatter
from scheduling.messaging.consumers import Consumer
from scheduling.messaging.models import State, outbox
from scheduling.messaging.outbox import enqueue
from scheduling.messaging.outcomes import Transient
from scheduling.times import utcnow
from tests.kit.factories import BOOKING

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def written():
    """A function that has all log lines written by a formatter, and one that returns them."""
    handlers = []
    root = logging.getLogger()
    level = root.level

    def written(formatter):
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        handlers.append(handler)
        return stream.getvalue

    yield written
    root.setLevel(level)
    for handler in handlers:
        root.removeHandler(handler)


@pytest.fixture
def json_lines(written):
    text = written(JsonFormatter())
    return lambda: [json.loads(line) for line in text().splitlines()]


def rows(site):
    with session_scope(site.registry) as db:
        return db.rows(sa.select(outbox).order_by(outbox.c.created_at))


def put(site, **values):
    with session_scope(site.registry) as db:
        message_id = enqueue(db, consumer="probe", kind="PROBE", payload={})
        db.commit()
        if values:
            db.write(sa.update(outbox).where(outbox.c.id == message_id).values(**values))
    return message_id


@pytest.fixture
def handle(site, monkeypatch):
    """A function that has another one handle the messages to ``probe``."""

    def handle(handler, attempts=3):
        monkeypatch.setitem(site.registry.outbox_consumers, "probe", Consumer(handler, attempts))

    return handle


# Requests


def test_a_request_goes_on_with_the_trace_of_its_client(site, json_lines):
    site.app.get("/health", headers={"traceparent": TRACEPARENT, "X-Request-ID": "req-1"})
    [line] = json_lines()
    assert (line["trace_id"], line["request_id"]) == (TRACE, "req-1")


@pytest.mark.parametrize("header", [None, f"00-{TRACE}-{SPAN}-01-more", f"{TRACEPARENT},{TRACEPARENT}"])
def test_a_request_without_a_valid_one_has_a_trace_of_its_own(site, json_lines, header):
    headers = {} if header is None else {"traceparent": header}
    for _ in range(2):
        site.app.get("/health", headers=headers)
    ids = {line["trace_id"] for line in json_lines()}
    assert len(ids) == 2
    assert TRACE not in ids
    assert all(re.fullmatch("[0-9a-f]{32}", trace_id) for trace_id in ids)


def test_whoever_writes_a_line_for_a_request_says_for_which(site, json_lines, monkeypatch):
    monkeypatch.setattr(site.registry.tokens, "verify", fails)
    headers = {"traceparent": TRACEPARENT, "X-Request-ID": "req-1", "Authorization": "Bearer x"}
    site.app.get("/api/v1/users/me", headers=headers, status=500)
    lines = json_lines()
    assert {line["logger"] for line in lines} == {"somebody", "scheduling.web.problems", "scheduling.access"}
    assert {(line["request_id"], line["trace_id"]) for line in lines} == {("req-1", TRACE)}
    logging.getLogger("somebody").warning("after the request")
    assert json_lines()[-1].keys().isdisjoint({"request_id", "trace_id"})


def fails(*_):
    logging.getLogger("somebody").warning("100 %% of nothing")
    raise RuntimeError("oh no")


def test_a_traceback_in_a_text_log_stands_below_the_request_it_belongs_to(site, written, monkeypatch):
    text = written(TextFormatter("%(levelname)s %(name)s: %(message)s"))
    monkeypatch.setattr(site.registry.tokens, "verify", fails)
    headers = {"traceparent": TRACEPARENT, "X-Request-ID": "req-1", "Authorization": "Bearer x"}
    answer = site.app.get("/api/v1/users/me", headers=headers, status=500)
    assert answer.json["request_id"] == "req-1"
    somebody, unexpected, traceback, *_, access = text().splitlines()
    assert somebody == f"WARNING somebody: 100 %% of nothing request_id=req-1 trace_id={TRACE}"
    assert unexpected == f"ERROR scheduling.web.problems: Unexpected error request_id=req-1 trace_id={TRACE}"
    assert traceback == "Traceback (most recent call last):"
    assert access.count("req-1") == access.count(TRACE) == 1


# Messages


def test_what_a_request_leaves_in_the_outbox_is_in_its_trace(site):
    alice = site.user()
    site.deliver()
    alice.post("/bookings", BOOKING, headers={"traceparent": TRACEPARENT}, status=201)
    _, row = rows(site)
    span = tracing.parse(row.traceparent)
    assert (span.trace_id, span.sampled) == (TRACE, True)
    assert span.span_id != SPAN


def test_without_a_client_that_traces_the_rows_are_in_the_trace_of_the_log(site, json_lines):
    site.user()
    [line] = json_lines()
    [row] = rows(site)
    assert tracing.parse(row.traceparent).trace_id == line["trace_id"]


def test_a_handler_is_told_the_trace_and_each_attempt_is_a_step_of_its_own(site, handle, json_lines):
    told = []

    def handler(message, registry):
        told.append(message.traceparent)
        logging.getLogger("somebody").info("at work")
        raise Transient("later", retry_after=0)

    handle(handler)
    put(site, traceparent=TRACEPARENT)
    assert site.deliver() == [State.RETRY, State.RETRY, State.DEAD]
    spans = [tracing.parse(header) for header in told]
    assert {(span.trace_id, span.sampled) for span in spans} == {(TRACE, True)}
    assert len({SPAN, *(span.span_id for span in spans)}) == 4
    lines = json_lines()
    assert {line["logger"] for line in lines} == {"somebody", "scheduling.messaging.results"}
    assert {line["trace_id"] for line in lines} == {TRACE}


def test_what_a_handler_leaves_in_the_outbox_is_in_the_same_trace(site, handle):
    def handler(message, registry):
        if message.kind == "PROBE":
            with session_scope(registry) as db:
                enqueue(db, consumer="probe", kind="SECOND", payload={})

    handle(handler)
    put(site, traceparent=TRACEPARENT)
    assert site.deliver() == [State.DONE, State.DONE]
    first, second = rows(site)
    assert tracing.parse(second.traceparent).trace_id == TRACE
    assert second.traceparent != first.traceparent


@pytest.mark.parametrize("header", [None, "nonsense"])
def test_a_message_without_a_trace_begins_one(site, handle, header):
    told = []
    handle(lambda message, registry: told.append(message.traceparent))
    put(site, traceparent=header)
    assert site.deliver() == [State.DONE]
    assert tracing.parse(told[0])


def test_the_trace_ends_with_the_message(site, handle):
    handle(lambda message, registry: None)
    put(site, traceparent=TRACEPARENT)
    site.deliver()
    assert tracing.current() is None


def test_the_release_before_writes_and_reads_rows_as_it_always_did(site, handle):
    handle(lambda message, registry: None)
    now = utcnow()
    old = {"kind": "PROBE", "consumer": "probe", "payload": {}, "state": "pending"}
    with session_scope(site.registry) as db:
        db.write(sa.insert(outbox).values(id=sa.Uuid().python_type(int=7), due_at=now, created_at=now, **old))
    assert site.deliver() == [State.DONE]


def test_an_admin_sees_which_trace_a_message_is_of(site):
    admin = site.user("Ada", admin=True)
    [row] = rows(site)
    assert admin.get(f"/outbox/{row.id}").json["traceparent"] == row.traceparent
