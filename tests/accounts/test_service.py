"""A log-in whose password is being checked while the account changes gets a token of what holds then."""

from unicodedata import normalize

import bcrypt
import pytest
import sqlalchemy as sa

from scheduling.accounts import service
from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.security.passwords import Passwords
from scheduling.testing.site import PASSWORD
from tests.kit.factories import log_in


class Meanwhile(Passwords):
    """Does something else between checking a password and telling the result."""

    act = None

    def matches(self, password, hashed):
        answer = super().matches(password, hashed)
        act, self.act = self.act, None
        if act:
            act()
        return answer


@pytest.fixture
def meanwhile(site):
    real = site.registry.passwords
    site.registry.passwords = Meanwhile(4)
    yield site.registry.passwords
    site.registry.passwords = real


def test_a_log_in_fails_when_the_password_was_changed_meanwhile(site, meanwhile):
    alice = site.user()
    change = {"currentPassword": PASSWORD, "newPassword": "another1"}
    meanwhile.act = lambda: alice.patch("/users/me/password", change, status=200)
    log_in(site, alice.email, status=401)


def test_a_log_in_gives_no_admins_token_when_the_role_was_taken_meanwhile(site, meanwhile):
    admin = site.user(admin=True)

    def demote():
        with session_scope(site.registry) as db:
            service.set_role(db, admin.email, "member")

    meanwhile.act = demote
    answer = log_in(site, admin.email).json
    assert answer["user"]["role"] == "member"
    admin.token = answer["token"]
    admin.get("/users", status=(401, 403))


def set_hash(site, password, cost):
    """Give every account a hash as an earlier release made it, or one with other settings."""
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()
    with session_scope(site.registry) as db:
        db.write(sa.update(users).values(password_hash=hashed))
    return hashed


def stored_hash(site):
    with session_scope(site.registry) as db:
        return db.scalar(sa.select(users.c.password_hash))


@pytest.mark.parametrize("cost", [5, 6])
def test_a_log_in_renews_a_hash_of_another_cost_and_ends_no_token(site, cost):
    alice = site.user()
    old = set_hash(site, PASSWORD, cost)
    log_in(site, alice.email, "wrong one", status=401)
    assert stored_hash(site) == old
    fresh = log_in(site, alice.email).json
    renewed = stored_hash(site)
    assert renewed.startswith("$2b$04$")
    log_in(site, alice.email)
    assert stored_hash(site) == renewed
    site.forget_when_cutoffs_were_read()
    alice.get("/users/me", status=200)
    alice.token = fresh["token"]
    alice.get("/users/me", status=200)


def test_a_log_in_renews_a_hash_of_what_was_typed_so_that_another_device_can_log_in(site):
    alice, password = site.user(), "Grüße-été"
    set_hash(site, normalize("NFD", password), 4)
    log_in(site, alice.email, password, status=401)
    log_in(site, alice.email, normalize("NFD", password))
    log_in(site, alice.email, password)


def test_a_renewed_hash_does_not_replace_a_password_that_was_changed_meanwhile(site, meanwhile):
    alice = site.user()
    set_hash(site, PASSWORD, 5)
    change = {"currentPassword": PASSWORD, "newPassword": "another1"}
    meanwhile.act = lambda: alice.patch("/users/me/password", change, status=200)
    log_in(site, alice.email, status=401)
    log_in(site, alice.email, "another1")


def test_a_log_in_succeeds_although_another_one_renewed_the_hash_meanwhile(site, meanwhile):
    alice = site.user()
    set_hash(site, PASSWORD, 5)
    meanwhile.act = lambda: log_in(site, alice.email)
    log_in(site, alice.email)


def test_a_password_is_changed_although_a_log_in_renewed_the_hash_meanwhile(site, meanwhile):
    alice = site.user()
    set_hash(site, PASSWORD, 5)
    meanwhile.act = lambda: log_in(site, alice.email)
    alice.patch("/users/me/password", {"currentPassword": PASSWORD, "newPassword": "another1"}, status=200)
    log_in(site, alice.email, "another1")


def test_a_log_in_fails_when_the_account_was_deleted_meanwhile(site, meanwhile):
    alice = site.user()

    def delete():
        with session_scope(site.registry) as db:
            service.delete(db, alice.id)

    meanwhile.act = delete
    log_in(site, alice.email, status=401)


def test_a_password_beyond_what_bcrypt_reads_is_wrong(site):
    password = "x" * 72
    account = {"name": "Alice", "email": "long@example.com", "password": password}
    site.anonymous.post("/auth/register", account, status=201)
    log_in(site, account["email"], password)
    log_in(site, account["email"], password + "y", status=401)
