import logging
import re
from dataclasses import replace
from email.header import decode_header, make_header

import pytest

from scheduling.plugin import Ambiguous, Misconfigured, OutgoingEmail, Permanent, Throttled, Unavailable
from scheduling.testing.api_server import ApiAnswer, ApiServer
from scheduling.testing.providers import KEYS, MAIL, Mood, ProviderContract, failure, make_provider
from scheduling_email_resend import ResendProvider

# The documented members that we use, with their types.
MEMBERS = {"from": str, "to": list, "subject": str, "html": str, "text": str, "headers": dict}
# Resend takes neither quotes nor punctuation that would need them.
ADDRESS = re.compile(r'([^",;<>()]+ <)?[^<>@\s"]+@[^<>@\s"]+>?')


def error(status, name, message="something", headers=()):
    return ApiAnswer(status, {"statusCode": status, "name": name, "message": message}, dict(headers))


class ResendServer(ApiServer):
    """POST /emails and GET /domains as they are documented, with idempotency keys."""

    retry_after = 3.0

    def __init__(self):
        self.accepted = {}
        self.sending_only = False
        super().__init__()

    @property
    def mails(self):
        return [self.delivered(mail) for mail in self.accepted.values()]

    def answer(self, request):
        if not request.headers["User-Agent"]:
            return error(403, "error 1010")
        if request.headers["Authorization"] != f"Bearer {self.secret}" or self.mood is Mood.REFUSES_US:
            return error(403, "invalid_api_key", "API key is invalid.")
        if self.mood is Mood.IS_BUSY:
            return error(429, "rate_limit_exceeded", headers={"ratelimit-reset": "1", "retry-after": "3"})
        if (request.method, request.path) == ("GET", "/domains"):
            restricted = error(401, "restricted_api_key", "This API key is restricted to only send emails.")
            return restricted if self.sending_only else ApiAnswer(200, {"object": "list", "data": []})
        if (request.method, request.path) != ("POST", "/emails"):
            return error(404, "not_found", "The requested endpoint does not exist.")
        return self.take(request)

    def take(self, request):
        key = request.headers["Idempotency-Key"]
        if not key or len(key) > 256:
            return error(400, "invalid_idempotency_key", "The key must be between 1-256 chars.")
        if self.mood is Mood.REFUSES_MAIL:
            return error(422, "validation_error", "Invalid `to` field.")
        if wrong := self.mistake(request.body):
            return error(422, "validation_error", f"Invalid `{wrong}` field.")
        if self.accepted.setdefault(key, request.body) != request.body:
            return error(409, "invalid_idempotent_request", "The key has been used with another payload.")
        return ApiAnswer(200, {"id": f"re-{key}"})

    def mistake(self, mail):
        for name, value in mail.items():
            if type(value) is not MEMBERS.get(name):
                return name
        if "from" not in mail or "=?" in mail["from"] or not ADDRESS.fullmatch(mail["from"]):
            return "from"
        if len(mail["to"]) != 1 or not ADDRESS.fullmatch(mail["to"][0]) or not mail["to"][0].isascii():
            return "to"
        headers = mail.get("headers", {"x": "x"})
        return "headers" if not headers or "" in headers.values() else None

    def delivered(self, mail):
        name, _, address = mail["to"][0].rpartition(" ")
        return OutgoingEmail(
            sender=mail["from"],
            to_name=str(make_header(decode_header(name))),
            to_address=address.strip("<>"),
            subject=mail["subject"],
            text=mail["text"],
            html=mail["html"],
            headers=mail.get("headers", {}),
        )


@pytest.fixture
def server():
    with ResendServer() as server:
        yield server


@pytest.fixture
def resend(server):
    provider = make_provider(ResendProvider, {"url": server.url}, server.secret)
    yield provider
    provider.close()


class TestResendKeepsTheContract(ProviderContract):
    @pytest.fixture
    def other_side(self, server):
        return server

    @pytest.fixture
    def provider(self, server, patience):
        provider = make_provider(ResendProvider, {"url": server.url, "timeout": patience}, server.secret)
        yield provider
        provider.close()


def test_the_key_is_resends_idempotency_key_and_the_id_its_own(server, resend):
    assert (resend.deduplicates, resend.deduplicates_for) == (True, 24 * 3600)
    assert resend.send(MAIL, KEYS[5]).provider_id == f"re-{KEYS[5]}"
    assert list(server.accepted) == [KEYS[5]]


def test_a_repetition_on_another_day_is_the_same_request(server, resend):
    for date in ("Mon, 01 Mar 2027 10:00:00 +0000", "Tue, 02 Mar 2027 10:00:00 +0000"):
        resend.send(replace(MAIL, headers={"Date": date, "Message-ID": "<a@b>"}), KEYS[0])
    assert [mail.headers for mail in server.mails] == [{}]


@pytest.mark.parametrize("sender", ["noreply@example.org", "Zoë & Söhne <noreply@example.org>"])
def test_the_sender_is_written_as_resend_wants_it(server, resend, sender):
    resend.send(replace(MAIL, sender=sender), KEYS[0])
    assert server.mails[0].sender == sender


def test_a_sender_that_resend_does_not_take_is_a_matter_of_configuration(server, resend):
    with pytest.raises(Misconfigured):
        resend.send(replace(MAIL, sender='"Doe, Jane" <noreply@example.org>'), KEYS[0])


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (409, "concurrent_idempotent_requests", Ambiguous),
        (400, "invalid_idempotency_key", Permanent),
        (422, "missing_required_field", Permanent),
        (451, "security_error", Permanent),
        (422, "invalid_from_address", Misconfigured),
        (429, "daily_quota_exceeded", Misconfigured),
        (429, "monthly_quota_exceeded", Misconfigured),
        (401, "missing_api_key", Misconfigured),
        (403, "validation_error", Misconfigured),
        (429, "rate_limit_exceeded", Throttled),
        (500, "application_error", Unavailable),
    ],
)
def test_resends_errors_are_sorted_by_name_and_told_in_its_own_words(server, resend, status, name, kind):
    server.fixed = error(status, name, "as Resend puts it")
    with pytest.raises(kind, match=f"{status} {name}: as Resend puts it") as raised:
        resend.send(MAIL, KEYS[0])
    assert type(raised.value) is kind


def test_the_check_is_content_with_a_key_that_may_only_send(server, resend):
    server.sending_only = True
    resend.check()


def test_an_answer_without_an_id_is_no_success(server, resend):
    server.fixed = ApiAnswer(200, {"welcome": "to the hotel's network"})
    with pytest.raises(Ambiguous):
        resend.send(MAIL, KEYS[0])


def test_an_email_that_resend_has_with_another_content_is_sent(server, resend, caplog):
    caplog.set_level(logging.INFO, "scheduling_email_resend")
    resend.send(MAIL, KEYS[0])
    assert resend.send(replace(MAIL, subject="Moved"), KEYS[0]).provider_id is None
    assert [mail.subject for mail in server.mails] == [MAIL.subject]
    assert KEYS[0] in caplog.text


def test_a_key_that_another_worker_is_sending_is_asked_about_soon(server, resend):
    server.fixed = error(409, "concurrent_idempotent_requests")
    assert 0 < failure(resend).retry_after < 60
