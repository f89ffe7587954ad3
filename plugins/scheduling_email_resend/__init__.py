"""Resend as an e-mail provider (https://resend.com/docs/api-reference/emails/send-email)."""

from __future__ import annotations

import logging
import re
from email.header import Header
from email.utils import parseaddr
from http import HTTPStatus
from typing import Any

from scheduling.email.http import Answer, HttpProvider, HttpSettings, api_url
from scheduling.plugin import Ambiguous, Misconfigured, OutgoingEmail, Permanent, SendResult

logger = logging.getLogger(__name__)

# Resend makes these itself. A Date would also differ between attempts, and then the key were refused.
_NOT_OURS_TO_SET = frozenset(
    [
        *("date", "message-id", "mime-version", "content-type", "content-transfer-encoding"),
        *("from", "to", "cc", "bcc", "subject"),
    ]
)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*")

# https://resend.com/docs/api-reference/errors: what is the account's fault and not the e-mail's.
_OUR_FAULT = frozenset({"daily_quota_exceeded", "monthly_quota_exceeded", "invalid_from_address"})
# Another request with the key is under way, as one of a worker that has lost its lease.
_IN_PROGRESS = "concurrent_idempotent_requests"
_IN_PROGRESS_WAIT = 5.0
# The key belongs to an e-mail that Resend has accepted, whose content was another one.
_SENT_OTHERWISE = "invalid_idempotent_request"


class ResendSettings(HttpSettings):
    """``resend.…`` in the ini file, SCHEDULING_RESEND_… in the environment."""

    url = api_url("https://api.resend.com")


class ResendProvider(HttpProvider):
    """Sends through Resend, which sends an e-mail once however often the same key is repeated in a day."""

    deduplicates = True
    deduplicates_for = 24 * 3600.0
    settings_schema = ResendSettings

    def send(self, message: OutgoingEmail, idempotency_key: str) -> SendResult:
        """Hand an e-mail over; a repetition is answered with the id of the first.

        If Resend has accepted the key with another content, the e-mail has been sent, and there is no id.
        """
        answer = self.post("/emails", _mail(message), {"Idempotency-Key": idempotency_key})
        if answer.status == HTTPStatus.CONFLICT and answer.text("name") == _SENT_OTHERWISE:
            # A worker was killed after it had handed the e-mail over and before that was written down, and
            # what the e-mail tells has changed since. What has changed becomes an e-mail of its own.
            logger.info("Resend accepted the e-mail %s before, with another content", idempotency_key)
            return SendResult(None)
        sent_id = answer.text("id")
        if answer.status != HTTPStatus.OK or not sent_id:
            raise self._refusal(answer, Permanent)
        return SendResult(sent_id)

    def check(self) -> None:
        """Ask whether the key is good; one that may only send is refused by name."""
        answer = self.get("/domains")
        if answer.status != HTTPStatus.OK and answer.text("name") != "restricted_api_key":
            raise self._refusal(answer, Misconfigured)

    def _refusal(self, answer: Answer, otherwise: type[Exception]) -> Exception:
        name, words = answer.text("name"), answer.text("message")
        reason = f"{name}: {words}" if name else words
        refusal = self.refusal(answer, reason, otherwise)
        if name == _IN_PROGRESS:
            return Ambiguous(str(refusal), _IN_PROGRESS_WAIT)
        if name in _OUR_FAULT or (name == "validation_error" and "`from`" in words):
            return Misconfigured(str(refusal))
        return refusal


def _mail(message: OutgoingEmail) -> dict[str, Any]:
    headers = {n: v for n, v in message.headers.items() if n.lower() not in _NOT_OURS_TO_SET}
    return {
        "from": _sender(message.sender),
        "to": [_recipient(message.to_name, message.to_address)],
        "subject": message.subject,
        "text": message.text,
        "html": message.html,
        **({"headers": headers} if headers else {}),
    }


def _sender(sender: str) -> str:
    # Resend takes a name in any script here, but neither quotes nor encoded words.
    name, address = parseaddr(sender)
    return f"{name} <{address}>" if name else address


def _recipient(name: str, address: str) -> str:
    # Here it takes encoded words, and still no quotes.
    if not name:
        return address
    plain = _PLAIN_NAME.fullmatch(name) and "=?" not in name
    return f"{name if plain else Header(name, 'utf-8').encode(linesep='')} <{address}>"
