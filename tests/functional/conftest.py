"""Every functional test also runs on a database that the next release has upgraded already.

That is what old pods meet during an upgrade, and all of them after a rollback.
"""

import pytest

from scheduling.db import migrations

AHEAD = "postgresql-ahead"


@pytest.fixture(scope="session", params=["sqlite", "postgresql", AHEAD])
def database_kind(request):
    return request.param


@pytest.fixture(scope="session")
def session_site(session_site, database_kind, bring_ahead):
    if database_kind == AHEAD:
        target = session_site.registry.engine, session_site.registry.plugins
        bring_ahead(*target)
        assert len(migrations.ahead(*target)) == len(migrations.trees(target[1]))
    return session_site
