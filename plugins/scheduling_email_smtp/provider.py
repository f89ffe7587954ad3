"""Hands e-mails to a mail server, and sorts what can go wrong by what to do next."""

from __future__ import annotations

import contextlib
import re
import smtplib
import ssl
import time
from typing import TYPE_CHECKING, Any

from scheduling.plugin import (
    Ambiguous,
    EmailProvider,
    Misconfigured,
    OutgoingEmail,
    Permanent,
    SendResult,
    Settings,
    Transient,
)
from scheduling_email_smtp.connection import Connection, Pool, Reply, connect
from scheduling_email_smtp.mime import Mail, compose
from scheduling_email_smtp.settings import SmtpSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 55.0
"""How long all steps of an e-mail may take together."""

_MAX_REPLY_CHARACTERS = 200
# RFC 4954, 6: authentication required, too weak, failed, encryption needed.
_NOT_LOGGED_IN = frozenset({530, 534, 535, 538})
_TOO_LARGE = 552


class SmtpProvider(EmailProvider):
    """Sends through a mail server. A repetition has the same Message-ID, by which some recipients drop it."""

    settings_schema = SmtpSettings
    seconds = SECONDS

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
        with _sorted(self.options["host"]), self._pool.connection(self._deadline()) as connection:
            _announce(connection, mail)
            return SendResult(_hand_over(connection, mail.content))

    def check(self) -> None:
        """Connect and log in."""
        with _sorted(self.options["host"]):
            connection = self._connect(self._deadline())
            try:
                _expect("NOOP", connection.noop(), Misconfigured)
            finally:
                connection.leave()

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _deadline(self) -> float:
        return time.monotonic() + self.seconds

    def _connect(self, deadline: float) -> Connection:
        connection = connect(self.options, self._tls, deadline, self._own_name)
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
    _expect("RCPT TO", connection.rcpt(mail.recipient), Permanent)
    _expect("DATA", connection.docmd("DATA"), Permanent, 354)


def _hand_over(connection: Connection, content: bytes) -> str:
    """Send the content and return the reply; only while waiting for that can nobody know."""
    connection.send(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
    try:
        reply = connection.getreply()
    except OSError as error:
        raise Ambiguous(f"the mail server did not say whether it took the e-mail: {_text(error)}") from error
    if not 200 <= reply[0] < 300 and not 400 <= reply[0] < 600:
        raise Ambiguous(f"the mail server said neither yes nor no: {_words(reply)}")
    _expect("the e-mail", reply, Permanent)
    return _words(reply)


def _expect(step: str, reply: Reply, refused: type[Exception], code: int = 250) -> None:
    """Raise what a reply means, unless it is of the kind of ``code``."""
    if reply[0] // 100 != code // 100:
        raise _refusal(step, reply, refused)


def _refusal(step: str, reply: Reply, refused: type[Exception]) -> Exception:
    text = f"the mail server refused {step}: {_words(reply)}"
    if not 500 <= reply[0] < 600:
        return Transient(text)
    return Misconfigured(text) if reply[0] in _NOT_LOGGED_IN else refused(text)


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
        raise Transient(f"{host} hung up: {_text(error)}") from error
    except ssl.SSLError as error:  # a certificate that cannot be verified, or no TLS at all
        raise Misconfigured(f"{host} cannot be trusted: {_text(error)}") from error
    except OSError as error:  # every other error of smtplib is one
        raise Transient(f"{host} cannot be reached: {_text(error)}") from error


def _reply_of(error: smtplib.SMTPResponseException) -> Reply:
    words = error.smtp_error
    return error.smtp_code, words if isinstance(words, bytes) else words.encode()


def _words(reply: Reply) -> str:
    return " ".join(f"{reply[0]} {reply[1].decode(errors='replace')}".split())[:_MAX_REPLY_CHARACTERS]


def _text(error: OSError) -> str:
    return f"{type(error).__name__}: {error}"[:_MAX_REPLY_CHARACTERS]
