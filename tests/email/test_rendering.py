import re
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from scheduling.app import make_app
from scheduling.email.rendering import Templates
from scheduling.email.untrusted import shown
from scheduling.exceptions import StartupError
from scheduling.startup import set_up
from scheduling.testing.site import SETTINGS
from scheduling.times import parse_timestamp

KINDS = ("WELCOME", "BOOKING_CONFIRMATION", "BOOKING_RESCHEDULED", "BOOKING_CANCELLED", "ORG_INVITE")
MARKUP = st.text("<>&\"'/=a \n\r\u2028{}%#", max_size=30) | st.text()
# What mail clients make links of.
LINK = re.compile(r"://|www\.\w|\w[.\u3002\uff0e]\w|@\w|\w:[^\s\d\u200b]")
# What more is shown of than of a title.
LONGER = {"location": 200, "cancellation_reason": 500}
PAYLOAD = "<script>\"x'&{{ name }}{% raw %}\r\n</p>"


@pytest.fixture(scope="module")
def templates(enabled_plugins, tmp_path_factory):
    ini = SETTINGS | {
        "scheduling.database_url": f"sqlite:///{tmp_path_factory.mktemp('database')}/unused.db",
        "scheduling.plugins": " ".join(enabled_plugins),
    }
    return make_app(set_up(ini, {}), ini).registry.email_templates


def is_timestamp(value):
    try:
        parse_timestamp(value)
    except (TypeError, ValueError):
        return False
    return True


def texts_of(sample):
    """Give the keys of what users wrote in a sample: its texts that are no timestamps and no time zone."""
    texts = [key for key, value in sample.items() if isinstance(value, str) and not is_timestamp(value)]
    return [key for key in texts if key != "time_zone"]


def structure(html):
    """Give what a browser would build of a page, without its texts."""
    seen = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: seen.append((tag, attributes))
    parser.handle_endtag = lambda tag: seen.append(f"/{tag}")
    parser.handle_comment = parser.handle_pi = parser.handle_decl = seen.append
    parser.feed(html)
    parser.close()
    return seen


def test_the_contracts_kinds_are_registered(templates):
    assert set(KINDS) <= set(templates.samples)


def test_every_kind_renders_its_sample_in_three_parts(templates):
    for kind, sample in templates.samples.items():
        mail = templates.render(kind, "Alex Example", sample)
        assert mail.subject
        assert "Alex Example" in mail.text
        assert "Alex Example" in mail.html
        assert "<" not in mail.text
        assert structure(mail.html)[1] == ("html", [("lang", "en")])
        for key in texts_of(sample):
            assert key == "role" or sample[key] in mail.text
            assert key == "role" or sample[key] in mail.html


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_no_text_of_a_user_is_markup_in_the_html(templates, kind, data):
    sample = templates.samples[kind]
    name = data.draw(MARKUP, label="name")
    written = {key: data.draw(MARKUP, label=key) for key in texts_of(sample)}
    mail = templates.render(kind, name, {**sample, **written})
    # What is empty has no place, as a booking without a reason.
    plain = templates.render(kind, "", {**sample, **{key: text and "x" for key, text in written.items()}})
    assert str(escape(mail.to_name)) in mail.html
    assert mail.html.count("<") == plain.html.count("<")
    assert mail.html.count(">") == plain.html.count(">")
    assert structure(mail.html) == structure(plain.html)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_no_text_of_a_user_breaks_the_subjects_line(templates, kind, data):
    sample = templates.samples[kind]
    written = {key: data.draw(MARKUP, label=key) for key in texts_of(sample)}
    subject = templates.render(kind, data.draw(MARKUP, label="name"), {**sample, **written}).subject
    assert subject.splitlines() == [subject]
    assert subject == subject.strip()


@pytest.fixture
def render_nasty(templates):
    """A function that renders every kind with a nasty text for the name and for whatever else users write."""

    def render_nasty(text):
        for kind, sample in templates.samples.items():
            written = {key: text for key in texts_of(sample) if key not in ("role", *LONGER)}
            mail = templates.render(kind, text, {**sample, **written})
            # The reader of WELCOME may be somebody whom the writer wants to deceive.
            yield mail, len(written) + (kind != "WELCOME")

    return render_nasty


def parts(mail):
    return mail.subject, mail.text, unescape(mail.html)


def test_a_users_text_is_no_template(render_nasty):
    for mail, times in render_nasty(PAYLOAD):
        assert mail.text.count(shown(PAYLOAD)) == mail.text.count("{{ name }}") == times
        assert unescape(mail.html).count("{{ name }}") >= times


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/?a=b&c=d",
        "HTTP://EVIL.EXAMPLE",
        "http://localhost/x",
        "www.evil.example",
        "evil.example",
        "Unlock at evil.example.",
        "evil\u3002example",
        "evil\uff0eexample",
        "eve@evil.example",
        "eve@localhost",
        "mailto:eve@evil.example",
        "javascript:alert(1)",
        "ftp:evil",
        "<a href='https://evil.example'>Unlock</a>",
        "[Unlock](https://evil.example)",
    ],
)
def test_no_text_of_a_user_becomes_a_link(render_nasty, text):
    for mail, _ in render_nasty(text):
        for part in (mail.to_name, *parts(mail)):
            written = part.partition("<body")[2] or part
            # Styles of our own have colons too.
            assert not LINK.search(re.sub(r'style="[^"]*"', "", written)), written
        assert "<a" not in mail.html


@pytest.mark.parametrize("text", ["\u202egnp.exe", "\u2067abc", "a\u202db\u2066c\u2069"])
def test_no_text_of_a_user_reorders_what_stands_after_it(render_nasty, text):
    for mail, _ in render_nasty(text):
        for part in (mail.to_name, *parts(mail)):
            assert not re.search("[\u202a-\u202e\u2066-\u2069]", part)


@pytest.mark.parametrize(
    "text", ["e" + "\u0301" * 10_000, "\U0001f468\u200d\U0001f469" * 99, "x" * 999, "a b " * 99]
)
def test_of_a_long_text_60_characters_are_shown(render_nasty, text):
    for mail, times in render_nasty(text):
        assert len(mail.to_name) <= 60
        assert mail.text.count("…") == times
        for part in parts(mail):
            assert text[:59].rstrip() in part or times == 0 or part == mail.subject
            assert text[:61] not in part


@pytest.mark.parametrize(("key", "limit"), LONGER.items())
def test_more_is_shown_of_what_is_longer_and_it_is_one_line_without_links(templates, key, limit):
    kind = "BOOKING_CANCELLED"
    text = "See evil.example\n" + "x" * 999
    mail = templates.render(kind, "Alice", {**templates.samples[kind], key: text})
    beginning = "See evil.\u200bexample " + "x" * (limit - 18)
    for body in (mail.text, mail.html):
        assert f"{beginning}…" in body


@pytest.mark.parametrize(
    "text", ["A\r\nBcc: eve", "A\n\nYour account is locked", "A\x1b[2J", "A\u2028B", "A\x85B"]
)
def test_no_text_of_a_user_begins_a_line_or_steers_a_terminal(render_nasty, templates, text):
    lines = {kind: parts(templates.render(kind, "A", sample)) for kind, sample in templates.samples.items()}
    for (mail, _), plain in zip(render_nasty(text), lines.values(), strict=True):
        for part, expected in zip(parts(mail), plain, strict=True):
            assert len(part.splitlines()) == len(expected.splitlines())
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", part)


@pytest.mark.parametrize(
    "text", ["Zoë 🎉", "會議", "فطور عمل", "👩‍👩‍👧‍👦", "09:30 Stand-up", "A & B", "C/O Dr. No"]
)
def test_what_is_not_nasty_is_shown_as_it_is(render_nasty, text):
    for mail, times in render_nasty(text):
        assert mail.text.count(text) in (times, times + (mail.to_name == text))
        assert unescape(mail.html).count(text) >= times


ACME = {
    "storm.subject.txt": "Storm over {{ data.place }}",
    "storm.txt": (
        "{% macro twice(text) %}{{ text }}, {{ text }}{% endmacro %}"
        "{{ twice(data.place) }} {{ data.place | upper }} {{ data.place | e }} "
        "{{ data.places | join(', ') }} "
        "{{ data.note | up_to(200) }} {{ data.link | as_is }} {{ 'Tom & Jerry' }} {{ data.wind }} {{ 3.5 }}"
    ),
    "storm.html": (
        '{% extends "mail/layout.html" %}{% block title %}Storm{% endblock %}'
        "{% block body %}<p>{{ data.place }} {{ data.place | e }} {{ data.note | up_to(200) }}</p>"
        '<a href="{{ data.link | as_is }}">Look</a>{% endblock %}'
    ),
}
STORM = {
    "place": "evil.example",
    "places": ["evil.example", "<b>"],
    "note": "x" * 100 + " evil.example",
    "link": "https://ours.example/?a=1&b=2",
    "wind": 12.5,
}


def test_a_template_of_somebody_elses_plugin_gets_the_same_without_effort(install_plugin, start_app):
    install_plugin(
        "acme",
        includeme=f"config.add_email_template('STORM', 'acme/storm', sample={STORM!r})",
        files={f"templates/acme/{name}": text for name, text in ACME.items()},
    )
    registry = start_app("acme").registry
    mail = registry.email_templates.render("STORM", "www.evil.example", STORM)
    place, note = "evil.\u200bexample", f"{'x' * 100} evil.\u200bexample"
    assert mail.subject == f"Storm over {place}"
    assert mail.text == (
        f"{place}, {place} EVIL.\u200bEXAMPLE {place} {place}, <b> {note} https://ours.example/?a=1&b=2 "
        "Tom & Jerry 12.5 3.5"
    )
    assert "<p>Hello www.\u200bevil.\u200bexample,</p>".replace("<p>", "") in mail.html
    assert f"<p>{place} {place} {note}</p>" in mail.html
    assert '<a href="https://ours.example/?a=1&amp;b=2">Look</a>' in mail.html


def test_a_template_cannot_have_links_made_of_texts(tmp_path):
    (tmp_path / "accounts").mkdir()
    (tmp_path / "accounts" / "welcome.html").write_text("{{ name | urlize }}")
    with pytest.raises(StartupError, match="urlize"):
        welcome(tmp_path)


@pytest.mark.parametrize(("unconfirmed", "greeting"), [(False, "Hello Agent 47,"), (True, "Hello,")])
def test_of_an_unconfirmed_kind_only_a_name_that_looks_like_one_is_shown(unconfirmed, greeting):
    templates = Templates("")
    templates.add("HELLO", "accounts/welcome", "scheduling.accounts", {}, unconfirmed=unconfirmed)
    mail = templates.render("HELLO", "Agent 47", {})
    assert mail.text.startswith(f"{greeting}\n")
    assert f"{greeting}</p>" in mail.html
    assert mail.to_name == ("" if unconfirmed else "Agent 47")


def test_a_kind_that_nobody_registered_is_a_key_error(templates):
    with pytest.raises(KeyError):
        templates.render("UNHEARD_OF", "Alice", {})


TIMES = {"start_time": "2027-04-01T07:00:00.000Z", "end_time": "2027-04-01T07:30:00.000Z"}
IN_BERLIN = "Thu 1 April 2027, 09:00–09:30 CEST (UTC+2)"
IN_NEW_YORK = "Thu 1 April 2027, 03:00–03:30 EDT (UTC-4), America/New York"


@pytest.mark.parametrize("kind", ["BOOKING_CONFIRMATION", "BOOKING_RESCHEDULED", "BOOKING_CANCELLED"])
@pytest.mark.parametrize(
    ("zone", "shown_too"),
    [
        ("America/New_York", IN_NEW_YORK),
        ("UTC", "Thu 1 April 2027, 07:00–07:30 UTC"),
        ("Europe/Berlin", None),
        ("Africa/Johannesburg", None),  # whose clocks show the same in summer
        (None, None),
        ("Europe/Atlantis", None),
    ],
)
def test_a_bookings_times_are_in_the_readers_zone_and_in_its_own_where_that_differs(
    templates, kind, zone, shown_too
):
    data = {**templates.samples[kind], **TIMES, "time_zone": zone}
    mail = templates.render(kind, "Alice", data, "Europe/Berlin")
    # The HTML has the times a second time for mailboxes, which list the beginning of each e-mail.
    for body in (mail.text, unescape(mail.html).partition("<table")[2]):
        assert body.count(IN_BERLIN) == 1
        assert body.count("Thu 1 April 2027") == (2 if shown_too else 1)
        assert shown_too is None or re.search(rf"{re.escape(shown_too)}(\n|<)", body)


def test_a_moved_bookings_old_times_are_in_the_readers_zone(templates):
    old = {"old_start_time": "2027-03-27T07:00:00Z", "old_end_time": "2027-03-27T08:00:00Z"}
    data = {**templates.samples["BOOKING_RESCHEDULED"], **TIMES, **old}
    mail = templates.render("BOOKING_RESCHEDULED", "Alice", data, "Europe/Berlin")
    for body in (mail.text, unescape(mail.html)):
        assert body.index(IN_BERLIN) < body.index("Sat 27 March 2027, 08:00–09:00 CET (UTC+1)")


@pytest.mark.parametrize(
    ("zone", "shown_time"),
    [("Europe/Berlin", "Thu 1 April 2027, 09:00 CEST (UTC+2)"), (None, "Thu 1 April 2027, 07:00 UTC")],
)
def test_the_filter_moment_of_an_operators_template_is_in_the_readers_zone(tmp_path, zone, shown_time):
    (tmp_path / "accounts").mkdir()
    (tmp_path / "accounts" / "welcome.txt").write_text("{{ data.start_time | moment }}")
    templates = Templates(str(tmp_path))
    templates.add("WELCOME", "accounts/welcome", "scheduling.accounts", TIMES)
    mail = templates.render("WELCOME", "Alice", TIMES, *([zone] if zone else []))
    assert mail.text == shown_time


def test_a_file_that_is_imported_without_its_context_shows_utc(tmp_path):
    (tmp_path / "accounts").mkdir()
    (tmp_path / "accounts" / "own.txt").write_text("{% macro at(time) %}{{ time | moment }}{% endmacro %}")
    own = '{% from "accounts/own.txt" import at %}{{ at(data.start_time) }}'
    (tmp_path / "accounts" / "welcome.txt").write_text(own)
    templates = Templates(str(tmp_path))
    templates.add("WELCOME", "accounts/welcome", "scheduling.accounts", TIMES)
    mail = templates.render("WELCOME", "Alice", TIMES, "Europe/Berlin")
    assert mail.text == "Thu 1 April 2027, 07:00 UTC"


def welcome(folder):
    templates = Templates(str(folder))
    templates.add("WELCOME", "accounts/welcome", "scheduling.accounts", {})
    return templates.render("WELCOME", "<Alice>", {})


def test_an_operators_file_comes_before_the_packages(tmp_path):
    (tmp_path / "accounts").mkdir()
    (tmp_path / "accounts" / "welcome.html").write_text("<p>Servus {{ name }}</p>")
    mail = welcome(tmp_path)
    assert mail.html == "<p>Servus &lt;Alice&gt;</p>"
    assert mail.subject == "Welcome, <Alice>"


@pytest.mark.parametrize("broken", ["{{ nobody_gives_this }}", "{{ data.unknown }}", "{% if %}"])
def test_a_broken_template_stops_the_start_and_is_named(tmp_path, broken):
    (tmp_path / "accounts").mkdir()
    (tmp_path / "accounts" / "welcome.txt").write_text(broken)
    with pytest.raises(StartupError, match="accounts/welcome of WELCOME is broken"):
        welcome(tmp_path)


def test_a_missing_template_stops_the_start_and_is_named():
    with pytest.raises(StartupError, match="accounts/unheard-of"):
        Templates("").add("UNHEARD_OF", "accounts/unheard-of", "scheduling.accounts", {})
