"""A server of a test as a process: started, stopped, killed, frozen; and it ends when the tests do."""

import contextlib
import os
import pwd
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen, TimeoutExpired, check_output
from typing import IO

from scheduling.testing.guard import Guard

_PATIENCE = 60.0  # seconds to wait for a server to start or to stop

User = pwd.struct_passwd | None
"""Who runs a program; None is the present user."""


class ServerError(RuntimeError):
    """A test server is missing, failed to start, or is in no state for what was asked of it."""


class ServerProcess:
    """A URL and, unless the server is external, a process; else what controls it raises ServerError."""

    def __init__(self, url: str, command: Sequence[str] = (), log: Path = Path(), user: User = None) -> None:
        self.url = url
        self._command, self._log, self._user = command, log, user
        self._process: Popen[bytes] | None = None
        self._guard: Guard | None = None
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
            self._process = server = popen([*self._command, *extra_args], self._user, log)
        # SIGINT makes both servers stop at once; it may be frozen.
        self._guard = Guard(server.pid, "INT", "CONT")
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
        # A stopped parent starts no child and reaps none, so no pid is given to another process.
        # PostgreSQL does not start again while a child that is left over has the shared memory.
        self.freeze()
        while children := living_children(self.pid):
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
        self._frozen = False
        if self._guard:
            self._guard.dismiss()
            self._guard = None


def popen(command: list[str], user: User, output: IO[bytes] | int) -> Popen[bytes]:
    """Start a program as a user; what it prints goes to a file, or to a pipe."""
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


def run_to_end(command: list[str], user: User) -> None:
    """Run a program to its end; ServerError if it fails, OSError if the user cannot reach it."""
    with popen(command, user, PIPE) as process:
        output, _ = process.communicate()
    if process.returncode:
        raise ServerError(f"{command[0]} failed: {output.decode(errors='replace')}")


def living_children(parent: int) -> list[int]:
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
