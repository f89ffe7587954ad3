from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from scheduling.app import make_app
from scheduling.email.rendering import Templates, moment
from scheduling.exceptions import StartupError
from scheduling.startup import set_up
from scheduling.testing.site import SETTINGS
from scheduling.times import parse_timestamp

KINDS = ("WELCOME", "BOOKING_CONFIRMATION", "BOOKING_CANCELLED", "ORG_INVITE")
MARKUP = st.text("<>&\"'/=a \n\r\u2028{}%#", max_size=30) | st.text()
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
    """Give the keys of what users wrote in a sample: its texts that are no timestamps."""
    return [key for key, value in sample.items() if isinstance(value, str) and not is_timestamp(value)]


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
    plain = templates.render(kind, "", {**sample, **dict.fromkeys(written, "")})
    assert str(escape(name)) in mail.html
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


@pytest.mark.parametrize("kind", KINDS)
def test_a_users_text_is_no_template(templates, kind):
    sample = templates.samples[kind]
    written = {key: PAYLOAD for key in texts_of(sample) if key != "role"}
    mail = templates.render(kind, PAYLOAD, {**sample, **written})
    assert mail.text.count(PAYLOAD) == mail.text.count("{{ name }}") == 1 + len(written)
    assert PAYLOAD in unescape(mail.html)


def test_a_kind_that_nobody_registered_is_a_key_error(templates):
    with pytest.raises(KeyError):
        templates.render("UNHEARD_OF", "Alice", {})


@pytest.mark.parametrize(
    ("timestamp", "words"),
    [
        ("2027-04-01T09:00:00.000Z", "1 April 2027, 09:00 UTC"),
        ("2027-12-31T23:30:00.000-01:00", "1 January 2028, 00:30 UTC"),
        ("0999-05-09T00:00:00Z", "9 May 999, 00:00 UTC"),
    ],
)
def test_a_moment_is_written_for_people_in_utc_with_the_zone_named(timestamp, words):
    assert moment(timestamp) == words


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
