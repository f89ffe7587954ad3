"""The migrations of core and of the plugins, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from threading import Barrier

import psycopg
import pytest
import sqlalchemy as sa

from scheduling.db import indexes, migrations
from scheduling.db.engine import create_engine
from scheduling.db.metadata import metadata
from scheduling.exceptions import StartupError
from scheduling.startup import set_up
from scheduling.testing import Site

OURS = ("analytics", "bookings", "notifications", "organizations")
TREES = ["core", *OURS]

ACME_MODELS = """
import sqlalchemy as sa
from scheduling.plugin import metadata, users
sa.Table(
    "acme_things",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("user_id", sa.ForeignKey(users.c.id), nullable=False),
)
"""
ACME_MIGRATION = """
import sqlalchemy as sa
from alembic import op
revision = "acme_0001"
down_revision = None
def upgrade():
    op.create_table(
        "acme_things",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_acme_things"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_acme_things_user_id_users"),
    )
def downgrade():
    op.drop_table("acme_things")
"""
BROKEN_MIGRATION = ACME_MIGRATION.replace(
    "def downgrade", "    raise RuntimeError('half-way')\ndef downgrade"
)


@pytest.fixture
def database(empty_database_url):
    """A function that gives a fresh engine for the test's database, and the loaded plugins."""
    engines = []

    def database(*names):
        ini = {
            "scheduling.jwt_secret": "a secret that only the tests know, of more than 32 bytes",
            "scheduling.database_url": empty_database_url,
            "scheduling.plugins": " ".join(names),
        }
        setup = set_up(ini, {})
        engines.append(create_engine(setup.settings))
        return engines[-1], setup.plugins

    yield database
    for engine in engines:
        engine.dispose()


@pytest.fixture
def ours(database):
    """The engine and all plugins of this project."""
    return database(*OURS)


@pytest.fixture
def install_acme(install_plugin):
    def install_acme(migration=ACME_MIGRATION, requires=()):
        files = {"models.py": ACME_MODELS, "migrations/versions/0001_acme.py": migration}
        return install_plugin("acme", manifest=f"migrations=True, requires={requires}", files=files)

    return install_acme


def tables(engine):
    return set(sa.inspect(engine).get_table_names())


def modelled(engine):
    """The names of the tables that the models say this kind of database has."""
    return {t.name for t in metadata.tables.values() if migrations.is_for(t, engine.dialect.name)}


def execute(engine, statement):
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)


def test_upgrade_from_empty_makes_what_the_models_say(ours):
    engine, plugins = ours

    migrations.upgrade(engine, plugins)

    assert migrations.differences(engine, plugins) == []
    assert migrations.behind(engine, plugins) == []
    assert modelled(engine) <= tables(engine)


def test_upgrade_of_an_up_to_date_database_changes_nothing(ours):
    engine, plugins = ours
    migrations.upgrade(engine, plugins)
    before = migrations.current(engine, plugins)

    migrations.upgrade(engine, plugins)

    assert migrations.current(engine, plugins) == before
    assert migrations.differences(engine, plugins) == []


@pytest.mark.parametrize(
    "change",
    [
        "DROP INDEX ix_bookings_user_id_start_time_id",
        "ALTER TABLE bookings ADD COLUMN colour varchar(20)",
        "ALTER TABLE bookings DROP COLUMN title",
        "DROP TABLE bookings",
    ],
)
def test_difference_between_database_and_models_is_found(ours, change):
    engine, plugins = ours
    migrations.upgrade(engine, plugins)

    execute(engine, change)

    found = migrations.differences(engine, plugins)
    assert found
    assert all(line.startswith("bookings: ") for line in found)


def test_empty_database_is_behind_in_every_tree(ours):
    engine, plugins = ours
    assert migrations.behind(engine, plugins) == TREES
    with pytest.raises(StartupError, match=r"lacks migrations of: core, analytics.*db upgrade"):
        migrations.require_upgraded(engine, plugins)


def test_database_is_behind_in_the_trees_of_newly_enabled_plugins(database, ours):
    engine, plugins = ours
    migrations.upgrade(*database("bookings"))
    assert migrations.behind(engine, plugins) == ["analytics", "notifications", "organizations"]


def test_database_at_an_older_revision_is_behind(database, install_acme):
    install_acme()
    engine, plugins = database("acme")
    migrations.upgrade(engine, plugins)
    newer = ACME_MIGRATION.replace("None", "'acme_0001'").replace("acme_0001", "acme_0002", 1)
    newer = newer.replace("acme_things", "acme_more")
    (migrations.trees(plugins)[1].versions / "0002_more.py").write_text(newer)

    assert migrations.current(engine, plugins)["acme"] == ("acme_0001", "acme_0002")
    assert migrations.behind(engine, plugins) == ["acme"]
    migrations.upgrade(engine, plugins)
    assert migrations.behind(engine, plugins) == []


def test_database_that_a_newer_release_has_upgraded_is_served_and_left_alone(ours):
    engine, plugins = ours
    migrations.upgrade(engine, plugins)
    ours_is, _ = migrations.current(engine, plugins)["core"]
    execute(engine, "UPDATE alembic_version SET version_num = 'core_9999'")
    execute(engine, "DROP TABLE notifications")
    execute(engine, "DELETE FROM alembic_version_notifications")

    assert migrations.behind(engine, plugins) == ["notifications"]
    migrations.upgrade(engine, plugins)

    migrations.require_upgraded(engine, plugins)
    assert migrations.current(engine, plugins)["core"] == ("core_9999", ours_is)
    assert "notifications" in tables(engine)


def test_downgrade_of_everything_leaves_no_table_and_upgrade_works_again(ours):
    engine, plugins = ours
    migrations.upgrade(engine, plugins)

    migrations.downgrade(engine, plugins, "all", "base")

    assert tables(engine) == {tree.version_table for tree in migrations.trees(plugins)}
    assert migrations.behind(engine, plugins) == TREES
    migrations.upgrade(engine, plugins)
    assert migrations.differences(engine, plugins) == []


def test_downgrade_of_one_tree_leaves_the_others(ours):
    engine, plugins = ours
    migrations.upgrade(engine, plugins)
    before = tables(engine)

    migrations.downgrade(engine, plugins, "organizations", "base")

    assert before - tables(engine) == {"organizations", "organization_members"}
    assert migrations.behind(engine, plugins) == ["organizations"]


def test_downgrade_of_core_is_refused_while_plugins_have_tables(ours):
    engine, plugins = ours
    migrations.upgrade(engine, plugins)
    before = tables(engine)

    with pytest.raises(StartupError, match="needed by: analytics, bookings, notifications, organizations"):
        migrations.downgrade(engine, plugins, "core", "base")

    assert tables(engine) == before


def test_downgrade_of_a_plugin_is_refused_while_one_that_requires_it_has_tables(database, install_acme):
    install_acme(requires=("bookings",))
    engine, plugins = database("acme", *OURS)
    migrations.upgrade(engine, plugins)

    with pytest.raises(StartupError, match=r"tables of bookings are needed by: acme\."):
        migrations.downgrade(engine, plugins, "bookings", "base")

    migrations.downgrade(engine, plugins, "acme", "base")
    migrations.downgrade(engine, plugins, "bookings", "base")
    assert migrations.behind(engine, plugins) == ["bookings", "acme"]


def test_downgrade_of_an_unknown_tree_names_the_known_ones(ours):
    with pytest.raises(StartupError, match=r"'weather'; there are: core, analytics, bookings, .*, or all"):
        migrations.downgrade(*ours, "weather", "base")


def test_upgrades_at_once_all_succeed(database):
    targets = [database(*OURS) for _ in range(4)]
    together = Barrier(len(targets))

    def upgrade(target):
        together.wait()
        migrations.upgrade(*target)

    with ThreadPoolExecutor(len(targets)) as pool:
        assert list(pool.map(upgrade, targets)) == [None] * len(targets)

    assert migrations.differences(*targets[0]) == []


def test_plugin_that_is_disabled_and_uninstalled_leaves_everything_else_working(database, install_acme):
    acme = install_acme()
    migrations.upgrade(*database(*OURS, "acme"))
    assert migrations.differences(*database(*OURS, "acme")) == []
    acme.uninstall()

    engine, plugins = database(*OURS)

    migrations.require_upgraded(engine, plugins)
    assert migrations.differences(engine, plugins) == []
    migrations.downgrade(engine, plugins, "bookings", "base")
    migrations.upgrade(engine, plugins)
    assert {"acme_things", "alembic_version_acme", "bookings"} <= tables(engine)


def test_failing_migration_leaves_nothing_half_done(database, install_acme):
    install_acme(BROKEN_MIGRATION)
    migrations.upgrade(*database("bookings"))
    before = tables(database()[0])
    engine, plugins = database(*OURS, "acme")

    with pytest.raises(RuntimeError, match="half-way"):
        migrations.upgrade(engine, plugins)

    assert tables(engine) == before
    assert migrations.behind(engine, plugins) == ["acme", "analytics", "notifications", "organizations"]
    (migrations.trees(plugins)[1].versions / "0001_acme.py").write_text(ACME_MIGRATION)
    migrations.upgrade(engine, plugins)
    assert migrations.differences(engine, plugins) == []


NEWEST_INDEXES = {"ix_bookings_user_id_updated_at_id", "ix_bookings_long", "ix_bookings_longest"}


@pytest.fixture
def older(ours):
    """The database as the release before left it, with its engine and the plugins."""
    engine, plugins = ours
    migrations.upgrade(engine, plugins)
    migrations.downgrade(engine, plugins, "bookings", "bookings_0002")
    return engine, plugins


def valid_indexes(engine):
    query = "SELECT indexrelid::regclass::text FROM pg_index WHERE indisvalid"
    with engine.connect() as connection:
        return NEWEST_INDEXES & set(connection.exec_driver_sql(query).scalars())


def is_postgresql(engine):
    return engine.dialect.name == "postgresql"


def test_indexes_of_an_old_table_are_built_before_anything_is_locked(older, caplog, monkeypatch):
    engine, plugins = older
    if not is_postgresql(engine):
        return
    built = []

    def nothing_more(*_):
        built.append(valid_indexes(engine))

    monkeypatch.setattr(migrations.command, "upgrade", nothing_more)
    migrations.upgrade(engine, plugins)
    assert built[0] == NEWEST_INDEXES
    monkeypatch.undo()
    migrations.upgrade(engine, plugins)
    assert migrations.differences(engine, plugins) == []
    assert caplog.records == []


def test_an_index_whose_building_was_interrupted_is_built_anew(older):
    engine, plugins = older
    if not is_postgresql(engine):
        return
    execute(engine, "CREATE INDEX ix_bookings_long ON bookings (id)")
    execute(engine, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_bookings_long'::regclass")
    migrations.upgrade(engine, plugins)
    assert valid_indexes(engine) == NEWEST_INDEXES
    assert migrations.differences(engine, plugins) == []


def test_an_index_that_cannot_be_built_before_is_built_by_the_migration(older, caplog, monkeypatch):
    engine, plugins = older
    if not is_postgresql(engine):
        return

    def fail(*_):
        raise psycopg.errors.QueryCanceled("canceling statement due to statement timeout")

    monkeypatch.setattr(indexes, "_build", fail)
    migrations.upgrade(engine, plugins)
    assert "ix_bookings_long is built by the migration: canceling" in caplog.text
    assert valid_indexes(engine) == NEWEST_INDEXES
    assert migrations.differences(engine, plugins) == []


def test_models_follow_the_naming_convention():
    for name in OURS:
        import_module(f"scheduling_{name}.models")
    for table in metadata.tables.values():
        if table.primary_key.columns:
            assert table.primary_key.name == f"pk_{table.name}"
        for constraint in table.foreign_key_constraints:
            columns = "_".join(column.name for column in constraint.columns)
            assert constraint.name == f"fk_{table.name}_{columns}_{constraint.referred_table.name}"
        for index in table.indexes:
            assert index.name.startswith(f"{'uq' if index.unique else 'ix'}_{table.name}_")


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_migrations_follow_the_naming_convention(ours):
    engine, plugins = ours
    migrations.upgrade(engine, plugins)
    inspector = sa.inspect(engine)
    unnamed = [None] if engine.dialect.name == "sqlite" else []

    for table in modelled(engine):
        # SQLite has no name for a primary key that is AUTOINCREMENT.
        assert inspector.get_pk_constraint(table)["name"] in (f"pk_{table}", *unnamed)
        for key in inspector.get_foreign_keys(table):
            columns = "_".join(key["constrained_columns"])
            assert key["name"] == f"fk_{table}_{columns}_{key['referred_table']}"
        for unique in inspector.get_unique_constraints(table):
            assert unique["name"] == f"uq_{table}_{'_'.join(unique['column_names'])}"


def test_stepping_down_to_nothing_is_refused_too_while_plugins_need_the_tables(empty_database_url):
    site = Site(empty_database_url, ["bookings"])
    times = {"start": "2099-01-01T10:00:00Z", "end": "2099-01-01T11:00:00Z"}
    alice = site.user()
    alice.post("/bookings", {"title": "T", **times}, status=201)
    engine, plugins = site.registry.engine, site.registry.plugins
    migrations.downgrade(engine, plugins, "core", "core_0001")

    with pytest.raises(StartupError, match="The tables of core are needed by: bookings"):
        migrations.downgrade(engine, plugins, "core", "-1")

    migrations.upgrade(engine, plugins)
    assert len(alice.get("/bookings").json) == 1
    site.close()


def test_a_table_of_another_program_is_not_taken_for_cores(ours):
    engine, plugins = ours
    migrations.upgrade(engine, plugins)
    execute(engine, "CREATE TABLE email_campaigns (id integer PRIMARY KEY)")
    execute(engine, "CREATE TABLE outbox_archive (id integer PRIMARY KEY)")
    assert migrations.differences(engine, plugins) == []


def test_every_table_belongs_to_one_tree(ours):
    engine, plugins = ours
    migrations.upgrade(engine, plugins)
    owners = {
        table: [tree.name for tree in migrations.trees(plugins) if tree.owns(table)]
        for table in modelled(engine) & tables(engine)
    }
    assert {table: names for table, names in owners.items() if len(names) != 1} == {}
    assert {
        "users",
        "user_terms",
        "email_suppressions",
        "outbox",
        "token_cutoffs",
        "rate_limits",
        "login_addresses",
        "email_slots",
        "email_rate",
        "idempotency_keys",
        "user_preferences",
    } == {table for table, names in owners.items() if names == ["core"]}
