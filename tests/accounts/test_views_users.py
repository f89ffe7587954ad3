import re
from dataclasses import replace

import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.testing import Client
from scheduling.testing.site import PASSWORD
from tests.kit.factories import log_in

USER = {"id", "name", "email", "role", "time_zone", "created_at", "version"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def change_password(client, new="another secret", current=PASSWORD, status=200):
    sent = {"currentPassword": current, "newPassword": new}
    return client.patch("/users/me/password", sent, status=status)


def test_i_see_my_own_account(site):
    alice = site.user("Alice", email="Alice@example.com")
    me = alice.get("/users/me", status=200).json
    assert MOMENT.fullmatch(me.pop("created_at"))
    assert me == {
        "id": alice.id,
        "name": "Alice",
        "email": "Alice@example.com",
        "role": "member",
        "time_zone": "UTC",
        "email_deliverable": True,
        "version": 1,
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "/users/me"), ("patch", "/users/me"), ("patch", "/users/me/password"), ("get", "/users")],
)
def test_accounts_need_a_token(site, method, path):
    answer = getattr(site.anonymous, method)(path, status=401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Alicia Ünal"},
        {"email": "alicia@example.org"},
        {"name": "A", "email": "a@example.org"},
        {"name": "é" * 255},
        {"time_zone": "Europe/Berlin"},
        {"time_zone": "America/Argentina/Buenos_Aires"},
    ],
)
def test_i_change_my_name_and_my_address(site, changes):
    alice = site.user("Alice")
    before = alice.get("/users/me").json
    answer = alice.patch("/users/me", changes, status=200).json
    assert answer.keys() == {"message", "user"}
    assert answer["user"] == before | changes | {"version": answer["user"]["version"]}
    assert answer["user"]["version"] > before["version"]
    assert alice.get("/users/me").json == answer["user"]


@pytest.mark.parametrize(
    "zone", ["Berlin", "europe/berlin", "CEST", "+02:00", "localtime", "../Europe/Berlin", 2]
)
def test_an_unknown_time_zone_is_a_400_that_names_it(site, zone):
    errors = site.user().patch("/users/me", {"time_zone": zone}, status=400).json["errors"]
    assert errors.keys() == {"time_zone"}


def test_a_new_account_has_the_time_zone_of_the_setting(site, monkeypatch):
    settings = replace(site.registry.core_settings, default_time_zone="Asia/Kathmandu")
    monkeypatch.setattr(site.registry, "core_settings", settings)
    assert site.user().get("/users/me").json["time_zone"] == "Asia/Kathmandu"


def test_what_i_send_is_trimmed_and_the_rest_ignored(site):
    alice = site.user("Alice")
    before = alice.get("/users/me").json
    sent = {
        "name": "  Alicia ",
        "role": "admin",
        "id": 1,
        "password": "x",
        "created_at": "2001-01-01T00:00:00Z",
    }
    changed = alice.patch("/users/me", sent, status=200).json["user"]
    assert changed == before | {"name": "Alicia", "version": before["version"] + 1}
    log_in(site, alice.email)


@pytest.mark.parametrize("sent", [{}, {"name": " "}, {"name": None, "email": ""}, {"role": "admin"}])
def test_a_change_of_nothing_is_a_400(site, sent):
    alice = site.user()
    error = alice.patch("/users/me", sent, status=400).json["error"]
    assert "name" in error
    assert "email" in error
    assert alice.get("/users/me").json["role"] == "member"


@pytest.mark.parametrize(
    "changes", [{"name": 7}, {"name": "x" * 256}, {"email": "nowhere"}, {"email": ["a@b.co"]}]
)
def test_a_bad_name_or_address_is_a_400_that_changes_nothing(site, changes):
    alice = site.user()
    before = alice.get("/users/me").json
    answer = alice.patch("/users/me", {"name": "Alicia"} | changes, status=400).json
    assert list(answer["errors"]) == list(changes)
    assert alice.get("/users/me").json == before


def test_an_address_that_another_account_has_in_any_case_is_a_400(site):
    alice, bob = site.user("Alice"), site.user("Bob", email="bob@bücher.example")
    for taken in (bob.email, bob.email.upper()):
        answer = alice.patch("/users/me", {"name": "Alicia", "email": taken}, status=400).json
        assert answer["error"] == "Email already in use"
    me = alice.get("/users/me").json
    assert (me["name"], me["email"]) == ("Alice", alice.email)


def test_i_may_change_the_case_of_my_own_address(site):
    alice = site.user("Alice", email="alice@example.com")
    changed = alice.patch("/users/me", {"email": "Alice@Example.com"}, status=200).json["user"]
    assert changed["email"] == "Alice@Example.com"


def test_after_a_change_of_address_i_log_in_with_the_new_one_and_others_may_take_the_old(site):
    alice = site.user("Alice", email="alice@example.com")
    alice.patch("/users/me", {"email": "alicia@example.com"}, status=200)
    log_in(site, "alicia@example.com")
    log_in(site, "alice@example.com", status=401)
    site.user("Other", email="alice@example.com")


def test_mail_goes_to_the_address_that_holds_when_it_is_sent(site):
    alice = site.user("Alice")
    alice.patch("/users/me", {"email": "new@example.com"}, status=200)
    site.deliver()
    assert [mail.to_address for mail in site.mail] == ["new@example.com"]


def test_a_new_password_works_and_the_old_one_no_longer(site):
    alice = site.user("Alice")
    answer = change_password(alice, "  ünother secret ").json
    assert answer.keys() == {"message", "token"}
    log_in(site, alice.email, status=401)
    log_in(site, alice.email, "ünother secret", status=401)
    log_in(site, alice.email, "  ünother secret ")


def test_a_new_password_ends_every_older_token_at_once_and_the_fresh_one_works(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    password = PASSWORD
    for new in ("second secret", "third secret", "fourth secret", PASSWORD):
        # All of these are made within one second.
        older = [alice.token, *(log_in(site, alice.email, password).json["token"] for _ in range(2))]
        fresh = change_password(alice, new, current=password).json["token"]
        for token in older:
            Client(site.app, token).get("/users/me", status=401)
        alice.token, password = fresh, new
        assert alice.get("/auth/verify", status=200).json["user"]["id"] == alice.id
        Client(site.app, log_in(site, alice.email, new).json["token"]).get("/users/me", status=200)
    bob.get("/users/me", status=200)


def test_the_fresh_token_carries_role_and_address(site):
    admin = site.user("Admin", admin=True)
    fresh = Client(site.app, change_password(admin).json["token"])
    fresh.get("/users", status=200)
    assert fresh.get("/auth/verify").json["user"]["email"] == admin.email


@pytest.mark.parametrize("current", ["wrong secret", "SECRET123", "secret123 ", "x" * 100])
def test_a_wrong_current_password_is_a_401_that_changes_nothing(site, current):
    alice = site.user()
    answer = change_password(alice, current=current, status=401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    alice.get("/users/me", status=200)
    log_in(site, alice.email)


@pytest.mark.parametrize("field", ["currentPassword", "newPassword"])
@pytest.mark.parametrize("value", [None, "", "  ", 7, ["secret123"]])
def test_a_change_of_password_needs_both(site, field, value):
    alice = site.user()
    sent = {"currentPassword": PASSWORD, "newPassword": "another secret"} | {field: value}
    answer = alice.patch("/users/me/password", sent, status=400).json
    assert list(answer["errors"]) == [field]
    alice.get("/users/me", status=200)


@pytest.mark.parametrize("new", ["12345", "x" * 73, "é" * 37])
def test_a_new_password_that_is_too_short_or_too_long_is_a_400(site, new):
    alice = site.user()
    assert list(change_password(alice, new, status=400).json["errors"]) == ["newPassword"]
    log_in(site, alice.email)


@pytest.mark.parametrize("new", ["123456", "x" * 72, "é" * 36])
def test_a_new_password_has_6_characters_to_72_bytes(site, new):
    alice = site.user()
    change_password(alice, new)
    log_in(site, alice.email, new)


def test_an_admin_lists_all_users_newest_first(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    admin = site.user("Admin", admin=True)
    listed = admin.get("/users", status=200).json
    assert [user["id"] for user in listed] == [admin.id, bob.id, alice.id]
    # Whether e-mails reach somebody is answered to the user itself.
    assert listed[2] | {"email_deliverable": True} == alice.get("/users/me").json
    assert [user["role"] for user in listed] == ["admin", "member", "member"]
    assert all(user.keys() == USER for user in listed)


def test_only_admins_list_users(site):
    site.user().get("/users", status=403)


def test_an_answer_never_holds_a_password_or_its_hash(site):
    admin = site.user(admin=True)
    with session_scope(site.registry) as db:
        hashed = db.scalar(sa.select(users.c.password_hash))
    for path in ("/users", "/users/me", "/auth/verify"):
        text = admin.get(path, status=200).text
        assert hashed not in text
        assert "password" not in text
