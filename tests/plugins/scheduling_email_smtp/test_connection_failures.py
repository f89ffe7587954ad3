"""What goes wrong with a mail server, step by step."""

import socket
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
import trustme

from scheduling.plugin import Ambiguous, Misconfigured, Permanent, Transient
from scheduling.testing.providers import KEYS, MAIL, failure
from scheduling_email_smtp import SmtpProvider

# Several times what the sockets' buffers hold, and base64, which is quick to make.
HUGE = "ü" * 60 + "\n"
HUGE *= 16_000_000 // len(HUGE.encode())

# The time-out is short where a test waits for its end.
PATIENCE = {"hang": "0.5", "drop": "10"}


@pytest.mark.parametrize(
    ("step", "reply", "kind"),
    [
        ("EHLO", "421 4.3.2 shutting down", Transient),
        ("EHLO", "550 5.7.1 we do not know you", Misconfigured),
        ("STARTTLS", "454 4.7.0 not now", Transient),
        ("STARTTLS", "501 5.5.4 what", Misconfigured),
        ("AUTH", "454 4.7.0 not now", Transient),
        ("AUTH", "535 5.7.8 wrong", Misconfigured),
        ("AUTH", "534 5.7.9 too weak", Misconfigured),
        ("MAIL", "421 4.3.2 shutting down", Transient),
        ("MAIL", "451 4.3.0 not now", Transient),
        ("MAIL", "530 5.7.0 log in", Misconfigured),
        ("MAIL", "550 5.7.1 not your address", Misconfigured),
        ("MAIL", "553 5.1.8 no such sender", Misconfigured),
        ("MAIL", "554 5.7.1 no", Misconfigured),
        ("MAIL", "552 5.3.4 too large", Permanent),
        ("RCPT", "450 4.2.1 greylisted", Transient),
        ("RCPT", "452 4.2.2 mailbox full", Transient),
        ("RCPT", "550 5.1.1 nobody", Permanent),
        ("RCPT", "553 5.1.3 malformed", Permanent),
        ("RCPT", "530 5.7.0 log in", Misconfigured),
        ("RCPT", "junk", Transient),
        ("DATA", "451 4.3.0 not now", Transient),
        ("DATA", "554 5.5.1 no", Permanent),
        ("DATA", "250 what", Transient),
        ("content", "451 4.3.0 not now", Transient),
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
    assert reply == "junk" or reply in str(error)
    assert server.accepted == []


@pytest.mark.parametrize("way", ["hang", "drop"])
@pytest.mark.parametrize("step", ["EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA"])
def test_a_connection_that_is_lost_before_the_email_is_transient(mail_server, smtp, step, way):
    server = mail_server()
    server.at[step] = way
    assert type(failure(smtp(server, timeout=PATIENCE[way]))) is Transient


@pytest.mark.parametrize("way", ["hang", "drop"])
def test_a_connection_that_is_lost_in_the_middle_of_an_email_is_transient(mail_server, smtp, way):
    server = mail_server()
    server.at["354"] = way
    assert type(failure(smtp(server, timeout=PATIENCE[way]), replace(MAIL, text=HUGE))) is Transient


@pytest.mark.parametrize("way", ["hang", "drop"])
def test_a_connection_that_is_lost_after_an_email_is_ambiguous(mail_server, smtp, way):
    server = mail_server()
    server.at["content"] = way
    assert type(failure(smtp(server, timeout=PATIENCE[way]))) is Ambiguous


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
        (None, Transient),
        (b"421 busy\r\n", Transient),
        (b"554 no service here\r\n", Misconfigured),
        (b"", Transient),
    ],
)
def test_a_banner_is_sorted_too(smtp, banner, kind):
    with saying(banner, listens=banner != b"") as server:
        assert type(failure(smtp(server, timeout="10" if banner is not None else "0.5"))) is kind


def test_a_server_that_hangs_up_instead_of_speaking_tls_is_transient(smtp):
    with saying(b"") as server:
        assert type(failure(smtp(server, secure="true"))) is Transient


def test_a_host_that_does_not_exist_is_transient(smtp, mail_server):
    assert type(failure(smtp(mail_server(), host="does-not-exist.invalid"))) is Transient


@pytest.mark.parametrize(
    ("seconds", "step", "kind"),
    [(0, "none", Transient), (0.3, "MAIL", Transient), (1.5, "content", Ambiguous)],
)
def test_all_steps_together_end_in_time(mail_server, smtp, seconds, step, kind):
    class Impatient(SmtpProvider):
        pass

    Impatient.seconds = seconds
    server = mail_server()
    server.at[step] = "late"
    assert type(failure(smtp(server, Impatient, timeout="20"))) is kind
    assert server.accepted == []


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
