"""`scheduling email preview`: what the mail of a kind looks like, without a database."""

import pytest
from click.testing import CliRunner

from scheduling.app import make_app
from scheduling.cli.main import main
from scheduling.config.ini import read_ini
from scheduling.startup import set_up

NOWHERE = "postgresql://scheduling@127.0.0.1:1/scheduling"
KINDS = ["WELCOME", "BOOKING_CONFIRMATION", "BOOKING_RESCHEDULED", "BOOKING_CANCELLED"]


@pytest.fixture
def preview(ini):
    def preview(*arguments, **environ):
        environ = {"DATABASE_URL": NOWHERE, **environ}
        return CliRunner().invoke(main, ["-c", str(ini), "email", "preview", *arguments], env=environ)

    return preview


@pytest.fixture
def rendered(ini):
    def rendered(kind):
        settings = read_ini(str(ini))
        templates = make_app(set_up(settings, {}), settings).registry.email_templates
        return templates.render(kind, "Alex Example", templates.samples[kind])

    return rendered


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_is_the_headers_and_the_text(preview, rendered, kind):
    result = preview(kind, EMAIL_FROM="Acme <mail@acme.example>")
    assert result.exit_code == 0, result.output
    headers, _, text = result.output.partition("\n\n")
    assert headers.splitlines() == [
        "From: Acme <mail@acme.example>",
        "To: Alex Example <alex@example.com>",
        f"Subject: {rendered(kind).subject}",
    ]
    assert text == rendered(kind).text


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_as_html_is_the_html_alone(preview, rendered, kind):
    result = preview(kind, "--html")
    assert result.exit_code == 0, result.output
    assert result.output == rendered(kind).html


def test_an_operators_own_template_is_what_is_shown(preview, tmp_path):
    (tmp_path / "accounts").mkdir()
    (tmp_path / "accounts" / "welcome.txt").write_text("Servus {{ name }}!\n")
    result = preview("WELCOME", SCHEDULING_EMAIL_TEMPLATES=str(tmp_path))
    assert result.output.partition("\n\n")[2] == "Servus Alex Example!\n"


def test_an_unknown_kind_is_one_line_that_lists_those_of_the_enabled_plugins(preview):
    result = preview("NEWSLETTER")
    assert result.exit_code == 1
    assert result.output == (
        "Error: There is no e-mail kind NEWSLETTER; "
        "there are: BOOKING_CANCELLED, BOOKING_CONFIRMATION, BOOKING_RESCHEDULED, WELCOME.\n"
    )


def test_a_preview_is_in_a_readers_zone(preview):
    result = preview("BOOKING_CONFIRMATION", "--zone", "Asia/Kathmandu")
    assert "Thu 1 April 2027, 14:45–15:15 (UTC+5:45)" in result.output


def test_a_zone_that_is_none_is_a_mistake_in_one_line(preview):
    result = preview("WELCOME", "--zone", "Berlin")
    assert result.exit_code == 2
    assert "Error: Invalid value for '--zone': Berlin is not the IANA name of a time zone" in result.output


def test_a_preview_of_all_is_a_folder_with_a_page_that_shows_each_light_and_dark(preview, rendered, tmp_path):
    result = preview("--out", str(tmp_path / "emails"))
    assert result.exit_code == 0, result.output
    assert result.output == f"{tmp_path / 'emails' / 'index.html'}\n"
    page = (tmp_path / "emails" / "index.html").read_text("utf-8")
    for kind in KINDS:
        mail = rendered(kind)
        assert (tmp_path / "emails" / f"{kind}.html").read_text("utf-8") == mail.html
        assert (tmp_path / "emails" / f"{kind}.txt").read_text("utf-8") == mail.text
        for title in ("light", "dark", "light, narrow"):
            assert page.count(f'title="{kind}, {title}"') == 1
        assert f"<p>Subject: {mail.subject}</p>" in page
    assert page.count("@media all {") == len(KINDS)
    assert page.count("@media not all {") == 2 * len(KINDS)
    assert "prefers-color-scheme: dark" not in page


def test_a_preview_is_opened_in_a_browser(preview, monkeypatch):
    opened = []
    monkeypatch.setattr("click.launch", opened.append)
    result = preview("WELCOME", "--open")
    assert result.exit_code == 0, result.output
    assert [*opened, ""] == result.output.split("\n")
    assert opened[0].endswith("/index.html")


def test_a_preview_without_a_kind_says_what_there_is(preview):
    result = preview()
    assert result.exit_code == 2
    assert "Name a KIND, or --out or --open for all of them: BOOKING_CANCELLED, " in result.output
