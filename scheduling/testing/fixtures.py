"""Pytest fixtures: every test that uses ``site`` runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

from scheduling.testing.servers import PostgresServer, RedisServer, postgres_server, redis_server
from scheduling.testing.site import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytest.register_assert_rewrite("scheduling.testing.providers")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Give a PostgreSQL server, started for this session; TEST_ICU_LOCALE is its language, such as ``tr``."""
    with postgres_server(os.environ.get("TEST_ICU_LOCALE")) as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """Give a Redis or Valkey server, started for this session."""
    with redis_server() as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Run whatever depends on it once for each kind of database."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="session")
def enabled_plugins() -> list[str]:
    """Name the plugins of ``site``; a plugin's own conftest overrides it."""
    return []


@pytest.fixture(scope="session")
def site_settings() -> dict[str, str]:
    """Give the ini keys of ``site`` beside the kit's own; a plugin's own conftest overrides it."""
    return {}


@pytest.fixture
def empty_database_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the URL of a database of the test's own, without any table."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path}/test.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"test_{uuid.uuid4().hex}"
    yield server.create_database(name)
    server.drop_database(name)


@pytest.fixture(scope="session")
def session_site(
    database_kind: str,
    enabled_plugins: list[str],
    site_settings: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Site]:
    """Give a site that is built and migrated once for the session."""
    if database_kind == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('database')}/test.db"
    else:
        url = request.getfixturevalue("postgres").create_database(f"site_{uuid.uuid4().hex}")
    site = Site(url, enabled_plugins, site_settings)
    yield site
    site.close()


@pytest.fixture
def site(session_site: Site) -> Site:
    """Give the session's site, emptied."""
    session_site.clear()
    return session_site
