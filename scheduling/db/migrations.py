"""Migrations: one Alembic tree with a version table of its own for core and for each plugin.

Trees run in the order core, then the plugins by what they require; a tree of its own is what lets a
plugin be removed without breaking the others. One migration runs at a time in a database.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from time import sleep
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DatabaseError

from scheduling.db import indexes
from scheduling.db.deadline import allow_long_statements
from scheduling.db.driver import begin
from scheduling.db.failures import is_unavailable, one_line, sentence
from scheduling.db.metadata import metadata
from scheduling.db.postgres import Unsuitable
from scheduling.db.trees import Tree, core_folder, trees
from scheduling.exceptions import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import sqlalchemy as sa

    from scheduling.config.loader import LoadedPlugin

logger = logging.getLogger(__name__)

LOCK_TIMEOUT_SECONDS = 10
"""A migration that cannot lock a table in this time gives up rather than let requests queue behind it."""

_WAIT_SECONDS = 0.5
"""How often a database that is away is asked whether it is back."""

_ADVISORY_LOCK = 0x5C4ED01
"""Any number that no other program uses on the same database."""


def _config(tree: Tree, connection: sa.Connection | None = None) -> Config:
    config = Config()
    locations = {"script_location": core_folder(), "version_locations": tree.versions}
    for option, path in locations.items():
        config.set_main_option(option, str(path).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(connection=connection, tree=tree)
    return config


def _scripts(tree: Tree) -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(tree))


@contextmanager
def _locked(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Give a connection in a transaction that no other migration can have at the same time."""
    with engine.connect() as connection:
        begin(connection)
        if connection.dialect.name == "postgresql":
            allow_long_statements(connection)
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            # Waits for another migration to end, which is what a second pod that starts should do.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
        yield connection
        connection.commit()


def upgrade(engine: sa.Engine, plugins: Sequence[LoadedPlugin], revision: str = "heads") -> None:
    """Bring every tree to its newest revision, all of them or none.

    A tree that a newer release has brought further is left alone, with a warning, as where a deployment is
    rolled back.
    """
    newer = []
    with _locked(engine) as connection:
        indexes.build(engine, _indexes_of_old_tables(connection, plugins, revision))
        for tree in trees(plugins):
            if _is_ahead(tree, _revision(connection, tree)):
                newer.append(tree.name)
            else:
                command.upgrade(_config(tree, connection), revision)
    _warn_of(newer)


def _indexes_of_old_tables(
    connection: sa.Connection, plugins: Sequence[LoadedPlugin], revision: str
) -> dict[str, str]:
    """Return what the migrations that are to come have in ``BUILT_BEFORE``; a new tree has no old tables."""
    found: dict[str, str] = {}
    for tree in trees(plugins):
        here = _revision(connection, tree)
        if here is not None and not _is_ahead(tree, here):
            for script in _scripts(tree).iterate_revisions(revision, here):
                found |= getattr(script.module, "BUILT_BEFORE", {})
    return found


def downgrade(engine: sa.Engine, plugins: Sequence[LoadedPlugin], tree_name: str, revision: str) -> None:
    """Take one tree, or ``all`` in reverse order, back to a revision (``base`` for nothing).

    Raises ``StartupError`` for a tree that is not there, and for the tables that a plugin still needs.
    """
    known = trees(plugins)
    chosen = [tree for tree in reversed(known) if tree_name in ("all", tree.name)]
    if not chosen:
        names = ", ".join(tree.name for tree in known)
        raise StartupError(f"There is no migration tree {tree_name!r}; there are: {names}, or all.")
    with _locked(engine) as connection:
        needed_by = [] if tree_name == "all" else _dependants(connection, plugins, tree_name)
        for tree in chosen:
            try:
                command.downgrade(_config(tree, connection), revision)
            except DatabaseError as error:
                if needed_by:
                    raise _needed(tree_name, needed_by) from error
                raise
            # SQLite drops tables that others refer to, and empties those.
            if needed_by and _revision(connection, tree) is None:
                raise _needed(tree_name, needed_by)


def _dependants(connection: sa.Connection, plugins: Sequence[LoadedPlugin], tree_name: str) -> list[str]:
    """Return the plugins with tables that require this tree."""
    requires = {plugin.name: ("core", *plugin.manifest.requires) for plugin in plugins}
    return [
        tree.name
        for tree in trees(plugins)
        if tree_name in requires.get(tree.name, ()) and _revision(connection, tree)
    ]


def _needed(tree_name: str, needed_by: Sequence[str]) -> StartupError:
    return StartupError(
        f"The tables of {tree_name} are needed by: {', '.join(needed_by)}. Take these back first, or all."
    )


def current(engine: sa.Engine, plugins: Sequence[LoadedPlugin]) -> dict[str, tuple[str | None, str | None]]:
    """Return, for each tree, the revision that the database has and the newest one of the code."""
    with engine.connect() as connection:
        return {
            tree.name: (_revision(connection, tree), _scripts(tree).get_current_head())
            for tree in trees(plugins)
        }


def _revision(connection: sa.Connection, tree: Tree) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": tree.version_table})
    return context.get_current_revision()


def behind(engine: sa.Engine, plugins: Sequence[LoadedPlugin]) -> list[str]:
    """Return the names of the trees of which the database lacks revisions.

    A revision that this code does not know was made by a newer release, which stays compatible.
    """
    return _compared(engine, plugins)[0]


def ahead(engine: sa.Engine, plugins: Sequence[LoadedPlugin]) -> list[str]:
    """Return the names of the trees that a newer release has brought further than this code knows."""
    return _compared(engine, plugins)[1]


def _compared(engine: sa.Engine, plugins: Sequence[LoadedPlugin]) -> tuple[list[str], list[str]]:
    """Return the names of the trees that are behind, and of those that are ahead."""
    revisions = current(engine, plugins)
    older: list[str] = []
    newer: list[str] = []
    for tree in trees(plugins):
        here, newest = revisions[tree.name]
        if here != newest:
            (newer if _is_ahead(tree, here) else older).append(tree.name)
    return older, newer


def _warn_of(newer: Sequence[str]) -> None:
    if newer:
        logger.warning(
            "A newer release has upgraded the database (%s); this one is made to work with it only if it is "
            "the release right before that one",
            ", ".join(newer),
        )


def _is_ahead(tree: Tree, revision: str | None) -> bool:
    known = {script.revision for script in _scripts(tree).walk_revisions()}
    return revision is not None and revision not in known


def require_upgraded(engine: sa.Engine, plugins: Sequence[LoadedPlugin]) -> None:
    """Raise ``StartupError`` where the database lacks migrations, or does not answer.

    One that a newer release has upgraded is only warned of, so that a deployment can be rolled back.
    """
    try:
        _require_upgraded(engine, plugins)
    except DatabaseError as error:
        raise StartupError(sentence(error)) from error


def wait_until_upgraded(engine: sa.Engine, plugins: Sequence[LoadedPlugin]) -> None:
    """Do the same, but wait for a PostgreSQL that is away, for as long as that takes."""
    said = ""
    while True:
        try:
            return _require_upgraded(engine, plugins)
        except DatabaseError as error:
            reason = one_line(error)
            if not _passes(engine, error):
                raise StartupError(sentence(error)) from error
        if reason != said:
            logger.warning("Waits for the database: %s", reason)
            said = reason
        sleep(_WAIT_SECONDS)


def _passes(engine: sa.Engine, error: DatabaseError) -> bool:
    """Tell whether an error may pass while one waits: not on SQLite, nor for an unsuitable database."""
    is_lasting = engine.dialect.name == "sqlite" or isinstance(error.orig, Unsuitable)
    return not is_lasting and is_unavailable(error)


def _require_upgraded(engine: sa.Engine, plugins: Sequence[LoadedPlugin]) -> None:
    missing, newer = _compared(engine, plugins)
    if missing:
        raise StartupError(
            f"The database lacks migrations of: {', '.join(missing)}. "
            "Run: scheduling -c <the same ini file> db upgrade"
        )
    _warn_of(newer)


def differences(engine: sa.Engine, plugins: Sequence[LoadedPlugin]) -> list[str]:
    """Return how the database differs from the models, a line each; empty when they agree.

    A tree that a newer release has brought further is left out: it differs rightly.
    """
    found = []
    with engine.connect() as connection:
        for tree in trees(plugins):
            if _is_ahead(tree, _revision(connection, tree)):
                continue
            context = MigrationContext.configure(connection, opts=comparison(tree, connection))
            with warnings.catch_warnings():
                # SQLite cannot reflect an index on an expression; PostgreSQL compares it.
                warnings.filterwarnings("ignore", ".*expression-based index")
                found += [f"{tree.name}: {change}" for change in compare_metadata(context, metadata)]
    return found


def is_for(table: sa.Table, database: str) -> bool:
    """Tell whether a kind of database (``postgresql`` or ``sqlite``) has this table; most are for both."""
    return bool(table.info.get("database", database) == database)


def partitions(connection: sa.Connection) -> set[str]:
    """Return the names of the tables that are partitions of another, which has the model."""
    if connection.dialect.name != "postgresql":
        return set()
    found = connection.exec_driver_sql(
        "SELECT relname FROM pg_class WHERE relispartition AND pg_table_is_visible(oid)"
    )
    return set(found.scalars())


def comparison(tree: Tree, connection: sa.Connection) -> dict[str, Any]:
    """Return Alembic's options for comparing the tables that a tree owns with the models.

    Partitions are left out, and a table whose ``info`` names another kind of database is not expected.
    """
    database = connection.dialect.name
    parts = partitions(connection)
    if find_spec(f"{tree.package}.models"):
        import_module(f"{tree.package}.models")

    def include_name(name: str | None, kind: str, parents: dict[str, Any]) -> bool:
        table = name if kind == "table" else parents.get("table_name")
        return table is None or (tree.owns(table) and table not in parts)

    def include_object(thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:  # noqa: FBT001
        return kind != "table" or (tree.owns(name or "") and is_for(thing, database))

    return {
        "version_table": tree.version_table,
        "target_metadata": metadata,
        "include_name": include_name,
        "include_object": include_object,
        "compare_type": True,
        "compare_server_default": True,
        "render_as_batch": True,
    }
