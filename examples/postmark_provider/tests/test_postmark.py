import email
import email.policy
from dataclasses import replace

import pytest

from scheduling.plugin import Misconfigured, OutgoingEmail, Permanent, Throttled, Unavailable
from scheduling.testing.api_server import ApiAnswer, ApiServer
from scheduling.testing.providers import KEYS, MAIL, Mood, ProviderContract, make_provider
from scheduling_postmark import PostmarkProvider

MEMBERS = {"From", "To", "Subject", "TextBody", "HtmlBody", "Headers", "MessageStream"}


def error(status, code, message="something", headers=()):
    return ApiAnswer(status, {"ErrorCode": code, "Message": message}, dict(headers))


class PostmarkServer(ApiServer):
    """POST /email and GET /server as they are documented."""

    retry_after = 5.0

    def __init__(self):
        self.accepted = []
        super().__init__()

    @property
    def mails(self):
        return [self.delivered(mail) for mail in self.accepted]

    def answer(self, request):
        if request.headers["X-Postmark-Server-Token"] != self.secret or self.mood is Mood.REFUSES_US:
            return error(401, 10, "The Server Token you provided was invalid.")
        if self.mood is Mood.IS_BUSY:
            return error(429, 429, "Rate limit exceeded", {"Retry-After": "5"})
        if (request.method, request.path) == ("GET", "/server"):
            return ApiAnswer(200, {"ID": 1, "Name": "Scheduling"})
        if (request.method, request.path) != ("POST", "/email"):
            return error(404, 404)
        return self.take(request.body)

    def take(self, mail):
        if self.mood is Mood.REFUSES_MAIL:
            return error(422, 406, "You tried to send to a recipient that has been marked as inactive.")
        texts = {name: value for name, value in mail.items() if name != "Headers"}
        if mail.keys() != MEMBERS or not all(isinstance(value, str) and value for value in texts.values()):
            return error(422, 300, "Invalid email request")
        if any(field.keys() != {"Name", "Value"} for field in mail["Headers"]):
            return error(422, 300, "Invalid 'Headers'")
        self.accepted.append(mail)
        return ApiAnswer(200, {"ErrorCode": 0, "Message": "OK", "MessageID": f"pm-{len(self.accepted)}"})

    def delivered(self, mail):
        fields = {field["Name"]: field["Value"] for field in mail["Headers"]}
        head = email.message_from_string(f"To: {mail['To']}\n\n", policy=email.policy.default)
        [recipient] = head["To"].addresses
        return OutgoingEmail(
            sender=mail["From"],
            to_name=recipient.display_name,
            to_address=recipient.addr_spec,
            subject=mail["Subject"],
            text=mail["TextBody"],
            html=mail["HtmlBody"],
            headers={name: fields[name] for name in MAIL.headers if name in fields},
        )


@pytest.fixture
def server():
    with PostmarkServer() as server:
        yield server


@pytest.fixture
def postmark(server):
    options = {"url": server.url, "message_stream": "bookings"}
    provider = make_provider(PostmarkProvider, options, server.secret)
    yield provider
    provider.close()


class TestPostmarkKeepsTheContract(ProviderContract):
    @pytest.fixture
    def other_side(self, server):
        return server

    @pytest.fixture
    def provider(self, server, patience):
        provider = make_provider(PostmarkProvider, {"url": server.url, "timeout": patience}, server.secret)
        yield provider
        provider.close()


def test_the_id_is_postmarks_and_the_stream_the_one_of_the_settings(server, postmark):
    assert postmark.send(MAIL, KEYS[0]).provider_id == "pm-1"
    assert server.accepted[0]["MessageStream"] == "bookings"


def test_a_repetition_has_the_same_message_id(server, postmark):
    for headers in ({}, {}, {"Message-ID": "<a@b>", "Date": "today"}):
        postmark.send(replace(MAIL, headers=headers), KEYS[3])
    keep = {"Name": "X-PM-KeepID", "Value": "true"}
    ours = {"Name": "Message-ID", "Value": f"<{KEYS[3]}@example.org>"}
    given = {"Name": "Message-ID", "Value": "<a@b>"}
    assert [mail["Headers"] for mail in server.accepted] == [[ours, keep], [ours, keep], [given, keep]]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (422, 300, Permanent),
        (422, 406, Permanent),
        (422, 400, Misconfigured),
        (422, 401, Misconfigured),
        (422, 405, Misconfigured),
        (422, 412, Misconfigured),
        (422, 413, Misconfigured),
        (429, 429, Throttled),
        (503, 100, Unavailable),
        (500, 0, Unavailable),
    ],
)
def test_postmarks_error_codes_are_sorted_and_told_in_its_own_words(server, postmark, status, code, kind):
    server.fixed = error(status, code, "as Postmark puts it")
    with pytest.raises(kind, match="as Postmark puts it") as raised:
        postmark.send(MAIL, KEYS[0])
    assert type(raised.value) is kind
