import re
import socket
from dataclasses import replace

import marshmallow
import pytest

from scheduling.plugin import Misconfigured, Permanent, Unavailable
from scheduling.testing.providers import KEYS, MAIL, ProviderContract, failure, make_provider
from scheduling_email_smtp import SmtpProvider


class TestSmtpKeepsTheContract(ProviderContract):
    @pytest.fixture(params=["STARTTLS", "TLS from the start"])
    def implicit(self, request):
        return request.param != "STARTTLS"

    @pytest.fixture
    def other_side(self, mail_server, implicit):
        return mail_server(implicit=implicit)

    @pytest.fixture
    def provider(self, other_side, smtp, implicit, patience, hurry):
        hurry(float(patience))
        return smtp(other_side, secure=str(implicit), timeout=patience)


def test_an_email_is_ascii_in_short_lines_that_end_as_they_must(mail_server, smtp):
    server = mail_server()
    name = "Ünï " * 40
    smtp(server).send(replace(MAIL, to_name=name, subject=name, html="<p>ü</p>"), KEYS[0])
    content = server.accepted[0].content
    assert content.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content)
    long = [line for line in content.split(b"\r\n") if len(line) > 78]
    assert [line.partition(b":")[0] for line in long] == [b"List-Unsubscribe"]


@pytest.mark.parametrize("text", ["=?utf-8?q?not_encoded?=", "word" * 300, "a few words " * 20 + "end"])
def test_what_could_be_misread_is_encoded_and_what_is_long_is_folded(mail_server, smtp, text):
    server = mail_server()
    smtp(server).send(replace(MAIL, to_name=text, subject=text, headers={}), KEYS[0])
    [mail] = server.mails
    assert (mail.to_name, mail.subject) == (text, text)
    assert max(map(len, server.accepted[0].content.split(b"\r\n"))) <= 78


def test_a_long_url_in_the_head_is_left_alone(mail_server, smtp):
    server = mail_server()
    smtp(server).send(MAIL, KEYS[0])
    line = f"\r\nList-Unsubscribe: {MAIL.headers['List-Unsubscribe']}\r\n"
    assert line.encode() in server.accepted[0].content


def test_message_id_is_the_key_and_the_senders_domain_and_a_date_is_there(mail_server, smtp, head):
    server = mail_server()
    provider = smtp(server)
    for _ in range(2):
        provider.send(MAIL, KEYS[7])
    for envelope in server.accepted:
        fields = head(envelope.content)
        assert fields["Message-ID"] == f"<{KEYS[7]}@example.org>"
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", fields["Date"])


def test_a_message_id_and_a_date_that_are_given_are_kept(mail_server, smtp, head):
    server = mail_server()
    headers = {"message-id": "<a@b>", "date": "Mon, 01 Mar 2027 10:00:00 +0000"}
    smtp(server).send(replace(MAIL, headers=headers), KEYS[0])
    fields = head(server.accepted[0].content)
    assert headers.items() <= fields.items()
    assert not {"Message-ID", "Date"} & fields.keys()


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\0", "\v", "\x1c", "\x85", "\u2028"])
@pytest.mark.parametrize("field", ["to_name", "to_address", "subject", "value", "name"])
def test_no_line_break_gets_into_the_head(mail_server, smtp, end, field):
    server = mail_server()
    bad = f"Eve{end}Bcc: eve@example.com"
    header = {"value": {"X-Header": bad}, "name": {bad: "value"}}
    change = {"headers": header[field]} if field in header else {field: bad}
    error = failure(smtp(server), replace(MAIL, **change))
    assert type(error) is Permanent
    assert server.commands == []


@pytest.mark.parametrize(
    "address", ["alice", "@example.com", "alice@", "a lice@example.com", "<a@example.com>"]
)
def test_what_is_no_address_is_permanent(mail_server, smtp, address):
    assert type(failure(smtp(mail_server()), replace(MAIL, to_address=address))) is Permanent


@pytest.mark.parametrize(
    "sender", ["", "Scheduling", "Doe, Jane <a@example.org>", "a@", f"a@{'b' * 64}.example"]
)
def test_a_sender_without_a_valid_address_is_a_matter_of_configuration(mail_server, smtp, sender):
    assert type(failure(smtp(mail_server()), replace(MAIL, sender=sender))) is Misconfigured


def test_a_domain_beyond_ascii_needs_nothing_from_the_server(mail_server, smtp):
    server = mail_server(utf8=False)
    smtp(server).send(replace(MAIL, to_address="zoe@bücher.example"), KEYS[0])
    assert server.accepted[0].rcpt_tos == ["zoe@xn--bcher-kva.example"]


def test_domains_are_those_of_idna_2008(mail_server, smtp):
    server = mail_server(utf8=False)
    smtp(server).send(replace(MAIL, sender="we@straße.de", to_address="user@faß.de"), KEYS[0])
    [sent] = server.accepted
    assert (sent.mail_from, sent.rcpt_tos) == ("we@xn--strae-oqa.de", ["user@xn--fa-hia.de"])


def test_an_address_beyond_ascii_is_sent_where_the_server_takes_such(mail_server, smtp):
    server = mail_server()
    provider = smtp(server)
    provider.send(replace(MAIL, to_address="zoë@example.com"), KEYS[0])
    provider.send(MAIL, KEYS[1])
    assert [envelope.rcpt_tos for envelope in server.accepted] == [["zoë@example.com"], [MAIL.to_address]]
    assert [envelope.smtp_utf8 for envelope in server.accepted] == [True, False]
    assert server.mails[0].to_address == "zoë@example.com"


def test_an_address_beyond_ascii_is_permanent_where_the_server_takes_none(mail_server, smtp):
    server = mail_server(utf8=False)
    assert type(failure(smtp(server), replace(MAIL, to_address="zoë@example.com"))) is Permanent
    assert "MAIL" not in server.commands


def test_the_id_is_the_servers_reply(mail_server, smtp):
    assert smtp(mail_server()).send(MAIL, KEYS[0]).provider_id == "250 2.0.0 queued as 1"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"host": "h", "port": "0"},
        {"host": "h", "port": "465"},
        {"host": "h", "port": "465", "secure": "false"},
        {"host": "h", "user": "u"},
        {"host": "h", "password": "p"},
        {"host": "h", "user": "u", "password": "pässword"},
        {"host": "h", "user": "u", "password": "p", "starttls": "off"},
        {"host": "h", "starttls": "maybe"},
        {"host": "h", "timeout": "0"},
        {"host": "h", "timeout": "301"},
        {"host": "h", "idle": "-1"},
        {"host": "h", "ca_file": "/does/not/exist"},
        {"host": "h", "hots": "h"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(options):
    with pytest.raises(marshmallow.ValidationError) as raised:
        SmtpProvider.settings_schema().load(options)
    assert "pässword" not in str(raised.value)


def test_all_mistakes_in_the_settings_are_told_at_once():
    options = {"host": "h", "port": "465", "starttls": "off", "password": "p"}
    with pytest.raises(marshmallow.ValidationError) as raised:
        SmtpProvider.settings_schema().load(options)
    assert set(raised.value.messages_dict) == {"password", "starttls", "secure"}


@pytest.mark.parametrize(
    "options",
    [
        {"host": "h"},
        {"host": "h", "port": "465", "secure": "true", "user": "u", "password": "p"},
        {"host": "h", "starttls": "off"},
        {"host": "h", "timeout": "0.1"},
        {"host": "h", "timeout": "300"},
        {"host": "localhost", "starttls": "off", "user": "u", "password": "p"},
        {"host": "h", "starttls": "off", "secure": "true", "user": "u", "password": "p"},
    ],
)
def test_settings_that_make_sense_are_taken(options):
    assert SmtpProvider.settings_schema().load(options)["host"] == options["host"]


def test_the_environment_variables_are_those_that_mailers_have_in_common():
    fields = SmtpProvider.settings_schema().fields
    names = {name: fields[name].metadata["env"] for name in ("host", "port", "secure", "user", "password")}
    assert list(names.values()) == ["SMTP_HOST", "SMTP_PORT", "SMTP_SECURE", "SMTP_USER", "SMTP_PASS"]


def test_a_file_without_certificates_stops_the_start(tmp_path, mail_server, smtp):
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(Misconfigured, match="ca_file"):
        smtp(mail_server(), ca_file=str(tmp_path / "ca.pem"))


@pytest.mark.parametrize(("secure", "port"), [("false", 587), ("true", 465)])
def test_the_port_follows_from_the_kind_of_encryption(monkeypatch, secure, port):
    tried = []

    def refuse(address, *_):
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    provider = make_provider(SmtpProvider, {"host": "mail.example.org", "secure": secure})
    assert type(failure(provider)) is Unavailable
    assert tried == [("mail.example.org", port)]
