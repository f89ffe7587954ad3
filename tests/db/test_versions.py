"""Rows have a version, which every UPDATE raises, whoever sends it."""

import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.metadata import metadata
from scheduling.db.session import session_scope
from tests.kit.factories import add_member, book, create_organization

VERSIONED = {"users", "bookings", "organizations", "organization_members"}


@pytest.fixture
def rows(site):
    """A row of each table that has a version, by the table."""
    alice = site.user("Alice")
    organization = create_organization(alice)
    add_member(alice, organization, site.user("Bob"))
    book(alice)
    tables = [table for table in metadata.tables.values() if "version" in table.c]
    assert {table.name for table in tables} >= VERSIONED
    with session_scope(site.registry) as db:
        return {table: db.row(sa.select(table)) for table in tables if table.name in VERSIONED}


def some_text(table):
    """Return a column of a table that can have any text."""
    return next(table.c[name] for name in ("role", "title", "name") if name in table.c)


def updates(table, row):
    """Yield UPDATEs of a row: as our code makes them, and as whoever does not know of the column does."""
    this, column = table.c.id == row.id, some_text(table)
    yield sa.update(table).where(this).values({column: "new"})
    yield sa.update(table).where(this).values({column: "new"})
    as_text = f"UPDATE {table.name} SET {column.name} = 'other' WHERE id = {row.id}"  # noqa: S608
    yield sa.text(as_text)
    yield sa.text(as_text)
    yield sa.update(sa.table(table.name, sa.column("id"), sa.column(column.name))).values(
        {column.name: "third"}
    )
    yield sa.update(table.alias("other")).values({column.name: "fourth"})


def test_rows_begin_with_version_one(rows):
    # Tests make Alice; nobody has changed her since.
    assert {table.name: row.version for table, row in rows.items()} == dict.fromkeys(VERSIONED, 1)


def test_every_update_raises_the_version(site, rows):
    for table, row in rows.items():
        version = sa.select(table.c.version).where(table.c.id == row.id)
        for statement in updates(table, row):
            with session_scope(site.registry) as db:
                before = db.scalar(version)
                db.write(statement)
                assert db.scalar(version) == before + 1, f"{table.name}: {statement}"


def test_an_update_that_finds_the_row_there_raises_the_version_too(site, rows):
    for table, row in rows.items():
        with session_scope(site.registry) as db:
            insert = db.insert(table).values({**row._asdict(), "version": 1})
            upsert = insert.on_conflict_do_update(index_elements=["id"], set_={some_text(table): "new"})
            db.write(upsert)
            assert db.scalar(sa.select(table.c.version).where(table.c.id == row.id)) == 2, table.name


def test_an_update_returns_the_new_version(site, rows):
    for table, row in rows.items():
        update = sa.update(table).where(table.c.id == row.id).values({some_text(table): "new"})
        with session_scope(site.registry) as db:
            assert db.write(update.returning(table.c.version)).scalar() == 2, table.name
            assert db.scalar(sa.select(table.c.version).where(table.c.id == row.id)) == 2


def test_an_update_that_names_other_tables_with_versions_is_possible(site, rows):
    [bookings] = [table for table in rows if table.name == "bookings"]
    update = sa.update(bookings).where(bookings.c.user_id == users.c.id).values(title=users.c.name)
    with session_scope(site.registry) as db:
        assert db.rows(update.returning(bookings.c.title, bookings.c.version)) == [("Alice", 2)]


def test_a_change_of_an_address_raises_the_version_whatever_triggers_do(site):
    alice = site.user("Alice")
    before = alice.get("/users/me").json["version"]
    changed = alice.patch("/users/me", {"email": "other@example.com"}, status=200)
    shown = alice.get("/users/me")
    assert changed.json["user"]["version"] == shown.json["version"] > before
    assert changed.headers["ETag"] == shown.headers["ETag"]
