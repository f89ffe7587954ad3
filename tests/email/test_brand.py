"""What e-mails show of the operator, the frame around them, and how they leave."""

import re
from dataclasses import replace
from email import message_from_bytes, policy
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.app import make_app
from scheduling.email.brand import Brand, brand_of
from scheduling.email.rendering import Templates
from scheduling.plugin import OutgoingEmail
from scheduling.startup import set_up
from scheduling.testing.site import SETTINGS
from scheduling_email_smtp.mime import compose
from tests.kit.factories import add_member, book, create_organization, messages_of
from tests.kit.messages import change

GUIDE = Path(__file__).parents[2] / "docs/plugins.md"
FRONTEND = "https://app.acme.example"
PREFERENCES = "https://app.acme.example/preferences?a=1&b=2"
BRANDED = {
    "scheduling.email_brand_name": "Acme & Sons",
    "scheduling.email_brand_logo": "https://www.acme.example/logo.png?v=1&w=2",
    "scheduling.email_brand_color": "#ffd24d",
    "scheduling.email_unsubscribe_url": PREFERENCES,
    "scheduling.frontend_url": f"{FRONTEND}/",
}
BUTTONS = {
    "WELCOME": ("Open Acme & Sons", f"{FRONTEND}/"),
    "BOOKING_CONFIRMATION": ("View the booking", f"{FRONTEND}/bookings/12"),
    "BOOKING_RESCHEDULED": ("View the booking", f"{FRONTEND}/bookings/12"),
    "BOOKING_CANCELLED": ("View the booking", f"{FRONTEND}/bookings/12"),
    "ORG_INVITE": ("View the organization", f"{FRONTEND}/organizations/7"),
}
GMAIL_CLIPS_AT = 102_000
LONGEST_LINE = 998
OLD_LAYOUT = (
    '<html lang="en"><title>{% block title %}{% endblock %}</title>'
    "<p>Hello{% if name %} {{ name }}{% endif %},</p>{% block body %}{% endblock %}</html>"
)


@pytest.fixture(scope="module")
def mails(enabled_plugins, tmp_path_factory):
    """A function that renders every kind with these settings, by kind."""
    unused = tmp_path_factory.mktemp("database") / "unused.db"

    def mails(**settings):
        ini = SETTINGS | {
            "scheduling.database_url": f"sqlite:///{unused}",
            "scheduling.plugins": " ".join(enabled_plugins),
            **settings,
        }
        templates = make_app(set_up(ini, {}), ini).registry.email_templates
        return {
            kind: templates.render(kind, "Alex", sample, optional=kind != "WELCOME")
            for kind, sample in templates.samples.items()
        }

    return mails


@pytest.fixture(scope="module")
def branded(mails):
    return mails(**BRANDED)


def urls_of(html):
    return [unescape(url) for url in re.findall(r'(?:href|src)="([^"]*)"', html)]


def luminance(color):
    channels = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


@given(st.integers(0, 0xFFFFFF).map("#{:06x}".format))
def test_the_buttons_text_can_be_read_on_any_colour(color):
    lighter, darker = sorted((luminance(color), luminance(Brand(color=color).text_color)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5, "WCAG 2.2, 1.4.3"


@pytest.mark.parametrize(
    ("name", "sender", "shown"),
    [
        ("Acme", "Us <us@example.com>", "Acme"),
        ("", '"Example, Inc." <us@example.com>', "Example, Inc."),
        ("", "us@example.com", ""),
    ],
)
def test_the_name_is_that_of_the_sender_unless_another_is_set(name, sender, shown):
    other = {"email_brand_logo": "", "email_brand_color": "#000000", "email_unsubscribe_url": ""}
    settings = SimpleNamespace(email_brand_name=name, email_from=sender, frontend_url="", **other)
    assert brand_of(settings).name == shown


def test_every_kind_has_one_button_that_leads_into_the_front_end(branded):
    assert set(BUTTONS) <= set(branded)
    for kind, (label, url) in BUTTONS.items():
        html = unescape(branded[kind].html)
        assert html.count('class="button"') == 1
        assert re.search(rf'<a href="{re.escape(url)}"[^>]*color:#000000[^>]*>{re.escape(label)}</a>', html)
        assert f"\n{label}:\n{url}\n" in branded[kind].text


def test_an_email_shows_the_operators_logo_name_and_colour(branded):
    for mail in branded.values():
        assert 'src="https://www.acme.example/logo.png?v=1&amp;w=2" alt="Acme &amp; Sons"' in mail.html
        assert 'bgcolor="#ffd24d"' in mail.html
        assert "Sent by Acme &amp; Sons." in mail.html


def test_without_settings_there_is_the_senders_name_and_no_link(mails):
    for mail in mails(**{"scheduling.email_from": "Us <us@example.com>"}).values():
        assert urls_of(mail.html) == []
        assert "://" not in mail.text
        assert "Sent by Us." in mail.html


def test_where_nobody_has_a_name_nothing_stands_in_its_place(mails):
    for mail in mails(**{"scheduling.email_from": "us@example.com"}).values():
        assert "Sent by" not in mail.html
        assert "None" not in mail.html + mail.text


def test_what_can_be_switched_off_says_where(branded):
    for kind, mail in branded.items():
        expected = kind != "WELCOME"
        assert (PREFERENCES in urls_of(mail.html)) == expected
        assert (f"\nChoose which e-mails you get:\n{PREFERENCES}\n" in mail.text) == expected


def test_the_header_says_where_as_well_and_claims_no_single_click(site, monkeypatch):
    settings = replace(site.registry.core_settings, email_unsubscribe_url=PREFERENCES)
    monkeypatch.setattr(site.registry, "core_settings", settings)
    monkeypatch.setattr(site.registry.email_templates, "_brand", brand_of(settings))
    alice, bob = site.user("Alice"), site.user("Bob")
    add_member(alice, create_organization(alice, "Acme Ltd"), bob)
    book(alice)
    site.deliver()
    mails = {mail.subject.partition(",")[0].partition(":")[0]: mail for mail in site.mail}
    assert set(mails) == {"Welcome", "Booking confirmed", "You have been added to Acme Ltd"}
    for subject, mail in mails.items():
        expected = None if subject == "Welcome" else f"<{PREFERENCES}>"
        assert mail.headers.get("List-Unsubscribe") == expected
        assert (PREFERENCES in mail.text) == (expected is not None)
        assert "List-Unsubscribe-Post" not in mail.headers


def test_a_message_of_the_release_before_says_of_no_place(site, monkeypatch):
    settings = replace(site.registry.core_settings, email_unsubscribe_url=PREFERENCES)
    monkeypatch.setattr(site.registry, "core_settings", settings)
    book(site.user("Alice"))
    for row in messages_of(site, "BOOKING_CONFIRMATION"):
        payload = {name: value for name, value in row.payload.items() if name != "type"}
        change(site, row.id, payload=payload)
    site.deliver()
    assert not any("List-Unsubscribe" in mail.headers for mail in site.mail)


def test_the_html_is_what_mail_clients_take(branded):
    for mail in branded.values():
        assert len(mail.html.encode()) < GMAIL_CLIPS_AT / 4
        assert mail.html.startswith("<!doctype html>")
        assert '<meta name="color-scheme" content="light dark">' in mail.html
        assert "@media (prefers-color-scheme: dark)" in mail.html
        assert "max-width:600px" in mail.html
        assert not re.search(r"<(script|link|form|svg|video|object)|url\(|@import", mail.html)
        # A table without it is read out as one.
        assert mail.html.count("<table") == mail.html.count('<table role="presentation"')
        # What a mailbox lists behind the subject comes before everything else.
        body = mail.html.partition("<body")[2]
        assert body.index("display:none") < body.index("<table")


def test_a_text_reads_well_by_itself(branded):
    for mail in branded.values():
        assert mail.text.startswith("Hello Alex,\n\n")
        assert mail.text.endswith("\n")
        assert "\n\n\n" not in mail.text
        assert not any(line != line.rstrip() for line in mail.text.splitlines())


def test_an_email_leaves_with_its_text_first_and_no_line_too_long(branded):
    for kind, mail in branded.items():
        headers = {"List-Unsubscribe": f"<{PREFERENCES}>", "Message-ID": "<1@example.com>"}
        parts = {"subject": mail.subject, "text": mail.text, "html": mail.html, "headers": headers}
        to = {"to_name": "Alex", "to_address": "alex@example.com"}
        content = compose(OutgoingEmail(sender="us@example.com", **to, **parts), "1").content
        message = message_from_bytes(content, policy=policy.SMTP)
        assert message.get_content_type() == "multipart/alternative"
        assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
        assert message["List-Unsubscribe"] == f"<{PREFERENCES}>"
        assert max(map(len, content.split(b"\r\n"))) <= LONGEST_LINE, kind
        assert message.get_body(("plain",)).get_content().replace("\r\n", "\n") == mail.text


@pytest.fixture
def own_templates(tmp_path):
    """A function that renders WELCOME with these files of an operator in place of ours."""

    def own_templates(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("_", "/", 1).replace("_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        templates = Templates(str(tmp_path), Brand(name="Acme", frontend_url=FRONTEND))
        templates.add("WELCOME", "accounts/welcome", "scheduling.accounts", {})
        return templates.render("WELCOME", "Alex", {})

    return own_templates


def test_an_operators_frame_of_before_still_frames_our_templates(own_templates):
    mail = own_templates(mail_layout_html=OLD_LAYOUT)
    assert mail.html.startswith('<html lang="en"><title>Welcome</title><p>Hello Alex,</p>')
    assert "Your account is ready, and you can" in mail.html


def test_an_operators_template_of_before_has_our_frame(own_templates):
    mail = own_templates(
        accounts_welcome_html=(
            '{% extends "mail/layout.html" %}{% block title %}Servus{% endblock %}'
            "{% block body %}<p>Servus!</p>{% endblock %}"
        ),
        accounts_welcome_txt="Servus {{ name }}!\n",
    )
    assert mail.html.index("Hello Alex,</p>") < mail.html.index("<p>Servus!</p>")
    assert f'<a href="{FRONTEND}/"' in mail.html
    assert mail.text == "Servus Alex!\n"


def test_a_template_can_do_without_a_button(own_templates):
    without = "{% block button %}{% endblock %}"
    mail = own_templates(
        accounts_welcome_html=f'{{% extends "mail/layout.html" %}}{without}',
        accounts_welcome_txt=f'{{% extends "mail/layout.txt" %}}{without}',
    )
    assert FRONTEND not in mail.html + mail.text


def test_the_templates_of_the_plugin_guide_are_framed(install_plugin, start_app):
    html, text = re.findall(r"```jinja\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    sample = {
        "storm_id": 3,
        "place": "Lake Constance",
        "start_time": "2027-04-01T09:00:00Z",
        "end_time": "2027-04-01T15:00:00Z",
    }
    install_plugin(
        "acme",
        includeme=f"config.add_email_template('STORM', 'acme/storm', sample={sample!r})",
        files={
            "templates/acme/storm.subject.txt": "Storm",
            "templates/acme/storm.txt": text,
            "templates/acme/storm.html": html,
        },
    )
    mail = start_app("acme").registry.email_templates.render("STORM", "Alex", sample, "Europe/Berlin")
    assert mail.text == (
        "Hello Alex,\n\nA storm is coming.\n\n  Where:  Lake Constance\n"
        "  When:   Thu 1 April 2027, 11:00–17:00 CEST (UTC+2)\n\nSecure what the wind could take.\n"
    )
    for shown in ("Lake Constance", "Thu 1 April 2027, 11:00–17:00 CEST (UTC+2)", "A storm is coming."):
        assert shown in mail.html
