"""Runs one tree's migrations, on the connection of scheduling.db.migrations or for the alembic tool.

``alembic -c development.ini revision --autogenerate -m "…"`` makes a migration of core,
``alembic -c development.ini -n alembic:bookings …`` one of a plugin.
"""

import os

from alembic import context

from scheduling.config.ini import read_ini
from scheduling.db.driver import begin
from scheduling.db.engine import create_engine
from scheduling.db.migrations import comparison
from scheduling.db.trees import trees
from scheduling.startup import set_up


def run(connection, tree):
    """Run what the command asks for, inside the caller's transaction."""
    context.configure(connection=connection, **comparison(tree, connection))
    with context.begin_transaction():
        context.run_migrations()


def run_for_the_tool():
    """Find the tree by the section of the ini file that ``-n`` names, and run in a transaction."""
    config = context.config
    name = config.config_ini_section.partition(":")[2] or "core"
    setup = set_up(read_ini(config.config_file_name), os.environ)
    tree = next(tree for tree in trees(setup.plugins) if tree.name == name)
    with create_engine(setup.settings).connect() as connection:
        begin(connection)
        run(connection, tree)
        connection.commit()


if "tree" in context.config.attributes:
    run(context.config.attributes["connection"], context.config.attributes["tree"])
else:
    run_for_the_tool()
