"""Addresses to which no e-mail is sent any more, and what their users are told of it."""

import pytest
import sqlalchemy as sa

from scheduling.accounts.models import MAX_REASON, email_suppressions, users
from scheduling.accounts.suppressions import find_suppressed, suppress, unsuppress
from scheduling.addresses import normal_form
from scheduling.db.session import session_scope

REASON = "550 5.1.1 no such mailbox"
FORMLESS = "ada@" + "b\u00fccher." * 30 + "example"  # longer than an address may be, in ASCII
TYPED = "Ada@B\u00fccher.example"
SPELLINGS = [
    TYPED.lower(),
    "ada@xn--bcher-kva.example",
    '"ada"@B\u00dcCHER.example',
    "\uff41da@b\u00fccher.example",
]


@pytest.fixture
def suppress_now(site):
    """A function that suppresses an address and commits that."""

    def suppress_now(address, reason=REASON):
        with session_scope(site.registry) as db:
            suppress(db, address, reason)

    return suppress_now


@pytest.fixture
def unsuppress_now(site):
    def unsuppress_now(address):
        with session_scope(site.registry) as db:
            return unsuppress(db, address)

    return unsuppress_now


def rows(site):
    with session_scope(site.registry) as db:
        return db.rows(sa.select(email_suppressions))


def found(site, *addresses):
    with session_scope(site.registry) as db:
        return find_suppressed(db, addresses)


# The table


def test_an_address_is_suppressed_in_every_spelling_and_no_other_is(site, suppress_now):
    suppress_now(TYPED)
    other = "ada@bucher.example"
    assert found(site, *SPELLINGS, other) == dict.fromkeys(SPELLINGS, REASON)


def test_an_address_without_a_normal_form_is_suppressed_in_any_case(site, suppress_now):
    assert normal_form(FORMLESS) is None
    suppress_now(FORMLESS)
    assert found(site, FORMLESS.upper()) == {FORMLESS.upper(): REASON}


def test_a_suppression_that_is_repeated_changes_the_reason_and_nothing_else(site, suppress_now):
    suppress_now(TYPED)
    [before] = rows(site)
    suppress_now(SPELLINGS[1], "550 5.1.10 null MX")
    [after] = rows(site)
    assert (after.address, after.created_at) == (before.address, before.created_at)
    assert after.reason == "550 5.1.10 null MX"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("550-5.1.1 No\r\n550 such\0mailbox\n", "550-5.1.1 No 550 such mailbox"),
        ("x" * 10_000, "x" * (MAX_REASON - 1) + "\u2026"),
        (" \n", "no reason was given"),
    ],
)
def test_a_reason_is_one_line_of_bounded_length(site, suppress_now, given, kept):
    suppress_now(TYPED, given)
    assert [row.reason for row in rows(site)] == [kept]


def test_a_suppression_ends_in_whichever_spelling_and_once(site, suppress_now, unsuppress_now):
    suppress_now(TYPED)
    assert [unsuppress_now(address) for address in ("other@example.com", SPELLINGS[1], TYPED)] == [
        False,
        True,
        False,
    ]
    assert found(site, TYPED) == {}


def test_a_whole_batch_is_looked_up_in_one_query_that_begins_no_transaction(site, suppress_now):
    batch = [f"user{i}@example.com" for i in range(200)]
    for address in batch[::50]:
        suppress_now(address)
    with site.queries() as queries:
        assert found(site, *batch) == dict.fromkeys(batch[::50], REASON)
    assert [statement.split()[0] for statement in queries.statements] == ["SELECT"]
    assert found(site) == {}


# GET and PATCH /users/me


def test_a_user_is_told_that_e_mails_do_not_reach_it_and_the_etag_changes_with_that(
    site, suppress_now, unsuppress_now
):
    ada, bob = site.user(email=TYPED), site.user("Bob")
    reached = ada.get("/users/me", status=200)
    assert reached.json["email_deliverable"] is True

    suppress_now(SPELLINGS[1])
    refused = ada.get("/users/me", headers={"If-None-Match": reached.headers["ETag"]}, status=200)
    assert refused.json == reached.json | {"email_deliverable": False}
    assert bob.get("/users/me").json["email_deliverable"] is True

    unsuppress_now(TYPED)
    again = ada.get("/users/me", headers={"If-None-Match": refused.headers["ETag"]}, status=200)
    assert (again.json, again.headers["ETag"]) == (reached.json, reached.headers["ETag"])


@pytest.mark.parametrize("email", ["Ada@Example.com", FORMLESS])
def test_a_user_whose_row_has_no_normal_form_is_told_too(site, suppress_now, email):
    ada = site.user()
    with session_scope(site.registry) as db:
        db.write(sa.update(users).where(users.c.id == ada.id).values(email=email, normal_email=None))
    assert ada.get("/users/me").json["email_deliverable"] is True
    suppress_now(email.upper())
    assert ada.get("/users/me").json["email_deliverable"] is False


@pytest.mark.parametrize(
    ("changes", "deliverable"),
    [
        ({"name": "Ada L."}, False),
        ({"email": "other@example.com"}, True),
        ({"email": SPELLINGS[2]}, False),
        ({"email": "refused@b\u00fccher.example", "name": "Ada L."}, False),
    ],
)
def test_a_changed_profile_says_it_of_the_new_address_and_has_the_etag_of_a_get(
    site, suppress_now, changes, deliverable
):
    ada = site.user(email=TYPED)
    suppress_now(TYPED)
    suppress_now("Refused@xn--bcher-kva.example")
    changed = ada.patch("/users/me", changes, status=200)
    shown = ada.get("/users/me", status=200)
    assert changed.json["user"] == shown.json
    assert changed.headers["ETag"] == shown.headers["ETag"]
    assert shown.json["email_deliverable"] is deliverable


def test_whoever_has_the_address_next_is_told_too(site, suppress_now):
    ada = site.user(email=TYPED)
    suppress_now(TYPED)
    ada.patch("/users/me", {"email": "other@example.com"}, status=200)
    assert site.user("Next", email=TYPED).get("/users/me").json["email_deliverable"] is False
