"""Fixtures of the whole suite; those for plugin authors are in scheduling.testing.fixtures."""

import pytest
import sqlalchemy as sa

from scheduling.db import migrations

pytest_plugins = ["scheduling.testing.fixtures"]


@pytest.fixture(scope="session")
def enabled_plugins():
    return ["analytics", "bookings", "notifications", "organizations"]


@pytest.fixture(scope="session")
def bring_ahead():
    """A function that does to a database all that the next release's migrations may do to it."""

    def bring_ahead(engine, plugins):
        with engine.connect() as connection:
            # A partition has the columns and the indexes of its parent.
            there = set(sa.inspect(connection).get_table_names()) - migrations.partitions(connection)
            for tree in migrations.trees(plugins):
                for statement in next_revision(tree, filter(tree.owns, there)):
                    connection.exec_driver_sql(statement)

    def next_revision(tree, tables):
        for table in tables:
            yield f"ALTER TABLE {table} ADD COLUMN next_note varchar(20)"
            yield f"ALTER TABLE {table} ADD COLUMN next_count integer DEFAULT 0 NOT NULL"
            yield f"CREATE INDEX ix_{table}_next_note ON {table} (next_note)"
        yield (
            f"CREATE TABLE {tree.name}_next "
            "(user_id bigint PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE, note varchar(20))"
        )
        yield f"UPDATE {tree.version_table} SET version_num = '{tree.name}_9999'"  # noqa: S608

    return bring_ahead
