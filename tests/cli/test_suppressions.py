"""`scheduling email suppressions`: what it shows, what it changes and how it ends."""

import json
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from scheduling.accounts.models import email_suppressions
from scheduling.accounts.suppressions import find_suppressed
from scheduling.cli.main import main
from scheduling.db.session import session_scope
from tests.kit.factories import LONG_AGO

REASON = "550 5.1.1 no such mailbox"
SECOND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture
def run_suppressions(site, ini):
    """A function that runs `scheduling email suppressions …` on the site's database."""
    url = site.registry.engine.url.render_as_string(hide_password=False)

    def run_suppressions(*arguments):
        arguments = ["-c", str(ini), "email", "suppressions", *map(str, arguments)]
        return CliRunner().invoke(main, arguments, env={"DATABASE_URL": url})

    return run_suppressions


@pytest.fixture
def suppressions_output(run_suppressions):
    """A function that runs a command, which succeeds, and returns the lines of its output."""

    def suppressions_output(*arguments):
        result = run_suppressions(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()

    return suppressions_output


def refused_at(site, address, days=0, reason=REASON):
    values = {"address": address, "reason": reason, "created_at": LONG_AGO + timedelta(days)}
    with session_scope(site.registry) as db:
        db.write(sa.insert(email_suppressions).values(values))


def found(site, *addresses):
    with session_scope(site.registry) as db:
        return find_suppressed(db, addresses)


# list


def test_addresses_are_listed_newest_first_in_columns(site, suppressions_output):
    refused_at(site, "old@example.com")
    refused_at(site, "new@example.com", days=1, reason="asked by phone")
    assert suppressions_output("list") == [
        "ADDRESS          SINCE                 REASON",
        "new@example.com  2026-01-03T03:04:05Z  asked by phone",
        "old@example.com  2026-01-02T03:04:05Z  550 5.1.1 no such mailbox",
    ]


def test_an_empty_list_says_so(suppressions_output):
    assert suppressions_output("list") == ["No address is suppressed."]
    assert suppressions_output("list", "--json") == ["[]"]


def test_the_list_ends_at_its_limit_and_says_so(site, run_suppressions):
    for i in range(3):
        refused_at(site, f"user{i}@example.com", days=i)
    some, all_of_them = run_suppressions("list", "--limit", 2), run_suppressions("list", "--limit", 3)
    assert [line.split()[0] for line in some.stdout.splitlines()[1:]] == [
        "user2@example.com",
        "user1@example.com",
    ]
    assert some.stderr == "There are more than 2; --limit shows more of them.\n"
    assert (len(all_of_them.stdout.splitlines()), all_of_them.stderr) == (4, "")
    assert len(json.loads(run_suppressions("list", "--limit", 1, "--json").stdout)) == 1


def test_the_list_as_json_is_one_array(site, suppressions_output):
    refused_at(site, "ada@example.com")
    [text] = suppressions_output("list", "--json")
    assert json.loads(text) == [
        {"address": "ada@example.com", "reason": REASON, "created_at": "2026-01-02T03:04:05.678Z"}
    ]


def test_what_a_mail_server_said_cannot_steer_the_terminal_or_fill_it(site, suppressions_output):
    refused_at(site, "\x1bada@example.com", reason="\x1b[2Jno\nmailbox\u202e " + "x" * 400)
    _, line = suppressions_output("list")
    assert line.startswith("�ada@example.com  ")
    assert "�[2Jno mailbox�" in line
    assert (len(line), line.isprintable()) == (120, True)


# add


def test_an_added_address_is_suppressed_in_every_spelling(site, suppressions_output):
    assert suppressions_output("add", "Ada@B\u00fccher.example") == ["1 address suppressed."]
    assert found(site, "ada@xn--bcher-kva.example") == {"ada@xn--bcher-kva.example": "added by an operator"}
    _, line = suppressions_output("list")
    assert line.split()[0] == "ada@xn--bcher-kva.example"
    assert SECOND.fullmatch(line.split()[1])


def test_an_address_that_is_added_again_gets_the_new_reason(site, suppressions_output):
    refused_at(site, "ada@example.com")
    assert suppressions_output("add", "ADA@example.com", "--reason", "asked by phone") == [
        "1 address suppressed."
    ]
    assert found(site, "ada@example.com") == {"ada@example.com": "asked by phone"}


def test_of_several_addresses_the_valid_ones_are_added_and_the_others_named(site, run_suppressions):
    result = run_suppressions(
        "add", "ada@example.com", "Ada <ada@example.org>", "bo\x1b@x", "bob@example.com"
    )
    assert (result.exit_code, result.stdout) == (1, "2 addresses suppressed.\n")
    assert result.stderr.splitlines() == [
        "Error: Ada <ada@example.org> is not a valid e-mail address.",
        "Error: bo�@x is not a valid e-mail address.",
    ]
    assert found(site, "ada@example.com", "bob@example.com").keys() == {"ada@example.com", "bob@example.com"}


def test_adding_as_json_names_both(run_suppressions):
    result = run_suppressions("add", "ada@example.com", "nowhere", "ada@example.com", "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    assert json.loads(result.stdout) == {
        "suppressed": ["ada@example.com"],
        "refused": [{"address": "nowhere", "error": "nowhere is not a valid e-mail address."}],
    }


# remove


def test_a_removed_address_is_mailed_to_again(site, suppressions_output):
    ada = site.user(email="Ada@B\u00fccher.example")
    suppressions_output("add", ada.email)
    assert ada.get("/users/me").json["email_deliverable"] is False
    assert suppressions_output("remove", "ada@XN--BCHER-KVA.example") == ["1 address removed."]
    assert ada.get("/users/me").json["email_deliverable"] is True


def test_an_address_that_was_not_suppressed_is_named(site, run_suppressions):
    refused_at(site, "ada@example.com")
    result = run_suppressions("remove", "b\tob", "ada@example.com")
    assert (result.exit_code, result.stdout) == (1, "1 address removed.\n")
    assert result.stderr == "Error: b�ob is not suppressed.\n"


def test_removing_as_json_names_both(site, run_suppressions):
    refused_at(site, "ada@example.com")
    result = run_suppressions("remove", "ada@example.com", "bob@example.com", "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    assert json.loads(result.stdout) == {
        "removed": ["ada@example.com"],
        "refused": [{"address": "bob@example.com", "error": "bob@example.com is not suppressed."}],
    }


@pytest.mark.parametrize("command", ["add", "remove"])
def test_a_change_needs_an_address(run_suppressions, command):
    assert run_suppressions(command).exit_code == 2
