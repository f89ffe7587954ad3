"""Makes the MIME message that is sent of an e-mail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import TYPE_CHECKING

from scheduling.plugin import Misconfigured, OutgoingEmail, Permanent, mail_address

if TYPE_CHECKING:
    from collections.abc import Iterator

# Bodies as quoted-printable or base64, which a server without 8BITMIME takes too.
_POLICY = SMTP.clone(cte_type="7bit")
_ATOMS = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*")
_FIELD_NAME = re.compile(r"[!-9;-~]+")
# What ends a line for somebody: Header splits a text wherever str.splitlines() does.
_BREAK = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
_CRLF = "\r\n"
_MAX_LINE = 900
_MAX_WORD = 60
# RFC 2047, 2: how long a line with encoded words may be.
_MAX_ENCODED = 76


@dataclass(frozen=True)
class Mail:
    """Envelope and content."""

    sender: str
    recipient: str
    content: bytes

    @property
    def needs_smtputf8(self) -> bool:
        """True if an address has letters beyond ASCII before the @, for which there is no other spelling."""
        return not (self.sender.isascii() and self.recipient.isascii())


def compose(message: OutgoingEmail, key: str) -> Mail:
    """Write an e-mail, text and HTML as alternatives; a repetition of a key has the same Message-ID."""
    sender_name, sender = _sender(message)
    try:
        recipient = _wire_address(message.to_address)
        fields = {
            "From": _mailbox("From", sender_name, sender),
            "To": _mailbox("To", message.to_name, recipient),
            "Subject": _text("Subject", message.subject),
            **dict(_further_fields(message, key, sender)),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return Mail(sender, recipient, head.encode() + _body(message))
    except ValueError as error:
        # Its text could have a part of the e-mail.
        raise Permanent(f"the e-mail cannot be written: {type(error).__name__}") from None


def _sender(message: OutgoingEmail) -> tuple[str, str]:
    name, address = parseaddr(message.sender)
    try:
        return name, _wire_address(address)
    except ValueError:
        raise Misconfigured(f"EMAIL_FROM has no valid address: {message.sender!r}") from None


def _further_fields(message: OutgoingEmail, key: str, sender: str) -> Iterator[tuple[str, str]]:
    given = {name.lower() for name in message.headers}
    if "date" not in given:
        yield "Date", format_datetime(datetime.now(UTC))
    if "message-id" not in given:
        yield "Message-ID", f"<{key}@{sender.rpartition('@')[2]}>"
    for name, value in message.headers.items():
        yield name, _plain(name, value)


def _body(message: OutgoingEmail) -> bytes:
    body = EmailMessage(policy=_POLICY)
    body.set_content(message.text)
    body.add_alternative(message.html, subtype="html")
    return body.as_bytes()


# EmailMessage would fold these fields in ways that break them: it encodes a long URL in List-Unsubscribe, and
# Python 3.11 drops the quotes of a long name, so that a comma in it starts another address. Header does not.


def _plain(name: str, value: str) -> str:
    """Write a field of names and numbers as it is, or encoded if no line can hold it."""
    _check(name, value)
    return value if value.isascii() and len(value) < _MAX_LINE else _encoded(name, value)


def _text(name: str, value: str) -> str:
    """Write a field of words, encoded where it has to be."""
    _check(name, value)
    # What looks encoded and is not would be read as something else; a long word could not be folded.
    plain = value.isascii() and "=?" not in value and all(len(word) < _MAX_WORD for word in value.split())
    return Header(value, header_name=name).encode(linesep=_CRLF) if plain else _encoded(name, value)


def _mailbox(field: str, name: str, address: str) -> str:
    if not name:
        return address
    return f"{(_text if _ATOMS.fullmatch(name) else _encoded)(field, name)} <{address}>"


def _encoded(name: str, value: str) -> str:
    _check(name, value)
    return Header(value, "utf-8", header_name=name).encode(linesep=_CRLF, maxlinelen=_MAX_ENCODED)


def _check(name: str, value: str) -> None:
    if not _FIELD_NAME.fullmatch(name) or _BREAK.search(value):
        raise ValueError


def _wire_address(address: str) -> str:
    """Return an address with its domain in ASCII."""
    local, _, domain = address.rpartition("@")
    if not local or not domain or re.search(r"[\s<>\0]", address):
        raise ValueError
    return mail_address(address)
