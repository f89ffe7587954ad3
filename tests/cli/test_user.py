"""`scheduling user`: accounts, made, listed, changed and deleted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.messaging.models import State
from scheduling.testing import Site
from tests.kit.factories import book, log_in

pytestmark = pytest.mark.usefixtures("migrated")


@pytest.fixture
def migrated(command_output):
    command_output("db", "upgrade")


@pytest.fixture
def site(ini):
    """The site on the database of the ini file."""
    site = Site(f"sqlite:///{ini.parent}/cli.db", ["bookings"])
    yield site
    site.close()


def create(command_output, email, *options):
    return command_output("user", "create", email, *options, SCHEDULING_PASSWORD="secret123")


def test_user_that_is_created_can_log_in_and_is_sent_the_welcome(command_output, site):
    assert create(command_output, "ada@example.com", "--name", "Ada") == [
        "Created member ada@example.com with id 1."
    ]

    user = log_in(site, "ada@example.com").json["user"]
    site.deliver()
    assert user == {"id": 1, "name": "Ada", "email": "ada@example.com", "role": "member"}
    assert [mail.subject for mail in site.mail] == ["Welcome, Ada"]


# Passwords


def test_password_is_asked_for_twice_and_not_shown(command_output):
    lines = command_output("user", "create", "ada@example.com", input="secret123\nsecret123\n")
    assert lines == ["Password: ", "Repeat for confirmation: ", "Created member ada@example.com with id 1."]


@pytest.mark.parametrize("given", ["secret 123 ", "secret 123 \n", "secret 123 \r\n", "secret 123 \nmore\n"])
def test_password_can_be_the_first_line_of_the_input(command_output, site, given):
    command_output(
        "user", "create", "ada@example.com", "--password-stdin", input=given, SCHEDULING_PASSWORD="other"
    )
    assert log_in(site, "ada@example.com", "secret 123 ")


@pytest.mark.parametrize("options", [["--password", "secret123"], ["--password=secret123"]])
def test_password_is_no_argument_that_everybody_on_the_machine_can_read(run_command, options):
    result = run_command("user", "create", "ada@example.com", *options)
    assert result.exit_code == 2
    assert "No such option" in result.output


@pytest.mark.parametrize("options", [[], ["--password-stdin"]])
def test_no_password_at_all_is_an_error_in_one_line(ini, options):
    command = [Path(sys.executable).with_name("scheduling"), "-c", ini, "user", "create", "ada@example.com"]
    ended = subprocess.run(
        [*command, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        # Without a terminal, as in a container.
        start_new_session=True,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "password" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("email", "password", "message"),
    [
        ("ada@example.com", "short", "Error: password must have at least 6 characters"),
        ("ada@example.com", "x" * 73, "Error: password must have at most 72 bytes"),
        ("ada.example.com", "secret123", "Error: email must be a valid e-mail address"),
        ("ADA@EXAMPLE.ORG", "secret123", "Error: Email already in use"),
    ],
)
def test_user_that_cannot_be_created_is_refused_in_one_line(
    command_output, failed_message, email, password, message
):
    create(command_output, "ada@example.org")
    assert failed_message("user", "create", email, SCHEDULING_PASSWORD=password) == message
    assert len(command_output("user", "list")) == 1


# The first admin of a deployment


def test_account_is_made_once_if_it_is_missing(command_output, site):
    command = ["user", "create", "Ada@example.com", "--role", "admin", "--if-missing"]
    assert command_output(*command, SCHEDULING_PASSWORD="secret123") == [
        "Created admin Ada@example.com with id 1."
    ]

    # Also without the password, which nobody has to keep.
    again = command_output(*command[:2], "ADA@example.com", *command[3:])

    assert again == ["Ada@example.com exists already, as admin; nothing was changed."]
    assert log_in(site, "ada@example.com")
    assert len(command_output("user", "list")) == 1


def test_whoever_has_that_address_already_does_not_become_an_admin(command_output):
    create(command_output, "ada@example.com")
    lines = command_output("user", "create", "ada@example.com", "--role", "admin", "--if-missing")
    assert lines == ["ada@example.com exists already, as member; nothing was changed."]
    assert command_output("user", "list")[0].split()[1] == "member"


# Lists and roles


def test_users_are_listed_with_their_roles_oldest_first(command_output):
    create(command_output, "zoe@example.com")
    create(command_output, "ada@example.com", "--name", "Ada Lovelace", "--role", "admin")

    assert [line.split(maxsplit=3) for line in command_output("user", "list")] == [
        ["1", "member", "zoe@example.com", "(zoe)"],
        ["2", "admin", "ada@example.com", "(Ada Lovelace)"],
    ]


def test_a_name_cannot_steer_the_terminal(command_output, site):
    site.user("Eve", email="eve@example.com")
    with session_scope(site.registry) as db:
        # As the release before kept it.
        db.write(sa.update(users).values(name="Eve \x1b[2J\u202e\x85!"))
    assert command_output("user", "list") == ["       1  member   eve@example.com  (Eve �[2J��!)"]
    assert command_output("user", "delete", "eve@example.com", "--yes") == [
        "Deleted eve@example.com (id 1, member, Eve �[2J��!)."
    ]


@pytest.mark.parametrize(
    ("encoding", "shown"), [("koi8-r", r"(Zo\xeb \u4f1a)"), ("latin-1", r"(Zoë \u4f1a)")]
)
def test_a_name_that_the_terminal_lacks_is_shown_in_escapes(ini, site, encoding, shown):
    site.user("Zoë 会", email="zoe@example.com")
    listed = subprocess.run(
        [Path(sys.executable).with_name("scheduling"), "-c", ini, "user", "list"],
        env={"PYTHONIOENCODING": encoding, "PATH": os.environ["PATH"]},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert listed.stdout.decode(encoding) == f"       1  member   zoe@example.com  {shown}\n"


def test_role_is_set_by_address_without_regard_to_case(command_output):
    create(command_output, "ada@example.com")

    lines = command_output("user", "set-role", "Ada@Example.com", "admin")

    assert lines == ["ada@example.com is now admin and has to log in again."]
    assert command_output("user", "list")[0].split()[1] == "admin"


def test_account_is_found_by_another_spelling_of_its_address(command_output):
    create(command_output, "ada@exam\u00adple.com")
    again = command_output("user", "create", "ada@example.com", "--if-missing")
    assert again[0].endswith("exists already, as member; nothing was changed.")
    assert command_output("user", "set-role", "Ada@\uff45xample.com", "admin")
    assert command_output("user", "delete", "ADA@example.com\u200b", "--yes")
    assert command_output("user", "list") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["set-role", "nobody@example.com", "admin"],
        ["set-password", "nobody@example.com"],
        ["delete", "nobody@example.com"],
    ],
)
def test_unknown_account_is_an_error(failed_message, arguments):
    assert failed_message("user", *arguments) == "Error: There is no account nobody@example.com."


def test_unknown_role_is_a_usage_error(command_output, run_command):
    create(command_output, "ada@example.com")
    result = run_command("user", "set-role", "ada@example.com", "boss")
    assert result.exit_code == 2
    assert "'boss' is not one of 'member', 'admin'" in result.output


# A password that was forgotten


@pytest.mark.parametrize(
    ("options", "typed"),
    [([], "another1\nanother1\n"), (["--password-stdin"], "another1\nmore\n")],
    ids=["asked for", "of the input"],
)
def test_another_password_ends_the_tokens(command_output, site, options, typed):
    ada = site.user("Ada")

    lines = command_output("user", "set-password", ada.email.upper(), *options, input=typed)

    assert lines[-1] == f"{ada.email} has another password now and has to log in again."
    assert "another1" not in "".join(lines)
    site.forget_when_cutoffs_were_read()
    ada.get("/users/me", status=401)
    log_in(site, ada.email, status=401)
    log_in(site, ada.email, "another1")


@pytest.mark.parametrize("password", ["short", "x" * 73])
def test_a_password_that_nobody_could_register_with_is_refused(failed_message, site, password):
    ada = site.user("Ada")
    message = failed_message("user", "set-password", ada.email, SCHEDULING_PASSWORD=password)
    assert message.startswith("Error: password must have at")
    ada.get("/users/me", status=200)
    log_in(site, ada.email)


# Deleting


def test_delete_asks_first_and_names_the_account(command_output, run_command):
    create(command_output, "ada@example.com", "--name", "Ada")

    refused = run_command("user", "delete", "ADA@example.com", input="n\n")

    assert refused.exit_code == 1
    assert "Delete ada@example.com (id 1, member, Ada) with everything that belongs to it?" in refused.output
    assert len(command_output("user", "list")) == 1
    assert command_output("user", "delete", "ada@example.com", input="y\n")[-1].startswith(
        "Deleted ada@example.com"
    )
    assert command_output("user", "list") == []


def test_what_belongs_to_a_deleted_account_goes_and_its_tokens_end(run_command, empty_database_url):
    everything = ["analytics", "bookings", "notifications", "organizations", "reminders"]
    site = Site(empty_database_url, everything)
    ada, bob, eve = site.user("Ada"), site.user("Bob"), site.user("Eve", admin=True)
    book(ada)
    book(bob)
    hers = ada.post("/organizations", {"name": "Ada's"}).json["organization"]["id"]
    his = bob.post("/organizations", {"name": "Bob's"}).json["organization"]["id"]
    for owner, organization, member in ((ada, hers, bob), (bob, his, ada)):
        owner.post(f"/organizations/{organization}/members", {"email": member.email}, status=201)
    counted = eve.get("/analytics/dashboard").json["overview"]["total_events"]

    environ = {"DATABASE_URL": empty_database_url, "SCHEDULING_PLUGINS": " ".join(everything)}
    assert run_command("user", "delete", ada.email, "--yes", **environ).exit_code == 0

    assert eve.get("/analytics/dashboard").json["overview"]["total_events"] == counted
    site.forget_when_cutoffs_were_read()
    assert ada.get("/users/me", status=401).json["error"] == "The token was revoked; please log in again."
    assert log_in(site, ada.email, status=401)
    assert [member["name"] for member in bob.get(f"/organizations/{his}").json["members"]] == ["Bob"]
    bob.get(f"/organizations/{hers}", status=404)
    assert rows(site, "bookings", "user_id") == [bob.id]
    assert ada.id not in rows(site, "notifications", "user_id")
    assert ada.id not in rows(site, "analytics_events", "user_id")
    # Those to her, and the invitation to her organization, which went with her.
    assert site.deliver().count(State.SKIPPED) == 4
    assert ada.email not in [mail.to_address for mail in site.mail]
    # The address is free again, and its new account is another one.
    assert site.user("Ada", email=ada.email).id > eve.id
    site.close()


def rows(site, table, column):
    with session_scope(site.registry) as db:
        return list(
            db.connection.execute(sa.select(sa.column(column)).select_from(sa.table(table))).scalars()
        )


KEEPING = """
import sqlalchemy as sa
from scheduling.plugin import BigId, metadata, users
sa.Table("acme_things", metadata, sa.Column("user_id", sa.ForeignKey(users.c.id), primary_key=True))
"""
KEEPING_MIGRATION = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "acme_0001", None
def upgrade():
    op.execute("CREATE TABLE acme_things (user_id bigint PRIMARY KEY REFERENCES users (id))")
    op.execute("INSERT INTO acme_things SELECT id FROM users")
"""


def test_an_account_that_a_plugin_keeps_is_kept_and_stays_logged_in(
    run_command, command_output, site, install_plugin
):
    files = {"models.py": KEEPING, "migrations/versions/0001_acme.py": KEEPING_MIGRATION}
    install_plugin("acme", manifest="migrations=True", files=files)
    ada = site.user("Ada")
    command_output("db", "upgrade", SCHEDULING_PLUGINS="bookings acme")

    result = run_command("user", "delete", ada.email, "--yes")

    assert result.exit_code == 1
    assert result.output.startswith("Error: It is kept, since a plugin refers to it: ")
    site.forget_when_cutoffs_were_read()
    ada.get("/users/me", status=200)
