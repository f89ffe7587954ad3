"""SendGrid as an e-mail provider (https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send)."""

from __future__ import annotations

from email.utils import parseaddr, quote
from http import HTTPStatus
from typing import Any

from scheduling.email.http import Answer, HttpProvider, HttpSettings, api_url
from scheduling.plugin import Misconfigured, OutgoingEmail, Permanent, SendResult

# The documented reserved keys, and those that SendGrid makes itself.
_NOT_OURS_TO_SET = frozenset(
    [
        *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"),
        *("to", "from", "subject", "reply-to", "cc", "bcc", "date", "message-id", "mime-version"),
    ]
)


class SendGridSettings(HttpSettings):
    """``sendgrid.…`` in the ini file, SCHEDULING_SENDGRID_… in the environment."""

    url = api_url("https://api.sendgrid.com")
    """For EU subusers https://api.eu.sendgrid.com."""


class SendGridProvider(HttpProvider):
    """Sends through SendGrid, which has no idempotency keys."""

    settings_schema = SendGridSettings

    def send(self, message: OutgoingEmail, idempotency_key: str) -> SendResult:
        """Hand an e-mail over; the id is what SendGrid's activity feed shows."""
        answer = self.post("/v3/mail/send", _mail(message))
        if answer.status != HTTPStatus.ACCEPTED:
            raise self._refusal(answer, Permanent)
        return SendResult(answer.headers.get("X-Message-Id"))

    def check(self) -> None:
        """Ask whether the key is good and may send."""
        answer = self.get("/v3/scopes")
        if answer.status != HTTPStatus.OK:
            raise self._refusal(answer, Misconfigured)
        if "mail.send" not in (answer.body.get("scopes") or ()):
            raise Misconfigured("the API key lacks the scope mail.send")

    def _refusal(self, answer: Answer, otherwise: type[Exception]) -> Exception:
        # An account that is kept in another region.
        if answer.status == HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS:
            otherwise = Misconfigured
        return self.refusal(answer, _reason(answer), otherwise)


def _mail(message: OutgoingEmail) -> dict[str, Any]:
    headers = {n: v for n, v in message.headers.items() if n.lower() not in _NOT_OURS_TO_SET}
    name, address = parseaddr(message.sender)
    return {
        "personalizations": [{"to": [_person(_recipient_name(message.to_name), message.to_address)]}],
        "from": _person(name, address),
        "subject": message.subject,
        # In this order, says the documentation.
        "content": [
            {"type": "text/plain", "value": message.text},
            {"type": "text/html", "value": message.html},
        ],
        **({"headers": headers} if headers else {}),
    }


def _person(name: str, address: str) -> dict[str, str]:
    return {"email": address, "name": name} if name else {"email": address}


def _recipient_name(name: str) -> str:
    # SendGrid puts it into the field as it is (https://github.com/sendgrid/sendgrid-python/issues/291).
    return f'"{quote(name)}"' if {",", ";", '"'} & set(name) else name


def _reason(answer: Answer) -> str:
    """Join the messages of ``{"errors": [{"message": …, "field": …}]}``."""
    errors = answer.body.get("errors")
    found = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    return "; ".join(f"{error.get('message')} (field {error.get('field')})" for error in found)
