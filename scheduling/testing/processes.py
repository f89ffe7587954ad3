"""Runs the web process and workers as an operator does: real programs, an ini file and the environment."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sysconfig
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen, run
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from email.message import Message
    from typing import Self

PATIENCE_SECONDS = 60.0
"""How long a program may take to start."""

UNREACHABLE = (OSError, HTTPException)
"""What :meth:`Installation.call` raises where nobody answers, or not to the end."""

# The settings of whoever runs the tests must not be those of the programs.
_INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "PYTHONPATH", "TMPDIR")
_JWT_SECRET = "a secret that only the tests know, of more than 32 bytes"  # noqa: S105
# No proxy of the environment stands before this machine's own ports.
_open = build_opener(ProxyHandler({})).open


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS, what: str = "") -> None:
    """Return when the condition is true; AssertionError if that takes longer."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} seconds: {what or condition}"
        threading.Event().wait(0.02)


class Process:
    """A program whose output goes to a file. It does not outlive this process, however this one ends."""

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command, self._environ = command, environ
        self._process: Popen[bytes] | None = None
        self._guard: Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """True while it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> str:
        """All that it printed since it was made, whatever number of times it was started."""
        return self.log.read_text(errors="replace")

    def start(self) -> Self:
        """Start it, again if it has ended."""
        assert not self.running, f"{self.name} is running already"
        self._dismiss_guard()
        with self.log.open("ab") as log:
            self._process = Popen(self._command, stdin=DEVNULL, stdout=log, stderr=STDOUT, env=self._environ)
        # The guard's pipe closes when this process ends, even by SIGKILL.
        guard = ["/bin/sh", "-c", 'read -r _; kill -KILL "$1"', "guard", str(self._process.pid)]
        self._guard = Popen(guard, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)
        return self

    def kill(self) -> None:
        """End it by SIGKILL; nothing happens if it is not running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._dismiss_guard()

    def terminate(self) -> None:
        """Ask it to end, by SIGTERM."""
        assert self._process is not None
        self._process.terminate()

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Return its exit status; ``TimeoutExpired`` if it does not end in time."""
        assert self._process is not None
        status = self._process.wait(seconds)
        self._dismiss_guard()
        return status

    def is_ready(self) -> bool:
        """Tell whether it does its work; AssertionError if it has ended instead."""
        assert self.running, f"{self.name} ended:\n{self.output[-4000:]}"
        return True

    def wait_until_ready(self) -> Self:
        """Return when it does its work."""
        wait_for(self.is_ready, what=f"{self.name} starts")
        return self

    def _dismiss_guard(self) -> None:
        """Let the guard go, or it would one day kill whoever has the pid by then."""
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None


class Observed(Process):
    """A program with metrics at ``metrics_url``."""

    metrics_url = ""

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's value, the sum over the labels that are not given."""
        with _open(f"{self.metrics_url}/metrics", timeout=10) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        samples = [sample for family in families for sample in family.samples]
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


class Web(Observed):
    """``pserve``, or ``scheduling web``, which alone has metrics, at ``url``."""

    url = ""

    def is_ready(self) -> bool:
        """Tell whether requests should come to it."""
        return super().is_ready() and _answers(f"{self.url}/health/ready")


class WorkerProcess(Observed):
    """``scheduling worker``, with its probes where its metrics are."""

    def is_ready(self) -> bool:
        """Tell whether it works and reaches the database."""
        return super().is_ready() and _answers(f"{self.metrics_url}/health/ready")


@dataclass(frozen=True)
class Answer:
    """An answer of the web process."""

    status: int
    headers: Message
    body: Any
    """What the JSON says."""


class Installation:
    """One web process and any number of workers on a database and a broker; a context manager.

    ``environ`` has the settings, ``ini`` is the file that they override, and logs go to ``folder``.
    """

    def __init__(
        self, folder: Path, ini: Path, database_url: str, redis_url: str, environ: Mapping[str, str]
    ) -> None:
        self._folder, self._ini = folder, ini
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self.environ = {
            **inherited,
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "JWT_SECRET": _JWT_SECRET,
            "SCHEDULING_HOST": "127.0.0.1",
            "SCHEDULING_BCRYPT_COST": "4",
            **environ,
        }
        self.web = self._web(program("pserve"), str(ini))
        self.workers: list[WorkerProcess] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for process in (self.web, *self.workers):
            process.kill()

    def serve(self, *options: str) -> None:
        """Have the web process be ``scheduling web`` with these options, instead of ``pserve``."""
        self.web = self._web(program("scheduling"), "web", str(self._ini), *options)

    def _web(self, *command: str) -> Web:
        port, metrics_port = str(free_port()), str(free_port())
        environ = {**self.environ, "PORT": port, "SCHEDULING_METRICS_PORT": metrics_port}
        web = Web("web", command, environ, self._folder)
        web.url, web.metrics_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics_port}"
        return web

    def upgrade(self) -> None:
        """Make or upgrade the database's tables."""
        self.run_command("db", "upgrade")

    def run_command(self, *arguments: str) -> None:
        """Run a command of ``scheduling`` to its end; AssertionError with its output if it fails."""
        command = [program("scheduling"), "-c", str(self._ini), *arguments]
        done = run(command, env=self.environ, stdout=PIPE, stderr=STDOUT, check=False)
        assert done.returncode == 0, done.stdout.decode()

    def add_worker(self, *options: str, **environ: str) -> WorkerProcess:
        """Return another worker, which is not started yet, with settings of its own."""
        port = str(free_port())
        command = [program("scheduling"), "worker", str(self._ini), *options]
        environ = {**self.environ, "SCHEDULING_METRICS_PORT": port, **environ}
        worker = WorkerProcess(f"worker-{len(self.workers)}", command, environ, self._folder)
        worker.metrics_url = f"http://127.0.0.1:{port}"
        self.workers.append(worker)
        return worker

    def call(
        self, method: str, path: str, body: Any = None, *, token: str = "", timeout: float = 30.0
    ) -> Answer:
        """Call a path below ``/api/v1``, whatever the answer is; one of ``UNREACHABLE`` if there is none."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.web.url}/api/v1{path}", data, headers, method=method)  # noqa: S310
        try:
            with _open(request, timeout=timeout) as answer:
                return Answer(answer.status, answer.headers, json.loads(answer.read()))
        except HTTPError as error:
            with error:
                return Answer(error.code, error.headers, json.loads(error.read()))

    def register(self, name: str = "Alice") -> str:
        """Register an account and return its token."""
        email = f"{name.lower()}.{secrets.token_hex(4)}@example.com"
        answer = self.call("POST", "/auth/register", {"name": name, "email": email, "password": "secret123"})
        assert answer.status == HTTPStatus.CREATED, answer
        token: str = answer.body["token"]
        return token


def program(name: str) -> str:
    """Return the path of a program that is installed beside the running Python."""
    return str(Path(sysconfig.get_path("scripts"), name))


def free_port() -> int:
    """Return a port that is free now, and that the system gives to no outgoing connection."""
    while True:
        port = 15000 + secrets.randbelow(15000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _answers(url: str) -> bool:
    try:
        with _open(url, timeout=10) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except HTTPError as error:
        error.close()
    except UNREACHABLE:
        pass
    return False
