"""A real SMTP server in a thread, which can be told to misbehave at any step."""
# ruff: noqa: N802 - aiosmtpd looks for methods with a command's name

import asyncio
import contextlib
import email
import email.policy
import logging
import re
import ssl
import threading
from email.header import decode_header, make_header

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult

from scheduling.plugin import OutgoingEmail
from scheduling.testing.providers import MAIL, Mood, OtherSide, make_provider
from scheduling_email_smtp import SmtpProvider, connection

# The server logs what it is given; the tests look for secrets in our log only.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)

STEPS = ("EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "RSET", "NOOP", "QUIT")


def abort(transport):
    # Before Python 3.11.4 a TLS transport that is closed already fails here.
    with contextlib.suppress(AttributeError):
        transport.abort()


class MailServer(OtherSide):
    """Takes e-mails over STARTTLS, over TLS from the start (``implicit``) or, without a context, in clear.

    ``at`` says what to do at a step: to give a reply, to be "late" by ``late_by`` seconds, to "hang" or to
    "drop" the connection. The steps are the commands, "354" (the content is asked for and not read) and
    "content" (it has been read). With ``greylisting`` an address is refused the first time that it comes.
    """

    user = "scheduling"
    late_by = 1.5

    def __init__(self, context=None, *, implicit=False, login=True, utf8=True, without=(), greylisting=False):
        self.at = {}
        self.greylisting = greylisting
        self.known = set()
        self.accepted = []
        self.commands = []
        self.sessions = []
        self._open = set()
        self._changed = threading.Condition()
        self._options = {
            "authenticator": self._authenticate if login else None,
            # The server does not know that it is wrapped in TLS, and warns of what it takes for none.
            "auth_required": login and not implicit,
            "auth_require_tls": login and not implicit,
            "auth_exclude_mechanism": without,
            "tls_context": None if implicit else context,
            "require_starttls": context is not None and not implicit,
            "enable_SMTPUTF8": utf8,
        }
        self._hanging = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        tls = context if implicit else None
        self._server = self._run(self._loop.create_server(self._session, "127.0.0.1", 0, ssl=tls))
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def mails(self):
        return [received(envelope.content) for envelope in self.accepted]

    def drop_connections(self):
        self._loop.call_soon_threadsafe(self._abort_all)
        self.wait_for_no_connection()

    def stop(self):
        if not self._loop.is_closed():
            self._run(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def wait_for_no_connection(self):
        with self._changed:
            assert self._changed.wait_for(lambda: not self._open, timeout=10)

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def _session(self):
        return _Session(self, **self._options)

    def _abort_all(self):
        for session in [*self._open]:
            abort(session.transport)

    async def _end(self):
        self._server.close()
        self._hanging.set()
        self._abort_all()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _authenticate(self, server, session, envelope, mechanism, data):
        good = (data.login, data.password) == (self.user.encode(), self.secret.encode())
        return AuthResult(success=good and self.mood is not Mood.REFUSES_US, handled=False)

    def opened(self, session):
        with self._changed:
            if session not in self._open:
                self.sessions.append(session)
            self._open.add(session)

    def closed(self, session):
        with self._changed:
            self._open.discard(session)
            self._changed.notify_all()

    async def interfere(self, session, step):
        """Misbehave if told to; True if the step is thereby done."""
        self.commands.append(step)
        what = self.at.get(step)
        if what == "late":
            await self._lose_time()
            return False
        if what == "hang":
            await self._hanging.wait()
        elif what == "drop":
            abort(session.transport)
        elif what:
            await session.push(what)
        return what is not None

    async def _lose_time(self):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hanging.wait(), self.late_by)

    async def take(self, session, envelope):
        self.commands.append("content")
        what = self.at.get("content")
        if what == "late":
            await self._lose_time()
            what = None
        if what == "hang" or self.mood is Mood.IS_SILENT:
            await self._hanging.wait()
        if what == "drop" or self.mood is Mood.HANGS_UP:
            abort(session.transport)
        elif what:
            return what
        else:
            self.accepted.append(envelope)
        return f"250 2.0.0 queued as {len(self.accepted)}"


class _Session(SMTP):
    def __init__(self, side, **options):
        self.side = side
        super().__init__(self, ident="test", hostname="mail.example.org", **options)

    def connection_made(self, transport):
        super().connection_made(transport)
        self.side.opened(self)

    def connection_lost(self, error):
        super().connection_lost(error)
        self.side.closed(self)

    async def handle_RCPT(self, server, session, envelope, address, options):
        bad = {Mood.IS_BUSY: "451 4.7.1 come again later", Mood.REFUSES_MAIL: "550 5.1.1 nobody of that name"}
        if self.side.mood in bad:
            return bad[self.side.mood]
        if self.side.greylisting and address not in self.side.known:
            self.side.known.add(address)
            return "451 4.7.1 greylisted, come again"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        return await self.side.take(self, envelope)

    async def smtp_DATA(self, arg):
        if await self.side.interfere(self, "DATA"):
            return
        if "354" not in self.side.at:
            await super().smtp_DATA(arg)
            return
        await self.push("354 go ahead")
        self.transport.pause_reading()
        await self.side.interfere(self, "354")


def _step(name):
    async def method(self, arg):
        if not await self.side.interfere(self, name):
            await getattr(SMTP, f"smtp_{name}")(self, arg)

    return method


for _name in STEPS:
    setattr(_Session, f"smtp_{_name}", _step(_name))


def received(content):
    """An e-mail as its recipient sees it."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    fields = head(content)
    name, address = re.fullmatch(r"(?:(.*) )?<?(\S+?)>?", fields["To"]).groups()
    text, html = message.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    return OutgoingEmail(
        sender=fields["From"],
        to_name=decoded(name or ""),
        to_address=address,
        subject=decoded(fields["Subject"]),
        text=text.get_content().replace("\r\n", "\n"),
        html=html.get_content().replace("\r\n", "\n"),
        headers={name: fields[name] for name in MAIL.headers if name in fields},
    )


def head(content):
    """The fields of an e-mail's head, unfolded and not decoded."""
    unfolded = content.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ")
    fields = [line.split(": ", 1) for line in unfolded.split("\r\n")]
    assert len(dict(fields)) == len(fields)
    return dict(fields)


def decoded(words):
    # The modern parser of Python 3.11 leaves the spaces between encoded words in.
    return str(make_header(decode_header(words)))


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture
def mail_server(authority, request):
    """Starts mail servers; their certificate is good unless a test wants another."""

    def start(name="127.0.0.1", *, tls=True, signed_by=authority, **options):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        signed_by.issue_cert(name).configure_cert(context)
        server = MailServer(context if tls else None, **options)
        request.addfinalizer(server.stop)
        return server

    return start


@pytest.fixture(scope="session", name="head")
def read_head():
    return head


@pytest.fixture(scope="session", name="received")
def read():
    return received


@pytest.fixture
def hurry(monkeypatch):
    """Has all that RFC 5321 grants minutes for end after some seconds."""

    def hurry(seconds):
        for step in ("GREETING", "MAIL", "RCPT", "DATA", "BLOCK", "END"):
            monkeypatch.setattr(connection, f"{step}_SECONDS", seconds)

    return hurry


@pytest.fixture
def smtp(ca_file, request):
    """Makes providers for a server."""

    def make(server, provider=SmtpProvider, **options):
        common = {"host": "127.0.0.1", "port": str(server.port), "ca_file": ca_file, "timeout": "10"}
        login = {"user": server.user, "password": server.secret}
        made = make_provider(provider, common | login | options)
        request.addfinalizer(made.close)
        return made

    return make
