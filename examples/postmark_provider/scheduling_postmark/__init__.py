"""Postmark as an e-mail provider (https://postmarkapp.com/developer/api/email-api)."""

from __future__ import annotations

from email.headerregistry import Address
from email.utils import parseaddr
from http import HTTPStatus
from typing import Any

from marshmallow import fields

from scheduling.email.http import Answer, HttpProvider, HttpSettings, api_url
from scheduling.plugin import Misconfigured, OutgoingEmail, Permanent, SendResult, Unavailable

# Postmark makes these itself, or has members for them.
_NOT_OURS_TO_SET = frozenset(
    [
        *("from", "to", "cc", "bcc", "reply-to", "subject", "date", "mime-version"),
        *("content-type", "content-transfer-encoding"),
    ]
)

# https://postmarkapp.com/developer/api/overview#error-codes: the account's fault, and not the e-mail's.
_OUR_FAULT = frozenset({10, 400, 401, 405, 412, 413})
_MAINTENANCE = 100


class PostmarkSettings(HttpSettings):
    """``postmark.…`` in the ini file, SCHEDULING_POSTMARK_… in the environment."""

    url = api_url("https://api.postmarkapp.com")
    message_stream = fields.String(load_default="outbound")


class PostmarkProvider(HttpProvider):
    """Sends through Postmark, which has no idempotency keys but keeps our Message-ID."""

    settings_schema = PostmarkSettings

    def authorization(self, key: str) -> dict[str, str]:
        """Return the header with the server's token."""
        return {"X-Postmark-Server-Token": key}

    def send(self, message: OutgoingEmail, idempotency_key: str) -> SendResult:
        """Hand an e-mail over."""
        answer = self.post("/email", self._mail(message, idempotency_key))
        sent_id = answer.text("MessageID")
        if answer.status != HTTPStatus.OK or answer.body.get("ErrorCode") or not sent_id:
            raise self._refusal(answer, Permanent)
        return SendResult(sent_id)

    def check(self) -> None:
        """Ask whether the token is good."""
        answer = self.get("/server")
        if answer.status != HTTPStatus.OK:
            raise self._refusal(answer, Misconfigured)

    def _refusal(self, answer: Answer, otherwise: type[Exception]) -> Exception:
        code = answer.body.get("ErrorCode")
        refusal = self.refusal(answer, f"{answer.text('Message')} (ErrorCode {code})", otherwise)
        if code == _MAINTENANCE:
            return Unavailable(str(refusal))
        return Misconfigured(str(refusal)) if code in _OUR_FAULT else refusal

    def _mail(self, message: OutgoingEmail, key: str) -> dict[str, Any]:
        name, address = parseaddr(message.sender)
        fields = {n: v for n, v in message.headers.items() if n.lower() not in _NOT_OURS_TO_SET}
        if "message-id" not in {name.lower() for name in fields}:
            fields["Message-ID"] = f"<{key}@{address.rpartition('@')[2]}>"
        fields["X-PM-KeepID"] = "true"
        return {
            "From": _mailbox(name, address),
            "To": _mailbox(message.to_name, message.to_address),
            "Subject": message.subject,
            "TextBody": message.text,
            "HtmlBody": message.html,
            "Headers": [{"Name": name, "Value": value} for name, value in fields.items()],
            "MessageStream": self.options["message_stream"],
        }


def _mailbox(name: str, address: str) -> str:
    user, _, domain = address.rpartition("@")
    try:
        return str(Address(name, user, domain))
    except ValueError:  # a line break
        raise Permanent("the name or the address is malformed") from None
