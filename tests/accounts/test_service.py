"""A log-in whose password is being checked while the account changes gets a token of what holds then."""

import pytest

from scheduling.accounts import service
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


def test_a_password_beyond_what_bcrypt_reads_is_wrong(site):
    password = "x" * 72
    account = {"name": "Alice", "email": "long@example.com", "password": password}
    site.anonymous.post("/auth/register", account, status=201)
    log_in(site, account["email"], password)
    log_in(site, account["email"], password + "y", status=401)
