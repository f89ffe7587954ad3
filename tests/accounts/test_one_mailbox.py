"""One mailbox is one account, however its address is spelt, also beside what does not know normal forms."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from scheduling.accounts import service
from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.testing.site import PASSWORD
from tests.kit.factories import create_organization, log_in

TYPED = "Foo@exam\u00adple.com"
STORED = TYPED.lower()  # as every address beyond ASCII
SPELLINGS = ["foo@example.com", "FOO@\uff45xample.com", "foo@example.com\u200b", '"foo"@example.com']


def register(site, email, status):
    sent = {"name": "Foo", "email": email, "password": PASSWORD}
    return site.anonymous.post("/auth/register", sent, status=status)


def write(site, statement):
    with session_scope(site.registry) as db:
        db.write(statement)


def by_the_release_before(site, email):
    """Register as the release before does: it leaves the column for the normal form alone."""
    client = site.user("Old", email="somebody@example.com")
    write(site, sa.update(users).where(users.c.id == client.id).values(email=email, normal_email=None))
    client.email = email
    return client


def normal_forms(site):
    with session_scope(site.registry) as db:
        return [row.normal_email for row in db.rows(sa.select(users.c.normal_email).order_by(users.c.id))]


@pytest.mark.parametrize("other", SPELLINGS)
def test_a_mailbox_is_registered_once(site, other):
    assert register(site, TYPED, 201).json["user"]["email"] == STORED
    refused = register(site, other, 400).json
    assert (refused["error"], refused["errors"]) == (
        "Email already in use",
        {"email": ["Email already in use"]},
    )


def test_of_two_who_register_one_mailbox_at_once_one_wins(site):
    def status(email):
        sent = {"name": "Foo", "email": email, "password": PASSWORD}
        return site.anonymous.post("/auth/register", sent, expect_errors=True).status_int

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(status, [TYPED, *SPELLINGS[:3]])) == [201, 400, 400, 400]


@pytest.mark.parametrize("email", ["foo@example.com\u202e", "foo@\u00ad.com", "\u3164@example.com"])
def test_an_address_that_no_mail_server_can_have_is_a_400(site, email):
    assert list(register(site, email, 400).json["errors"]) == ["email"]
    log_in(site, email, status=401)


@pytest.mark.parametrize("other", SPELLINGS)
def test_log_in_works_with_every_spelling(site, other):
    foo = site.user(email=TYPED)
    assert log_in(site, other).json["user"]["id"] == foo.id


@pytest.mark.parametrize("other", SPELLINGS)
def test_nobody_changes_to_a_mailbox_that_somebody_has(site, other):
    site.user(email=TYPED)
    bob = site.user("Bob")
    assert bob.patch("/users/me", {"email": other}, status=400).json["error"] == "Email already in use"
    assert bob.get("/users/me").json["email"] == bob.email


def test_i_may_change_the_spelling_of_my_own_address(site):
    foo = site.user(email=TYPED)
    for spelling in ("FOO@example.com", "foo@example.com", "foo@\uff45xample.com"):
        foo.patch("/users/me", {"email": spelling, "name": "Foo"}, status=200)
        assert normal_forms(site) == ["foo@example.com"]
    log_in(site, TYPED)


def test_a_new_name_leaves_the_normal_form_alone(site):
    site.user(email=TYPED).patch("/users/me", {"name": "Fool"}, status=200)
    assert normal_forms(site) == ["foo@example.com"]


@pytest.mark.parametrize("other", SPELLINGS)
def test_an_invitation_finds_every_spelling(site, other):
    alice, foo = site.user("Alice"), site.user("Foo", email=TYPED)
    path = f"/organizations/{create_organization(alice)}/members"
    assert alice.post(path, {"email": other}, status=201).json["member"]["user_id"] == foo.id


@pytest.mark.parametrize(
    ("email", "mailed"), [("user@faß.de", "user@xn--fa-hia.de"), (TYPED, "foo@example.com")]
)
def test_mail_goes_to_the_domain_that_idna_2008_means(site, email, mailed):
    site.user(email=email)
    site.deliver()
    assert [mail.to_address for mail in site.mail] == [mailed]


# Accounts without a normal form


@pytest.mark.parametrize("typed", ["Foo@Example.com", "foo@exam\u00adple.com"])
def test_an_account_of_the_release_before_is_found_as_it_was_typed_in_any_case(site, typed):
    foo = by_the_release_before(site, typed)
    for spelling in (typed, typed.upper(), typed.lower()):
        assert log_in(site, spelling).json["user"]["id"] == foo.id


@pytest.mark.parametrize("other", ["foo@example.com", "FOO@Example.com", TYPED, *SPELLINGS[1:]])
def test_its_mailbox_is_taken(site, other):
    by_the_release_before(site, "Foo@Example.com")
    assert register(site, other, 400).json["error"] == "Email already in use"
    bob = site.user("Bob")
    bob.patch("/users/me", {"email": other}, status=400)


def test_it_may_change_the_spelling_of_its_own_address_and_has_a_normal_form_then(site):
    foo = by_the_release_before(site, "Foo@Example.com")
    foo.patch("/users/me", {"email": "foo@example.com"}, status=200)
    assert normal_forms(site) == ["foo@example.com"]


def test_of_two_accounts_with_one_mailbox_each_is_found_as_it_was_typed(site):
    first, second = by_the_release_before(site, STORED), site.user(email="foo@example.com")
    assert log_in(site, STORED).json["user"]["id"] == first.id
    assert log_in(site, "FOO@example.com").json["user"]["id"] == second.id


def test_of_two_addresses_that_only_a_language_tells_apart_the_typed_one_is_found(site):
    # A Turkish database has taken both.
    write(site, sa.text("DROP INDEX uq_users_email_lower"))
    try:
        upper = by_the_release_before(site, "INES@example.com")
        lower = by_the_release_before(site, "ines@example.com")
        assert log_in(site, "INES@example.com").json["user"]["id"] == upper.id
        assert log_in(site, "ines@example.com").json["user"]["id"] == lower.id
    finally:
        write(site, sa.delete(users))
        write(site, sa.text("CREATE UNIQUE INDEX uq_users_email_lower ON users (lower(email))"))


def test_an_address_that_something_else_changes_loses_its_normal_form(site):
    foo = site.user(email=TYPED)
    # As the release before does, and an operator in psql.
    write(site, sa.update(users).where(users.c.id == foo.id).values(email="bar@example.com"))
    assert normal_forms(site) == [None]
    assert log_in(site, "BAR@example.com").json["user"]["id"] == foo.id
    log_in(site, "foo@example.com", status=401)
    register(site, "bar@\uff45xample.com", 400)
    register(site, TYPED, 201)


def test_a_role_or_a_password_does_not_cost_the_normal_form(site):
    foo = site.user(email=TYPED)
    with session_scope(site.registry) as db:
        assert service.set_role(db, "foo@example.com", "admin").id == foo.id
    assert normal_forms(site) == ["foo@example.com"]
