"""The database: tables' metadata and column types, the engine, the session, migrations, kinds of failure.

It may import ``config`` and what lies below that.
"""
