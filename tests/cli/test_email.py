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
