"""Hands e-mails to a mail server, and sorts what can go wrong by what to do next."""

from __future__ import annotations

import contextlib
import re
import smtplib
import ssl
from typing import TYPE_CHECKING, Any

from scheduling.plugin import (
    AddressRefused,
    Ambiguous,
    Deferred,
    EmailProvider,
    Misconfigured,
    OutgoingEmail,
    Permanent,
    SendResult,
    Settings,
    Transient,
    Unavailable,
)
from scheduling_email_smtp.connection import Connection, Pool, Reply, connect
from scheduling_email_smtp.mime import Mail, compose
from scheduling_email_smtp.settings import SmtpSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_REPLY_CHARACTERS = 200
# RFC 4954, 6: authentication required, too weak, failed, encryption needed.
_NOT_LOGGED_IN = frozenset({530, 534, 535, 538})
_TOO_LARGE = 552
_CLOSING = 421
# RFC 3463, 3.2 and RFC 7505: no such mailbox, no such domain, no address, no mail at all for the domain. What
# 5.7.x and a code alone refuse may be the sender, or this content.
_NO_MAILBOX = re.compile(rb"5\.1\.(1|2|3|10)(?![.\d])")


class SmtpProvider(EmailProvider):
    """Sends through a mail server. A repetition has the same Message-ID, by which some recipients drop it."""

    settings_schema = SmtpSettings

    def __init__(self, settings: Settings, options: dict[str, Any]) -> None:
        super().__init__(settings, options)
        try:
            self._tls = ssl.create_default_context(cafile=options["ca_file"] or None)
        except ssl.SSLError as error:
            raise Misconfigured(f"smtp.ca_file has no certificates: {options['ca_file']}") from error
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._own_name: str | None = None
        self._pool = Pool(self._connect, options["idle"])

    def send(self, message: OutgoingEmail, idempotency_key: str) -> SendResult:
        """Hand an e-mail over; the id is the server's reply, which mostly has its queue's number."""
        mail = compose(message, idempotency_key)
        with _sorted(self.options["host"]), self._pool.connection() as connection:
            _announce(connection, mail)
            return SendResult(_hand_over(connection, mail.content))

    def check(self) -> None:
        """Connect and log in, greeted within ``smtp.timeout`` too: the start of a worker waits for this."""
        with _sorted(self.options["host"]):
            connection = self._connect(self.options["timeout"])
            try:
                _expect("NOOP", connection.noop(), Misconfigured)
            finally:
                connection.leave()

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _connect(self, greeting: float | None = None) -> Connection:
        connection = connect(self.options, self._tls, self._own_name, greeting)
        # To find this machine's name can mean a DNS query without a time-out, so it is found once.
        self._own_name = connection.local_hostname
        return connection


def _announce(connection: Connection, mail: Mail) -> None:
    """Get the server to take the e-mail's content."""
    options: tuple[str, ...] = ()
    if mail.needs_smtputf8:
        if not connection.has_extn("smtputf8"):
            raise Permanent("the mail server takes no address beyond ASCII (SMTPUTF8)")
        options = ("SMTPUTF8", "BODY=8BITMIME")
    reply = connection.mail(mail.sender, options)
    _expect("MAIL FROM", reply, Permanent if reply[0] == _TOO_LARGE else Misconfigured)
    _expect("RCPT TO", connection.rcpt(mail.recipient), Permanent, Deferred)
    _expect("DATA", connection.ask_for_content(), Permanent, Deferred, code=354)


def _hand_over(connection: Connection, content: bytes) -> str:
    """Send the content and return the reply; only while waiting for that can nobody know."""
    try:
        connection.send_content(content)
    except OSError as error:
        # What ends the connection may be something in this e-mail. An outage ends the next connection too.
        raise Deferred(f"the mail server did not read the e-mail to its end: {_text(error)}") from error
    try:
        reply = connection.get_verdict()
    except OSError as error:
        raise Ambiguous(f"the mail server did not say whether it took the e-mail: {_text(error)}") from error
    if not 200 <= reply[0] < 300 and not 400 <= reply[0] < 600:
        raise Ambiguous(f"the mail server said neither yes nor no: {_words(reply)}")
    _expect("the e-mail", reply, Permanent, Deferred)
    return _words(reply)


def _expect(
    step: str,
    reply: Reply,
    refused: type[Exception],
    later: type[Transient] = Unavailable,
    *,
    code: int = 250,
) -> None:
    """Raise what a reply means, unless it is of the kind of ``code``.

    A 5xx is a ``refused``, a 4xx a ``later``: what is said before the recipient is known concerns everybody.
    """
    if reply[0] // 100 != code // 100:
        raise _refusal(step, reply, refused, later)


def _refusal(
    step: str, reply: Reply, refused: type[Exception], later: type[Transient] = Unavailable
) -> Exception:
    text = f"the mail server refused {step}: {_words(reply)}"
    if 400 <= reply[0] < 500 and reply[0] != _CLOSING:
        return later(text)
    if not 500 <= reply[0] < 600:  # it shuts down, or does not speak SMTP
        return Unavailable(text)
    if reply[0] in _NOT_LOGGED_IN:
        return Misconfigured(text)
    if refused is Permanent and _NO_MAILBOX.match(reply[1]):
        return AddressRefused(text)
    return refused(text)


@contextlib.contextmanager
def _sorted(host: str) -> Iterator[None]:
    """Sort what is raised before an e-mail is handed over."""
    try:
        yield
    except smtplib.SMTPResponseException as error:
        raise _refusal("the connection", _reply_of(error), Misconfigured) from error
    except smtplib.SMTPNotSupportedError as error:
        raise Misconfigured(f"{host}: {error}") from error
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError) as error:
        raise Unavailable(f"{host} hung up: {_text(error)}") from error
    except ssl.SSLError as error:  # a certificate that cannot be verified, or no TLS at all
        raise Misconfigured(f"{host} cannot be trusted: {_text(error)}") from error
    except OSError as error:  # every other error of smtplib is one
        raise Unavailable(f"{host} cannot be reached: {_text(error)}") from error


def _reply_of(error: smtplib.SMTPResponseException) -> Reply:
    words = error.smtp_error
    return error.smtp_code, words if isinstance(words, bytes) else words.encode()


def _words(reply: Reply) -> str:
    return " ".join(f"{reply[0]} {reply[1].decode(errors='replace')}".split())[:_MAX_REPLY_CHARACTERS]


def _text(error: OSError) -> str:
    return f"{type(error).__name__}: {error}"[:_MAX_REPLY_CHARACTERS]
