"""The migration that gives the accounts that are there a normal form of their addresses."""

import logging

import pytest
import sqlalchemy as sa

from scheduling.db import migrations
from scheduling.testing import Site

BEFORE = "core_0006"
AS_TYPED = "These accounts are found only by their addresses as they were typed, since "
INSERT = "INSERT INTO users (email, password_hash, name) VALUES (:email, '!', 'Old')"


@pytest.fixture
def site(empty_database_url):
    site = Site(empty_database_url, [])
    migrations.downgrade(site.registry.engine, [], "core", BEFORE)
    yield site
    site.close()


@pytest.fixture
def upgrade(site, caplog):
    """A function that adds accounts, upgrades, and returns their normal forms and what was said."""

    def upgrade(*emails):
        with site.registry.engine.begin() as connection:
            connection.execute(sa.text(INSERT), [{"email": email} for email in emails])
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            migrations.upgrade(site.registry.engine, [])
        return normal_forms(site), caplog.messages

    return upgrade


def normal_forms(site):
    with site.registry.engine.connect() as connection:
        return [*connection.execute(sa.text("SELECT normal_email FROM users ORDER BY id")).scalars()]


def test_every_account_gets_its_normal_form(site, upgrade):
    forms, said = upgrade("Ann@Example.com", "bob@münchen.de", "carol@exam\u00adple.com")
    assert (forms, said) == (["ann@example.com", "bob@xn--mnchen-3ya.de", "carol@example.com"], [])
    assert migrations.differences(site.registry.engine, []) == []


def test_accounts_with_one_mailbox_are_named_and_left_alone(upgrade):
    forms, said = upgrade(
        "foo@example.com", "ann@example.com", "foo@exam\u00adple.com", "a@münchen.de", "a@xn--mnchen-3ya.de"
    )
    assert forms == [None, "ann@example.com", None, None, None]
    assert sorted(said) == [f"{AS_TYPED}they have one mailbox: {ids}" for ids in ("1, 3", "4, 5")]


def test_an_address_that_no_mail_server_can_have_is_named_and_left_alone(upgrade):
    forms, said = upgrade("foo@example.com\u202e", "ann@example.com", "no address")
    assert forms == [None, "ann@example.com", None]
    assert said == [f"{AS_TYPED}no mail server can have their addresses: 1, 3"]


def test_many_accounts_are_filled_in(upgrade):
    forms, said = upgrade(*(f"U{i}@example.com" for i in range(2500)), "u7@example.com\u200b")
    assert forms == [*(f"u{i}@example.com" if i != 7 else None for i in range(2500)), None]
    assert said == [f"{AS_TYPED}they have one mailbox: 8, 2501"]


def test_back_and_forth_changes_nothing_else(site, upgrade):
    forms, _ = upgrade("Ann@Example.com", "foo@example.com")
    engine = site.registry.engine
    migrations.downgrade(engine, [], "core", BEFORE)
    columns = {column["name"] for column in sa.inspect(engine).get_columns("users")}
    assert "normal_email" not in columns
    assert upgrade("new@example.com")[0] == [*forms, "new@example.com"]
