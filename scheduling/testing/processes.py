"""Runs the web process and workers as an operator does: real programs, an ini file and the environment."""

from __future__ import annotations

import os
import secrets
from http import HTTPStatus
from subprocess import PIPE, STDOUT, run
from typing import TYPE_CHECKING, Any

from scheduling.testing.http_calls import UNREACHABLE, Answer, call
from scheduling.testing.process import (
    PATIENCE_SECONDS,
    Process,
    Web,
    WorkerProcess,
    free_port,
    program,
    wait_for,
)
from scheduling.testing.site import PASSWORD, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

__all__ = [
    "PATIENCE_SECONDS",
    "UNREACHABLE",
    "Answer",
    "Installation",
    "Process",
    "Web",
    "WorkerProcess",
    "free_port",
    "program",
    "wait_for",
]

# The settings of whoever runs the tests must not be those of the programs.
_INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "PYTHONPATH", "TMPDIR")


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
            "JWT_SECRET": SETTINGS["scheduling.jwt_secret"],
            "SCHEDULING_HOST": "127.0.0.1",
            "SCHEDULING_BCRYPT_COST": "4",
            "RATE_LIMIT_ENABLED": "false",
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
        return call(method, f"{self.web.url}/api/v1{path}", body, token=token, timeout=timeout)

    def register(self, name: str = "Alice") -> str:
        """Register an account and return its token."""
        email = f"{name.lower()}.{secrets.token_hex(4)}@example.com"
        answer = self.call("POST", "/auth/register", {"name": name, "email": email, "password": PASSWORD})
        assert answer.status == HTTPStatus.CREATED, answer
        token: str = answer.body["token"]
        return token
