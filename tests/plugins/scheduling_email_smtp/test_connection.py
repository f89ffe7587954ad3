"""How connections to a mail server are kept, replaced and closed."""

import pytest

from scheduling.plugin import Deferred, Unavailable
from scheduling.testing.providers import KEYS, MAIL, failure
from scheduling_email_smtp.connection import MAX_MAILS


def test_one_connection_is_used_for_many_emails(mail_server, smtp):
    server = mail_server()
    provider = smtp(server)
    for key in KEYS[:5]:
        provider.send(MAIL, key)
    assert len(server.sessions) == server.commands.count("AUTH") == 1
    assert len(server.mails) == 5


def test_a_connection_is_replaced_before_the_server_tires_of_it(mail_server, smtp):
    server = mail_server()
    provider = smtp(server)
    for key in KEYS[: MAX_MAILS + 1]:
        provider.send(MAIL, key)
    assert len(server.sessions) == 2


@pytest.mark.parametrize(
    ("step", "reply"),
    [("RCPT", "550 5.1.1 nobody"), ("RCPT", "451 4.7.1 greylisted"), ("content", "451 4.3.0 not now")],
)
def test_a_connection_over_which_an_email_was_refused_is_used_again(mail_server, smtp, step, reply):
    server = mail_server()
    provider = smtp(server)
    server.at[step] = reply
    failure(provider)
    del server.at[step]
    provider.send(MAIL, KEYS[0])
    assert len(server.sessions) == 1
    assert server.mails == [MAIL]


@pytest.mark.parametrize("way", ["421 4.3.2 shutting down", "hang", "drop"])
def test_a_connection_that_went_stale_is_replaced(mail_server, smtp, way):
    server = mail_server()
    provider = smtp(server, timeout="0.5" if way == "hang" else "10")
    provider.send(MAIL, KEYS[0])
    server.at["RSET"] = way
    provider.send(MAIL, KEYS[1])
    assert len(server.sessions) == 2
    assert len(server.mails) == 2


def test_a_connection_that_nobody_uses_is_closed_after_a_while(mail_server, smtp):
    server = mail_server()
    smtp(server, idle="0.05").send(MAIL, KEYS[0])
    server.wait_for_no_connection()
    assert server.commands[-1] == "QUIT"


def test_closing_says_goodbye(mail_server, smtp):
    server = mail_server()
    provider = smtp(server)
    provider.send(MAIL, KEYS[0])
    provider.close()
    server.wait_for_no_connection()
    assert server.commands[-1] == "QUIT"


def test_an_email_after_closing_leaves_no_connection(mail_server, smtp):
    server = mail_server()
    provider = smtp(server)
    provider.close()
    provider.send(MAIL, KEYS[0])
    server.wait_for_no_connection()
    assert server.mails == [MAIL]


def test_a_check_logs_in_and_leaves_no_connection(mail_server, smtp):
    server = mail_server()
    smtp(server).check()
    server.wait_for_no_connection()
    assert server.commands == ["EHLO", "STARTTLS", "EHLO", "AUTH", "NOOP", "QUIT"]


def test_a_check_that_fails_leaves_no_connection(mail_server, smtp):
    server = mail_server()
    server.at["NOOP"] = "451 4.3.0 not now"
    with pytest.raises(Unavailable):
        smtp(server).check()
    server.wait_for_no_connection()


def test_a_server_that_greylists_takes_the_email_later_over_the_same_connection(mail_server, smtp):
    server = mail_server(greylisting=True)
    provider = smtp(server)
    assert type(failure(provider)) is Deferred
    provider.send(MAIL, KEYS[0])
    assert server.mails == [MAIL]
    assert len(server.sessions) == 1
