"""What is measured: a real PostgreSQL, Redis and web server, with users in it."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import psycopg

from bench.scenarios import Site
from scheduling.testing.processes import Installation, Web
from scheduling.testing.servers import (
    PostgresServer,
    RedisServer,
    ServerError,
    postgres_server,
    redis_server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PROCESSES = {"waitress": 1, "granian": 2}
"""Of the web server, on whatever machine, so that results can be compared."""

SAFE = ("-cfsync=on", "-cfull_page_writes=on")
"""Options of PostgreSQL, which the test kit runs without, to have it cost what it costs in production."""

_STATEMENTS = ("scheduling LOG:  statement:", "scheduling LOG:  execute")
"""How the line begins that PostgreSQL logs for a statement of a process of ours."""


@dataclass(frozen=True)
class Stack:
    """Everything that runs."""

    site: Site
    postgres: PostgresServer
    redis: RedisServer
    installation: Installation

    @property
    def port(self) -> int:
        """Where the web server listens."""
        return int(self.installation.web.url.rpartition(":")[2])

    @property
    def web_pid(self) -> int:
        """The web server's first process."""
        return self.installation.web.pid

    def rebuild_analytics(self) -> None:
        """Have the dashboard's counts know rows that were loaded, and clean up after that at once."""
        self.installation.run_command("analytics", "rebuild")
        # Autovacuum would within a minute.
        execute(self.site.database_url, "VACUUM ANALYZE")

    @contextmanager
    def statements_logged(self) -> Iterator[None]:
        """Let PostgreSQL log every statement of the web server, which is restarted before and after."""
        self._restart_web("SET log_statement = 'all'")
        yield
        self._restart_web("RESET log_statement")

    def statements(self) -> int:
        """Count the statements in the log, BEGIN and COMMIT included."""
        return sum(line.startswith(_STATEMENTS) for line in self.postgres.output.splitlines())

    def _restart_web(self, change: str) -> None:
        """Restart the web server with another setting of its database."""
        execute(self.site.database_url, f"ALTER DATABASE bench {change}")
        stop(self.installation.web)
        self.installation.web.start().wait_until_ready()


@contextmanager
def running(server: str, *postgres_options: str) -> Iterator[Stack]:
    """Start everything, with a web server of this kind.

    Raises ``ServerError`` if the database or Redis would not be its own.
    """
    if {"TEST_DATABASE_URL", "TEST_REDIS_URL"} & set(os.environ):
        raise ServerError("Unset TEST_DATABASE_URL and TEST_REDIS_URL: only its own servers can be measured.")
    with tempfile.TemporaryDirectory() as folder, postgres_server() as postgres, redis_server() as redis:
        postgres.stop()
        postgres.start("-clog_line_prefix=%a ", *postgres_options)
        database_url = postgres.create_database("bench")
        # Limits are met by nobody, and cost what they cost; those of accounts are as they come.
        environ = {
            "SCHEDULING_BCRYPT_COST": "10",
            "EMAIL_RATE_LIMIT": "6000",
            "RATE_LIMIT_ENABLED": "true",
            "SCHEDULING_RATE_LIMIT_REGISTRATIONS": "10000",
            "TRUSTED_PROXIES": "127.0.0.1",
        }
        ini = ROOT / "production.ini"
        with Installation(Path(folder), ini, database_url, redis.url, environ) as installation:
            installation.serve(f"--server={server}", f"--processes={PROCESSES[server]}")
            installation.upgrade()
            run_file(database_url, "users.sql")
            installation.web.start().wait_until_ready()
            try:
                with httpx2.Client(base_url=installation.web.url, trust_env=False, timeout=60) as http:
                    yield Stack(Site(http, database_url), postgres, redis, installation)
            finally:
                stop(installation.web)


def stop(web: Web) -> None:
    """End a web server in order: granian's processes outlive a parent that is killed."""
    if web.running:
        web.terminate()
        web.wait()


def seed(database_url: str) -> None:
    """Fill the tables, and leave PostgreSQL with nothing to catch up on."""
    run_file(database_url, "seed.sql")
    execute(database_url, "VACUUM ANALYZE", "CHECKPOINT")


def run_file(database_url: str, name: str) -> None:
    """Run a file of SQL beside this one."""
    execute(database_url, Path(__file__).with_name(name).read_text())


def execute(database_url: str, *statements: str) -> None:
    """Run statements, each in a transaction of its own."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
