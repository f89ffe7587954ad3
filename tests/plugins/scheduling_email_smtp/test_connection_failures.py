"""What goes wrong with a mail server, step by step."""

import smtplib
import socket
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
import trustme

from scheduling.plugin import AddressRefused, Ambiguous, Deferred, Misconfigured, Permanent, Unavailable
from scheduling.testing.providers import KEYS, MAIL, failure

# Several times what the sockets' buffers hold, and base64, which is quick to make.
HUGE = "ü" * 60 + "\n"
HUGE *= 16_000_000 // len(HUGE.encode())

# The times are short where a test waits for their end.
PATIENCE = {"hang": 0.5, "drop": 10.0}


@pytest.mark.parametrize(
    ("step", "reply", "kind"),
    [
        ("EHLO", "421 4.3.2 shutting down", Unavailable),
        ("EHLO", "550 5.7.1 we do not know you", Misconfigured),
        ("STARTTLS", "454 4.7.0 not now", Unavailable),
        ("STARTTLS", "501 5.5.4 what", Misconfigured),
        ("AUTH", "454 4.7.0 not now", Unavailable),
        ("AUTH", "535 5.7.8 wrong", Misconfigured),
        ("AUTH", "534 5.7.9 too weak", Misconfigured),
        ("MAIL", "421 4.3.2 shutting down", Unavailable),
        ("MAIL", "451 4.3.0 not now", Unavailable),
        ("MAIL", "junk", Unavailable),
        ("MAIL", "530 5.7.0 log in", Misconfigured),
        ("MAIL", "550 5.7.1 not your address", Misconfigured),
        ("MAIL", "553 5.1.8 no such sender", Misconfigured),
        ("MAIL", "554 5.7.1 no", Misconfigured),
        ("MAIL", "552 5.3.4 too large", Permanent),
        ("RCPT", "450 4.2.1 greylisted", Deferred),
        ("RCPT", "452 4.2.2 mailbox full", Deferred),
        ("RCPT", "421 4.3.2 shutting down", Unavailable),
        ("RCPT", "550 5.1.1 nobody", AddressRefused),
        ("RCPT", "550 5.1.1: nobody", AddressRefused),
        ("RCPT", "550-5.1.1 nobody\r\n550 5.1.1 of that name", AddressRefused),
        ("RCPT", "550 5.1.2 no such domain", AddressRefused),
        ("RCPT", "553 5.1.3 malformed", AddressRefused),
        ("RCPT", "556 5.1.10 null MX", AddressRefused),
        ("RCPT", "550 nobody of that name", Permanent),
        ("RCPT", "550 5.1.0 no", Permanent),
        ("RCPT", "551 5.1.6 has moved", Permanent),
        ("RCPT", "550 5.1.11 what", Permanent),
        ("RCPT", "550 5.1.1.1 what", Permanent),
        ("RCPT", "550 5.2.1 mailbox disabled", Permanent),
        ("RCPT", "550 5.7.1 we do not like you, see 5.1.1", Permanent),
        ("RCPT", "530 5.7.0 log in", Misconfigured),
        ("RCPT", "junk", Unavailable),
        ("DATA", "421 4.3.2 shutting down", Unavailable),
        ("DATA", "451 4.3.0 not now", Deferred),
        ("DATA", "554 5.5.1 no", Permanent),
        ("DATA", "250 what", Unavailable),
        ("content", "421 4.3.2 shutting down", Unavailable),
        ("content", "451 4.3.0 not now", Deferred),
        ("content", "550 5.1.1 nobody", AddressRefused),
        ("content", "552 5.3.4 too large", Permanent),
        ("content", "554 5.7.1 spam", Permanent),
        ("content", "354 what", Ambiguous),
        ("content", "junk", Ambiguous),
    ],
)
def test_each_reply_is_sorted_by_what_to_do_next_and_told(mail_server, smtp, step, reply, kind):
    server = mail_server()
    server.at[step] = reply
    error = failure(smtp(server))
    assert type(error) is kind
    assert reply == "junk" or "\r\n" in reply or reply in str(error)
    assert server.accepted == []


@pytest.mark.parametrize("way", ["hang", "drop"])
@pytest.mark.parametrize("step", ["EHLO", "STARTTLS", "AUTH"])
def test_a_connection_that_is_lost_before_the_server_is_ready_is_an_outage(mail_server, smtp, step, way):
    server = mail_server()
    server.at[step] = way
    assert type(failure(smtp(server, timeout=str(PATIENCE[way])))) is Unavailable


@pytest.mark.parametrize("way", ["hang", "drop"])
@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_a_connection_that_is_lost_before_the_email_is_an_outage(mail_server, smtp, hurry, step, way):
    server = mail_server()
    server.at[step] = way
    hurry(PATIENCE[way])
    assert type(failure(smtp(server))) is Unavailable


@pytest.mark.parametrize("way", ["hang", "drop"])
def test_a_connection_that_is_lost_in_the_middle_of_an_email_defers_it(mail_server, smtp, hurry, way):
    server = mail_server()
    server.at["354"] = way
    hurry(PATIENCE[way])
    assert type(failure(smtp(server), replace(MAIL, text=HUGE))) is Deferred


@pytest.mark.parametrize("way", ["hang", "drop"])
def test_a_connection_that_is_lost_after_an_email_is_ambiguous(mail_server, smtp, hurry, way):
    server = mail_server()
    server.at["content"] = way
    hurry(PATIENCE[way])
    assert type(failure(smtp(server))) is Ambiguous


@contextmanager
def saying(banner, *, listens=True):
    """A server that says one line and hangs up when it has heard something; with None, it is dumb."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk():
            client = listener.accept()[0]
            with client:
                client.sendall(banner)
                if listens:
                    client.recv(65536)

        thread = threading.Thread(target=talk) if banner is not None else None
        if thread:
            thread.start()
        yield type("Server", (), {"port": listener.getsockname()[1], "user": "u", "secret": "p"})
        if thread:
            thread.join()


@pytest.mark.parametrize(
    ("banner", "kind"),
    [
        (None, Unavailable),
        (b"421 busy\r\n", Unavailable),
        (b"450 busy\r\n", Unavailable),
        (b"HTTP/1.1 400 Bad Request\r\n", Unavailable),
        (b"554 no service here\r\n", Misconfigured),
        (b"", Unavailable),
    ],
)
def test_a_banner_is_sorted_too(smtp, hurry, banner, kind):
    hurry(10.0 if banner is not None else 0.5)
    with saying(banner, listens=banner != b"") as server:
        assert type(failure(smtp(server))) is kind


def test_a_check_does_not_wait_for_a_banner_as_long_as_an_email_does(smtp, monkeypatch):
    seconds = []
    watch(monkeypatch, "getreply", seconds)
    with saying(b"", listens=False) as server, pytest.raises(Unavailable):
        smtp(server, timeout="9").check()
    assert seconds == [9]


def test_a_server_that_hangs_up_instead_of_speaking_tls_is_an_outage(smtp):
    with saying(b"") as server:
        assert type(failure(smtp(server, secure="true"))) is Unavailable


def test_a_host_that_does_not_exist_is_an_outage(smtp, mail_server):
    assert type(failure(smtp(mail_server(), host="does-not-exist.invalid"))) is Unavailable


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "content"])
def test_a_step_of_an_email_may_take_longer_than_the_setting(mail_server, smtp, step):
    server = mail_server()
    provider = smtp(server, timeout="1")
    provider.send(MAIL, KEYS[0])
    server.at[step] = "late"
    provider.send(MAIL, KEYS[1])
    assert len(server.accepted) == 2


def test_each_step_may_take_as_long_as_rfc_5321_says(mail_server, smtp, monkeypatch):
    seconds = []
    watch(monkeypatch, "send", seconds)
    watch(monkeypatch, "getreply", seconds)
    server = mail_server(tls=False, login=False)
    provider = smtp(server, timeout="30", starttls="off", user="", password="")

    provider.send(MAIL, KEYS[0])

    greeting, ehlo, sender, recipient, data = 300, 30, 300, 300, 120
    steps = [ehlo, sender, recipient, data]
    assert seconds == [greeting, *[step for step in steps for _ in ("command", "reply")], 180, 600]


def watch(monkeypatch, name, seconds):
    """Write down which time-out the socket has whenever smtplib uses it."""
    used = getattr(smtplib.SMTP, name)

    def use(self, *args):
        seconds.append(self.sock.gettimeout())
        return used(self, *args)

    monkeypatch.setattr(smtplib.SMTP, name, use)


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("certificate", ["of another name", "of another authority"])
def test_a_server_that_cannot_prove_who_it_is_gets_nothing(mail_server, smtp, implicit, certificate):
    strange = {"name": "elsewhere.example"} if "name" in certificate else {"signed_by": trustme.CA()}
    server = mail_server(implicit=implicit, **strange)
    provider = smtp(server, secure=str(implicit))
    error = failure(provider)
    assert type(error) is Misconfigured
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)
    with pytest.raises(Misconfigured):
        provider.check()
    assert set(server.commands) <= {"EHLO", "STARTTLS"}


def test_a_server_without_starttls_gets_nothing(mail_server, smtp):
    server = mail_server(tls=False, login=False)
    assert type(failure(smtp(server))) is Misconfigured
    assert server.commands == ["EHLO"]


def test_a_server_that_speaks_no_tls_is_a_matter_of_configuration(smtp):
    with saying(b"220 mail.example.org ESMTP\r\n") as server:
        assert type(failure(smtp(server, secure="true"))) is Misconfigured


def test_a_server_without_the_login_that_is_set_is_a_matter_of_configuration(mail_server, smtp):
    assert type(failure(smtp(mail_server(login=False)))) is Misconfigured


def test_a_wrong_password_is_tried_once(mail_server, smtp):
    server = mail_server()
    assert type(failure(smtp(server, password="wrong"))) is Misconfigured
    assert server.commands.count("AUTH") == 1


def test_a_server_that_knows_only_the_other_login_is_fine(mail_server, smtp):
    server = mail_server(without=["PLAIN"])
    smtp(server).send(MAIL, KEYS[0])
    assert server.mails == [MAIL]


def test_a_relay_on_the_same_machine_needs_neither_tls_nor_login(mail_server, smtp):
    server = mail_server(tls=False, login=False)
    provider = smtp(server, starttls="off", user="", password="")
    provider.check()
    provider.send(MAIL, KEYS[0])
    assert server.mails == [MAIL]
    assert not {"STARTTLS", "AUTH"} & set(server.commands)
