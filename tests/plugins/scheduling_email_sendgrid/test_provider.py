import re
from dataclasses import replace
from email.utils import formataddr

import pytest

from scheduling.plugin import Ambiguous, Misconfigured, OutgoingEmail, Permanent, Throttled, Unavailable
from scheduling.testing.api_server import ApiAnswer, ApiServer
from scheduling.testing.providers import KEYS, MAIL, Mood, ProviderContract, make_provider
from scheduling_email_sendgrid import SendGridProvider

RESERVED = {
    *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"),
    *("to", "from", "subject", "reply-to", "cc", "bcc"),
}
MEMBERS = {"personalizations", "from", "subject", "content", "headers"}


def error(status, message, field=None, headers=()):
    return ApiAnswer(status, {"errors": [{"message": message, "field": field, "help": None}]}, dict(headers))


class SendGridServer(ApiServer):
    """POST /v3/mail/send and GET /v3/scopes as they are documented, and no member that we have no use for."""

    retry_after = 7.0

    def __init__(self):
        self.accepted = []
        self.scopes = ["mail.send", "sender_verification_eligible"]
        super().__init__()

    @property
    def mails(self):
        return [self.delivered(mail) for mail in self.accepted]

    def answer(self, request):
        if request.headers["Authorization"] != f"Bearer {self.secret}" or self.mood is Mood.REFUSES_US:
            return error(401, "The provided authorization grant is invalid, expired, or revoked")
        if self.mood is Mood.IS_BUSY:
            return error(429, "too many requests", headers={"Retry-After": "7"})
        if (request.method, request.path) == ("GET", "/v3/scopes"):
            return ApiAnswer(200, {"scopes": self.scopes})
        if (request.method, request.path) != ("POST", "/v3/mail/send"):
            return error(404, "not found")
        return self.take(request)

    def take(self, request):
        if request.headers["Content-Type"] != "application/json":
            return error(415, "Content-Type should be application/json.")
        if self.mood is Mood.REFUSES_MAIL:
            return error(400, "Does not contain a valid address.", "personalizations.0.to.0.email")
        if wrong := "; ".join(self.mistakes(request.body)):
            return error(400, wrong)
        self.accepted.append(request.body)
        return ApiAnswer(202, headers={"X-Message-Id": f"sg-{len(self.accepted)}"})

    def mistakes(self, mail):
        if not isinstance(mail, dict) or not mail.keys() <= MEMBERS:
            yield "Bad Request"
            return
        people = [mail["from"], *mail["personalizations"][0]["to"]]
        if mail["personalizations"] != [{"to": people[1:]}] or len(people) != 2:
            yield "personalizations"
        if not all(person.keys() <= {"email", "name"} and "@" in person["email"] for person in people):
            yield "Does not contain a valid address."
        if any(not isinstance(name, str) or not name for person in people for name in person.values()):
            yield "names"
        if not isinstance(mail["subject"], str) or not mail["subject"]:
            yield "The subject is required."
        if [part.keys() for part in mail["content"]] != [{"type", "value"}] * 2:
            yield "content"
        if [part["type"] for part in mail["content"]] != ["text/plain", "text/html"]:
            yield "text/plain must be first"
        for name, value in mail.get("headers", {"x": "x"}).items():
            if name.lower() in RESERVED or not isinstance(value, str) or not value.isascii():
                yield f"Header {name} can not be one of the reserved keys."

    def delivered(self, mail):
        [recipient] = mail["personalizations"][0]["to"]
        text, html = mail["content"]
        return OutgoingEmail(
            sender=formataddr((mail["from"].get("name", ""), mail["from"]["email"])),
            to_name=self.name_in_field(recipient.get("name", "")),
            to_address=recipient["email"],
            subject=mail["subject"],
            text=text["value"],
            html=html["value"],
            headers=mail.get("headers", {}),
        )

    def name_in_field(self, name):
        """SendGrid writes the name as it is: quotes are the sender's business."""
        if quoted := re.fullmatch(r'"((?:[^"\\]|\\.)*)"', name):
            return re.sub(r"\\(.)", r"\1", quoted[1])
        return name.split(",")[0].split(";")[0].replace('"', "")


@pytest.fixture
def server():
    with SendGridServer() as server:
        yield server


@pytest.fixture
def sendgrid(server):
    provider = make_provider(SendGridProvider, {"url": server.url}, server.secret)
    yield provider
    provider.close()


class TestSendGridKeepsTheContract(ProviderContract):
    @pytest.fixture
    def other_side(self, server):
        return server

    @pytest.fixture
    def provider(self, server, patience):
        provider = make_provider(SendGridProvider, {"url": server.url, "timeout": patience}, server.secret)
        yield provider
        provider.close()


def test_the_id_is_the_one_of_the_activity_feed(server, sendgrid):
    assert sendgrid.send(MAIL, KEYS[0]).provider_id == "sg-1"


def test_header_fields_that_sendgrid_makes_itself_are_left_out(server, sendgrid):
    headers = {"Auto-Submitted": "auto-generated", "Date": "today", "Message-ID": "<a@b>", "Reply-To": "c@d"}
    sendgrid.send(replace(MAIL, headers=headers), KEYS[0])
    sendgrid.send(replace(MAIL, headers={}), KEYS[1])
    assert [mail.get("headers") for mail in server.accepted] == [{"Auto-Submitted": "auto-generated"}, None]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(400, "The subject is required."), Permanent),
        (error(413, "content too large"), Permanent),
        (error(401, "Maximum credits exceeded"), Misconfigured),
        (error(403, "The from address does not match a verified Sender Identity."), Misconfigured),
        (error(451, "data residency"), Misconfigured),
        (error(429, "too many requests"), Throttled),
        (error(500, "internal server error"), Unavailable),
        (ApiAnswer(200, {"a": "page of somebody else"}), Ambiguous),
    ],
)
def test_what_sendgrid_refuses_is_told_in_its_own_words(server, sendgrid, answer, kind):
    server.fixed = answer
    with pytest.raises(kind) as raised:
        sendgrid.send(MAIL, KEYS[0])
    assert type(raised.value) is kind
    words = answer.body.get("errors", [{"message": "200"}])[0]["message"]
    assert words in str(raised.value)


def test_a_key_that_may_not_send_is_found_by_the_check(server, sendgrid):
    server.scopes = ["alerts.read"]
    with pytest.raises(Misconfigured, match=r"mail\.send"):
        sendgrid.check()


@pytest.mark.parametrize("body", [{"errors": None}, {"errors": ["no"]}, ["no"], "no", None])
def test_an_error_in_another_form_is_sorted_all_the_same(server, sendgrid, body):
    server.fixed = ApiAnswer(400, body)
    with pytest.raises(Permanent, match="400"):
        sendgrid.send(MAIL, KEYS[0])
    with pytest.raises(Misconfigured):
        sendgrid.check()
