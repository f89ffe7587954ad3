"""A program of this project as a process of a test: started, asked whether it is ready, ended."""

from __future__ import annotations

import secrets
import socket
import sysconfig
import threading
import time
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from scheduling.testing.guard import Guard
from scheduling.testing.http_calls import is_ok, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

PATIENCE_SECONDS = 60.0
"""How long a program may take to start."""


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS, what: str = "") -> None:
    """Return when the condition is true; AssertionError if that takes longer."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} seconds: {what or condition}"
        threading.Event().wait(0.02)


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


class Process:
    """A program whose output goes to a file. It does not outlive this process, however this one ends."""

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command, self._environ = command, environ
        self._process: Popen[bytes] | None = None
        self._guard: Guard | None = None

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
        self._guard = Guard(self._process.pid, "KILL")
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
        if self._guard is not None:
            self._guard.dismiss()
            self._guard = None


class ObservedProcess(Process):
    """A program with metrics at ``metrics_url``."""

    metrics_url = ""

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's value, the sum over the labels that are not given."""
        families = text_string_to_metric_families(read_text(f"{self.metrics_url}/metrics"))
        samples = [sample for family in families for sample in family.samples]
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


class Web(ObservedProcess):
    """``pserve``, or ``scheduling web``, which alone has metrics, at ``url``."""

    url = ""

    def is_ready(self) -> bool:
        """Tell whether requests should come to it."""
        return super().is_ready() and is_ok(f"{self.url}/health/ready")


class WorkerProcess(ObservedProcess):
    """``scheduling worker``, with its probes where its metrics are."""

    def is_ready(self) -> bool:
        """Tell whether it works and reaches the database."""
        return super().is_ready() and is_ok(f"{self.metrics_url}/health/ready")
