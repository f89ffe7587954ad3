"""A changed address with the setting ``email_change_needs_password``, and without it."""

from dataclasses import replace

import pytest

from scheduling.testing.site import PASSWORD
from tests.kit.factories import log_in, refused_fields

NEW = {"email": "new@example.com"}


@pytest.fixture
def strict(site):
    """The site with the setting."""
    before = site.registry.core_settings
    site.registry.core_settings = replace(before, email_change_needs_password=True)
    yield site
    site.registry.core_settings = before


def test_by_default_no_password_is_asked_for_nor_looked_at(site):
    alice = site.user()
    assert not site.registry.core_settings.email_change_needs_password
    assert alice.patch("/users/me", NEW, status=200).json["user"]["email"] == NEW["email"]
    alice.patch("/users/me", {"email": alice.email, "currentPassword": "wrong"}, status=200)


def test_the_password_alone_changes_nothing(site):
    error = site.user().patch("/users/me", {"currentPassword": PASSWORD}, status=400).json["error"]
    assert error == "send at least one of: name, email, time_zone"


@pytest.mark.parametrize("missing", [{}, {"currentPassword": None}, {"currentPassword": ""}])
def test_another_address_needs_the_password(strict, missing):
    alice = strict.user()
    assert refused_fields(alice.patch("/users/me", NEW | missing, status=400)) == {"currentPassword"}
    assert alice.get("/users/me").json["email"] == alice.email


def test_a_wrong_password_is_a_401_as_where_the_password_is_changed(strict):
    alice = strict.user()
    refused = alice.patch("/users/me", NEW | {"name": "Eve", "currentPassword": "wrong"}, status=401)
    assert refused.json["error"] == "The current password is wrong."
    me = alice.get("/users/me").json
    assert (me["name"], me["email"]) == (alice.name, alice.email)


def test_the_right_password_changes_it(strict):
    alice = strict.user()
    sent = NEW | {"name": "Alicia", "currentPassword": PASSWORD}
    user = alice.patch("/users/me", sent, status=200).json["user"]
    assert (user["name"], user["email"]) == ("Alicia", "new@example.com")
    log_in(strict, "new@example.com")


def test_what_leaves_the_address_as_it_is_needs_none(strict):
    alice = strict.user()
    for sent in ({"name": "Alicia"}, {"email": alice.email}, {"name": "A", "email": f" {alice.email} "}):
        alice.patch("/users/me", sent, status=200)


def test_a_password_that_was_changed_meanwhile_is_wrong(strict, monkeypatch):
    alice = strict.user()
    passwords = strict.registry.passwords
    matches = passwords.matches

    def changed_meanwhile(password, hashed):
        monkeypatch.setattr(passwords, "matches", matches)
        change = {"currentPassword": PASSWORD, "newPassword": "another1"}
        fresh = alice.patch("/users/me/password", change, status=200).json["token"]
        answer = matches(password, hashed)
        alice.token = fresh
        return answer

    monkeypatch.setattr(passwords, "matches", changed_meanwhile)
    alice.patch("/users/me", NEW | {"currentPassword": PASSWORD}, status=401)
    assert alice.get("/users/me").json["email"] == alice.email
