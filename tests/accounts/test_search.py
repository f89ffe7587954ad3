"""``GET /users?q=``: users by how a word of their names or addresses begins."""

from base64 import urlsafe_b64encode
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from scheduling.accounts.models import MAX_TERM, user_terms, users
from scheduling.accounts.search import MAX_TERMS, terms_of
from scheduling.db import migrations
from scheduling.db.session import session_scope
from scheduling.testing import Site
from scheduling.web.pagination import MAX_LIMIT


@pytest.fixture
def admin(site):
    return site.user("Root", email="root@admin.test", admin=True)


def found(admin, sought):
    return [user["name"] for user in admin.get(f"/users?{urlencode({'q': sought})}", status=200).json]


def write(site, statement, parameters=None):
    with session_scope(site.registry) as db:
        return db.write(statement, parameters)


@pytest.mark.parametrize(
    ("name", "email", "sought"),
    [
        ("Ann Smith", "x@example.org", "ann"),
        ("Ann Smith", "x@example.org", "SMI"),
        ("Ann Smith", "x@example.org", "  ann smith "),
        ("Ann-Marie O'Brien", "x@example.org", "brien"),
        ("Ünal ÅNGSTRÖM", "x@example.org", "üNAL å"),
        ("ДМИТРИЙ", "x@example.org", "дмит"),
        ("Straße", "x@example.org", "STRASSE"),
        ("İstanbul", "x@example.org", "İST"),
        ("İstanbul", "x@example.org", "istan"),
        ("Ann  Smith", "x@example.org", "ann   sm"),
        ("A\u030angstro\u0308m", "x@example.org", "ångström"),
        ("\uff21\uff4e\uff4e", "x@example.org", "ann"),
        ("渡辺 健", "x@example.org", "健"),
        ("नमस्ते हिन्दी", "x@example.org", "हिन्"),
        ("สวัสดี", "x@example.org", "สวั"),
        ("!important", "x@example.org", "!imp"),
        ("N", "Ann.Smith+news@Example.org", "ann.smith+"),
        ("N", "Ann.Smith+news@Example.org", "smith"),
        ("N", "Ann.Smith+news@Example.org", "example.org"),
        ("N", "ann@münchen.de", "MÜNCHEN"),
        ("N", "ann@münchen.de", "ann@xn--mnchen-3ya.de"),
        ("x" * 255, "x@example.org", "x" * 255),
    ],
)
def test_a_user_is_found_by_how_a_word_begins(site, admin, name, email, sought):
    site.user("Somebody Else")
    site.user(name, email=email)
    assert found(admin, sought) == [name]


@pytest.mark.parametrize("sought", ["%", "_", "a%", "an_", "a.*", "\\", "mith", "annsmith", "nobody"])
def test_what_begins_no_word_finds_nobody_and_nothing_is_a_wildcard(site, admin, sought):
    site.user("Ann Smith")
    assert found(admin, sought) == []


@pytest.mark.parametrize(
    ("name", "sought"), [("İstanbul", "stanbul"), ("हिन्दी", "न्दी"), ("हिन्दी", "दी"), ("สวัสดี", "สดี")]
)
def test_a_letter_after_a_mark_begins_no_word(site, admin, name, sought):
    site.user(name, email="x@example.org")
    assert found(admin, sought) == []


def test_who_is_found_is_answered_as_in_the_list(site, admin):
    ann = site.user("Ann Smith")
    [everybody] = [user for user in admin.get("/users").json if user["id"] == ann.id]
    assert admin.get("/users?q=smith").json == [everybody]


def test_without_a_text_everybody_is_listed(site, admin):
    site.user("Ann")
    assert len(admin.get("/users?q=").json) == len(admin.get("/users?q=+").json) == 2


def test_a_text_that_is_too_long_is_a_400(admin):
    assert list(admin.get(f"/users?q={'x' * 256}", status=400).json["errors"]) == ["q"]


def test_only_admins_search(site):
    site.user().get("/users?q=a", status=403)


def test_a_user_whose_words_all_begin_so_is_listed_once_and_words_are_in_order(site, admin):
    for number, name in enumerate(("Annika Berg", "Ann Annson", "Bo Ann", "Anna")):
        site.user(name, email=f"{number}@anna.example")
    # By "ann", "ann annson", "anna" and, though there is "annika berg" too, "anna.example".
    assert found(admin, "ann") == ["Bo Ann", "Ann Annson", "Anna", "Annika Berg"]


def test_pages_have_every_user_once_in_the_order_of_the_whole_list(site, admin):
    for number in range(7):
        site.user(f"Ann {number % 3} Annson")
    whole = admin.get("/users?q=ann").json
    assert len(whole) == 7
    rows, path = [], "/users?q=ann&limit=2"
    while path:
        page = admin.get(path, status=200)
        rows += page.json
        path = page.headers.get("Link", "").removeprefix("</api/v1").partition(">")[0]
    assert rows == whole


@pytest.mark.parametrize(
    "values", ['"a\\u0000", 1', '"a\\ud800", 1', "1, 1", '"a", "1"', '"a", 0', "null, 1"]
)
def test_a_cursor_that_no_page_gave_is_a_400(admin, values):
    forged = urlsafe_b64encode(f'["user_terms.term.user_terms.user_id", {values}]'.encode()).decode()
    answer = admin.get(f"/users?q=a&cursor={forged}", status=400).json
    assert list(answer["errors"]) == ["cursor"]


@pytest.mark.parametrize("changes", [{"name": "Bea Jones"}, {"email": "bea@jones.example"}])
def test_a_user_is_found_by_what_holds_now(site, admin, changes):
    ann = site.user("Ann Ünal", email="ann@ünal.example")
    ann.patch("/users/me", changes, status=200)
    assert len(found(admin, "jones")) == 1
    assert len(found(admin, "bea")) == 1
    assert len(found(admin, "ann")) == 1
    assert len(found(admin, "ünal")) == 1


def test_a_name_in_other_letters_is_found_as_before(site, admin):
    ann = site.user("Ünal")
    ann.patch("/users/me", {"name": "ÜNAL"}, status=200)
    assert found(admin, "ünal") == ["ÜNAL"]


def test_who_writes_an_account_without_knowing_of_terms_keeps_it_to_be_found(site, admin):
    row = {"name": "Ann Smith", "email": "Ann@example.org", "password_hash": "!"}
    write(site, sa.insert(users).values(row))
    assert found(admin, "ann s") == found(admin, "ann@EXAMPLE") == ["Ann Smith"]
    write(site, sa.update(users).where(users.c.name == "Ann Smith").values(name="Bea"))
    assert found(admin, "ann s") == []
    assert found(admin, "bea") == ["Bea"]
    write(site, sa.update(users).where(users.c.name == "Bea").values(role="admin"))
    assert found(admin, "bea") == ["Bea"]


def test_a_deleted_account_leaves_nothing_to_be_found(site, admin):
    site.user("Ann")
    write(site, sa.delete(users).where(users.c.name == "Ann"))
    with session_scope(site.registry) as db:
        assert {row.user_id for row in db.rows(sa.select(user_terms))} == {admin.id}


def test_a_text_has_so_many_terms_of_so_many_characters():
    terms = terms_of(" ".join(f"w{number}" for number in range(100)), None)
    assert len(terms) == MAX_TERMS
    # One letter of it is 18 in NFKC.
    assert {len(term) for term in terms | terms_of("ﷺ" * 255)} == {MAX_TERM}


def test_accounts_of_the_release_before_are_found_after_the_upgrade(empty_database_url):
    site = Site(empty_database_url, [])
    engine, plugins = site.registry.engine, site.registry.plugins
    admin = site.user("Root", admin=True)
    site.user("Ünal Smith")
    migrations.downgrade(engine, plugins, "core", "core_0009")
    many = [
        {"name": "Old Ünal", "email": f"old{i}@example.org", "password_hash": "!"}
        for i in range(MAX_LIMIT * 6)
    ]
    write(site, sa.insert(users), many)
    migrations.upgrade(engine, plugins)
    assert found(admin, "ünal s") == ["Ünal Smith"]
    assert len(found(admin, "ünal")) == 1000
    assert found(admin, "old1199@") == ["Old Ünal"]
    assert migrations.differences(engine, plugins) == []
    site.close()
