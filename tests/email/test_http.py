import socket
import ssl
import threading
from dataclasses import replace
from datetime import UTC, datetime

import httpx2
import marshmallow
import pytest
import trustme

from scheduling import tracing
from scheduling.email.http import Answer, HttpProvider, HttpSettings, api_url, retry_after
from scheduling.plugin import Ambiguous, Misconfigured, Permanent, SendResult, Throttled, Unavailable
from scheduling.testing.api_server import ApiAnswer, ApiServer
from scheduling.testing.providers import KEYS, MAIL, failure, make_provider

NOW = datetime(2027, 3, 1, 12, 0, 0, tzinfo=UTC)


class PlainSettings(HttpSettings):
    url = api_url("https://api.example.org")


class PlainProvider(HttpProvider):
    settings_schema = PlainSettings

    def send(self, message, idempotency_key):
        answer = self.post("/mail", {"key": idempotency_key, "text": message.text})
        if answer.status != 201:
            raise self.refusal(answer, answer.text("why"))
        return SendResult(answer.text("id"))

    def check(self):
        answer = self.get("/me")
        if answer.status != 200:
            raise self.refusal(answer, answer.text("why"), Misconfigured)


class PlainServer(ApiServer):
    def answer(self, request):
        return ApiAnswer(200 if request.method == "GET" else 201, {"id": "7"})

    @property
    def mails(self):
        return []


class TlsServer(PlainServer):
    def __init__(self, certificate):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self.context)
        super().__init__()

    def make_server(self):
        server = super().make_server()
        server.socket = self.context.wrap_socket(server.socket, server_side=True)
        return server

    @property
    def url(self):
        return super().url.replace("http:", "https:")


@pytest.fixture
def server():
    with PlainServer() as server:
        yield server


@pytest.fixture
def connect(request):
    def connect(url, key="k3y", timeout="10"):
        provider = make_provider(PlainProvider, {"url": url, "timeout": timeout}, key)
        request.addfinalizer(provider.close)
        return provider

    return connect


@pytest.mark.parametrize(
    "url", ["http://api.example.org", "ftp://127.0.0.1", "api.example.org", "http://[", "https://"]
)
def test_a_url_over_which_the_key_could_be_read_is_refused(url):
    with pytest.raises(marshmallow.ValidationError):
        PlainSettings().load({"url": url})


@pytest.mark.parametrize(
    "url", ["https://eu.example.org/v3", "http://127.0.0.1:8080", "http://localhost", "http://[::1]:1"]
)
def test_a_url_is_https_or_on_this_machine(url):
    assert PlainSettings().load({"url": url})["url"] == url


@pytest.mark.parametrize("timeout", ["0", "31", "-1", "nan"])
def test_a_timeout_that_would_outlive_the_lease_is_refused(timeout):
    with pytest.raises(marshmallow.ValidationError):
        PlainSettings().load({"timeout": timeout})


@pytest.mark.parametrize("key", ["", " \n", "two words", "schlüssel", "line\nline"])
def test_a_key_that_is_none_stops_the_start_and_is_not_repeated(connect, key):
    with pytest.raises(Misconfigured, match="EMAIL_API_KEY") as raised:
        connect("https://api.example.org", key)
    assert not key.strip() or key not in str(raised.value)


def test_the_line_end_of_a_secrets_file_is_no_part_of_the_key(server, connect):
    connect(server.url, "k3y\n").send(MAIL, KEYS[0])
    assert server.requests[0].headers["Authorization"] == "Bearer k3y"


def test_one_connection_is_used_for_many_emails(server, connect):
    provider = connect(server.url)
    for key in KEYS[:5]:
        assert provider.send(MAIL, key).provider_id == "7"
    assert server.connections == 1


def test_a_check_leaves_no_connection_open(server, connect):
    provider = connect(server.url)
    provider.check()
    provider.send(MAIL, KEYS[0])
    assert server.connections == 2


def test_a_path_of_the_base_url_is_kept(server, connect):
    connect(f"{server.url}/proxy").send(MAIL, KEYS[0])
    assert server.requests[0].path == "/proxy/mail"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Ambiguous),
        (302, Misconfigured),
        (400, Permanent),
        (401, Misconfigured),
        (402, Misconfigured),
        (403, Misconfigured),
        (404, Misconfigured),
        (405, Misconfigured),
        (407, Misconfigured),
        (408, Unavailable),
        (409, Permanent),
        (413, Permanent),
        (422, Permanent),
        (425, Unavailable),
        (429, Throttled),
        (500, Unavailable),
        (502, Ambiguous),
        (503, Unavailable),
        (504, Ambiguous),
        (599, Unavailable),
    ],
)
def test_each_status_is_sorted_by_what_to_do_next(server, connect, status, kind):
    server.fixed = ApiAnswer(status, {"why": "because"}, {"Location": "/elsewhere"})
    error = failure(connect(server.url))
    assert type(error) is kind
    assert f"answered {status} because" in str(error)


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_check_that_fails_is_a_matter_of_configuration(server, connect, status):
    server.fixed = ApiAnswer(status)
    with pytest.raises(Misconfigured):
        connect(server.url).check()


def test_words_of_the_other_side_are_kept_short_on_one_line_and_without_the_key(server, connect):
    server.fixed = ApiAnswer(400, {"why": "key k3y\nis\tnot one" + " of ours" * 1000})
    text = str(failure(connect(server.url)))
    assert "key (the key) is not one of ours" in text
    assert len(text) < 400


def test_an_answer_that_is_no_json_is_sorted_by_its_status(server, connect):
    server.fixed = ApiAnswer(503, "<html>")
    error = failure(connect(server.url))
    assert type(error) is Unavailable
    assert "503 Service Unavailable" in str(error)


def test_an_answer_without_end_is_given_up(server, connect):
    server.fixed = ApiAnswer(201, {"id": "7" * 100_000})
    assert type(failure(connect(server.url))) is Ambiguous


def test_a_check_that_nobody_answers_finds_an_outage_and_nothing_ambiguous(connect):
    with PlainServer() as server:
        server.answer = lambda request: server._ended.wait()
        with pytest.raises(Unavailable):
            connect(server.url, timeout="0.5").check()
        server._ended.set()


def test_a_server_that_does_not_read_an_email_to_its_end_is_unavailable(connect):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        huge = replace(MAIL, text="x" * 16_000_000)
        assert type(failure(connect(url, timeout="0.5"), huge)) is Unavailable


@pytest.mark.parametrize(("status", "kind"), [(429, Throttled), (500, Unavailable), (503, Unavailable)])
def test_an_outage_keeps_for_how_long_it_asked(server, connect, status, kind):
    server.fixed = ApiAnswer(status, headers={"Retry-After": "1"})
    error = failure(connect(server.url))
    assert (type(error), error.retry_after) == (kind, 1.0)


def test_an_email_that_cannot_be_json_is_permanent(server, connect):
    with pytest.raises(Permanent):
        connect(server.url).send(replace(MAIL, text="\ud800"), KEYS[0])


def test_a_certificate_of_nobody_known_is_a_matter_of_configuration(connect):
    with TlsServer(trustme.CA().issue_cert("127.0.0.1")) as server:
        provider = connect(server.url)
        error = failure(provider)
        with pytest.raises(Misconfigured):
            provider.check()
    assert type(error) is Misconfigured
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)
    assert server.requests == []


@pytest.mark.parametrize(("name", "kind"), [("127.0.0.1", None), ("elsewhere.example", Misconfigured)])
def test_a_certificate_counts_for_its_own_names_only(connect, monkeypatch, tmp_path, name, kind):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with TlsServer(authority.issue_cert(name)) as server:
        provider = connect(server.url)
        if kind:
            assert type(failure(provider)) is kind
        else:
            assert provider.send(MAIL, KEYS[0]).provider_id == "7"


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (503, {"Retry-After": "120"}, 120),
        (429, {"Retry-After": "0.5"}, 0.5),
        (503, {"Retry-After": "Mon, 01 Mar 2027 12:01:30 GMT"}, 90),
        (503, {"Retry-After": "Monday, 01-Mar-27 12:01:30 GMT"}, 90),
        (503, {"Retry-After": "Mon Mar  1 12:01:30 2027"}, 90),
        (503, {"Retry-After": "Mon, 01 Mar 2027 11:00:00 GMT"}, 0),
        (503, {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}, 86400),
        (429, {"Retry-After": "999999999999"}, 86400),
        (503, {"Retry-After": "soon"}, None),
        (503, {"Retry-After": "-5"}, None),
        (503, {"Retry-After": "1e9"}, None),
        (503, {}, None),
        (429, {"Retry-After": "7", "RateLimit-Reset": "1"}, 7),
        (429, {"ratelimit-reset": "2"}, 2),
        (429, {"X-RateLimit-Reset": str(int(NOW.timestamp()) + 30)}, 30),
        (503, {"X-RateLimit-Reset": str(int(NOW.timestamp()) + 30), "ratelimit-reset": "2"}, None),
    ],
)
def test_how_long_to_wait_is_read_from_what_the_other_side_says(status, headers, seconds):
    assert retry_after(Answer(status, httpx2.Headers(headers), {}), NOW) == seconds


def test_threads_that_wait_for_answers_do_not_wait_for_each_other(server, connect):
    both = threading.Barrier(2, timeout=10)

    def answer(request):
        both.wait()
        return ApiAnswer(201, {"id": "7"})

    server.react = answer
    provider = connect(server.url)
    threads = [threading.Thread(target=provider.send, args=(MAIL, key)) for key in KEYS[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not both.broken


def test_a_request_says_which_step_of_which_trace_it_belongs_to(server, connect):
    provider = connect(server.url)
    span = tracing.new_trace()
    with tracing.as_current(span):
        provider.send(MAIL, KEYS[0])
    provider.check()
    assert [request.headers["traceparent"] for request in server.requests] == [str(span), None]
