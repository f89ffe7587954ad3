"""Connections to a mail server that are encrypted, end in time and are used again."""

from __future__ import annotations

import contextlib
import re
import smtplib
import threading
import time
from typing import TYPE_CHECKING, Any

from scheduling.plugin import Deferred, Permanent
from scheduling_email_smtp.settings import SUBMISSION, SUBMISSIONS

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Sequence

Reply = tuple[int, bytes]

CONNECT_SECONDS = 10.0
REVIVE_SECONDS = 5.0
LEAVE_SECONDS = 1.0
MAX_MAILS = 50
"""Servers limit how many e-mails they take over one connection, and say so with an error."""

# How long RFC 5321, 4.5.3.2, has a client wait. A server may look up the sender and the recipient elsewhere
# before it answers, and may scan an e-mail that it has read before it says that it took it: a client that
# waits less sends that e-mail again.
GREETING_SECONDS = 300.0
MAIL_SECONDS = 300.0
RCPT_SECONDS = 300.0
DATA_SECONDS = 120.0
BLOCK_SECONDS = 180.0
END_SECONDS = 600.0

_BLOCK_BYTES = 64 * 1024


class Connection(smtplib.SMTP):
    """A connection each step of which ends in time.

    RFC 5321 says when for the greeting and for the steps of an e-mail; ``step`` is how many seconds others
    may take, and ``greeting`` replaces what it says for the greeting.
    """

    def __init__(
        self, host: str, port: int, *, step: float, greeting: float | None = None, **options: Any
    ) -> None:
        self.mails = 0
        self.idle_since = 0.0
        self._seconds = GREETING_SECONDS if greeting is None else greeting
        super().__init__(host, port, timeout=min(step, CONNECT_SECONDS), **options)
        self._seconds = step

    def send(self, s: Any) -> None:
        """Send, in the time that the step has."""
        self._limit()
        super().send(s)

    def getreply(self) -> Reply:
        """Wait for a reply, in the time that the step has."""
        self._limit()
        return super().getreply()

    def mail(self, sender: str, options: Sequence[str] = ()) -> Reply:
        """Say who sends."""
        with self._within(MAIL_SECONDS):
            return super().mail(sender, options)

    def rcpt(self, recip: str, options: Sequence[str] = ()) -> Reply:
        """Say who receives."""
        with self._within(RCPT_SECONDS):
            return super().rcpt(recip, options)

    def ask_for_content(self) -> Reply:
        """Ask whether the content may follow."""
        with self._within(DATA_SECONDS):
            return self.docmd("DATA")

    def send_content(self, content: bytes) -> None:
        """Send the content and the dot that ends it."""
        data = re.sub(rb"(?m)^\.", b"..", content) + b".\r\n"
        with self._within(BLOCK_SECONDS):
            for start in range(0, len(data), _BLOCK_BYTES):
                self.send(data[start : start + _BLOCK_BYTES])

    def get_verdict(self) -> Reply:
        """Wait for what the server says of an e-mail that it has read."""
        with self._within(END_SECONDS):
            return self.getreply()

    def revive(self) -> bool:
        """Start anew for another e-mail; False if the server has hung up meanwhile."""
        try:
            with self._within(min(self._seconds, REVIVE_SECONDS)):
                return self.rset()[0] == 250
        except OSError:
            return False

    def leave(self) -> None:
        """Say goodbye without waiting for the answer."""
        with contextlib.suppress(OSError), self._within(LEAVE_SECONDS):
            self.putcmd("QUIT")
        self.close()

    @contextlib.contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Give what follows other seconds to wait than ``step``."""
        before, self._seconds = self._seconds, seconds
        try:
            yield
        finally:
            self._seconds = before

    def _limit(self) -> None:
        if self.sock:
            self.sock.settimeout(self._seconds)


class TlsConnection(Connection, smtplib.SMTP_SSL):
    """The same, encrypted from the first byte on."""


def connect(
    options: dict[str, Any], context: ssl.SSLContext, own_name: str | None, greeting: float | None
) -> Connection:
    """Open a connection that is encrypted and logged in as the settings say."""
    common = {"step": options["timeout"], "greeting": greeting, "local_hostname": own_name}
    if options["secure"]:
        port = options["port"] or SUBMISSIONS
        connection: Connection = TlsConnection(options["host"], port, context=context, **common)
    else:
        connection = Connection(options["host"], options["port"] or SUBMISSION, **common)
    try:
        _greet(connection)
        if not options["secure"] and options["starttls"] == "required":
            connection.starttls(context=context)
            _greet(connection)
        if options["user"]:
            _log_in(connection, options["user"], options["password"])
    except BaseException:
        connection.close()
        raise
    return connection


def _greet(connection: Connection) -> None:
    # Not ehlo_or_helo_if_needed(), which takes a server that is busy for one that is old.
    code, words = connection.ehlo()
    if code != 250:
        raise smtplib.SMTPHeloError(code, words)


def _log_in(connection: Connection, user: str, password: str) -> None:
    # Not login(), which tries a wrong password with every mechanism: servers lock accounts for that.
    connection.user, connection.password = user, password
    offered = connection.esmtp_features.get("auth", "").upper().split()
    if "PLAIN" in offered:
        connection.auth("PLAIN", connection.auth_plain)
    elif "LOGIN" in offered:
        connection.auth("LOGIN", connection.auth_login)
    else:
        raise smtplib.SMTPNotSupportedError("the server takes no user and password (AUTH PLAIN or LOGIN)")


class Pool:
    """The open connections. As many as there are threads that send at the same time, closed when idle."""

    def __init__(self, open_one: Callable[[], Connection], idle: float) -> None:
        self._open_one = open_one
        self._idle_seconds = idle
        self._free: list[Connection] = []
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._closed = False

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give a connection to one thread; one over which something went wrong is not used again."""
        connection = self._revived() or self._open_one()
        connection.mails += 1
        try:
            yield connection
        except (Permanent, Deferred):  # the server has refused the e-mail in due form
            self._put_back(connection)
            raise
        except BaseException:
            connection.close()
            raise
        self._put_back(connection)

    def close(self) -> None:
        """Close the connections that nobody uses, and the others when they are given back."""
        with self._lock:
            self._closed = True
            leaving, self._free = self._free, []
            if self._timer:
                self._timer.cancel()
        for connection in leaving:
            connection.leave()

    def _revived(self) -> Connection | None:
        while True:
            with self._lock:
                connection = self._free.pop() if self._free else None
            if connection is None or connection.revive():
                return connection
            connection.close()

    def _put_back(self, connection: Connection) -> None:
        connection.idle_since = time.monotonic()
        with self._lock:
            keep = not self._closed and connection.mails < MAX_MAILS and connection.sock is not None
            if keep:
                self._free.append(connection)
                self._watch()
        if not keep:
            connection.leave()

    def _watch(self) -> None:
        if self._timer is None and self._free:
            rest = self._free[0].idle_since + self._idle_seconds - time.monotonic()
            self._timer = threading.Timer(max(rest, 0.01), self._close_idle)
            self._timer.daemon = True
            self._timer.start()

    def _close_idle(self) -> None:
        """Close what nobody has used for a while; the list is in the order of use."""
        since = time.monotonic() - self._idle_seconds
        with self._lock:
            self._timer = None
            leaving = [connection for connection in self._free if connection.idle_since <= since]
            self._free = [connection for connection in self._free if connection.idle_since > since]
            if not self._closed:
                self._watch()
        for connection in leaving:
            connection.leave()
