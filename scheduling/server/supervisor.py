"""Keeps child processes running, replaces those that die, and ends them in order."""

from __future__ import annotations

import logging
import os
import signal
import traceback
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from scheduling.server.lifeline import Lifeline

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGALRM)

EARLY_SECONDS = 5.0
"""A child that dies sooner after its start counts for the crash loop."""

MAX_EARLY_DEATHS = 5

_MARGIN_SECONDS = 5.0
"""What a child may need beyond its grace before it is killed."""


@dataclass(frozen=True)
class Child:
    """A process: a name for the log, and its work, which is to end on SIGTERM."""

    name: str
    work: Callable[[], None]
    listener: socket.socket | None = None
    """Its own socket. A child that replaces it serves the connections that wait there meanwhile."""


class Supervisor:
    """Runs children until SIGTERM or SIGINT. Then it calls ``drain``, waits a moment, and ends them.

    No thread may run when this process forks, so it waits for signals and does nothing else.
    ``drain_seconds`` is that moment; ``grace_seconds`` is what the children have to end in.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        drain: Callable[[], None],
        drain_seconds: float,
        grace_seconds: float,
    ) -> None:
        self._children = children
        self._drain = drain
        self._drain_seconds, self._grace_seconds = drain_seconds, grace_seconds
        self._running: dict[int, tuple[Child, float]] = {}
        self._early_deaths = 0
        self._draining = self._ending = False
        self._status = 0
        self._lifeline = Lifeline()

    def run(self) -> int:
        """Start the children and return the exit status when all have ended."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        for child in self._children:
            self._start(child)
        while self._running:
            number = signal.sigwait(_SIGNALS)
            if number == signal.SIGCHLD:
                self._bury()
            elif number == signal.SIGALRM:
                self._time_is_up()
            elif self._draining:
                self._send(signal.SIGKILL)
                return 128 + number
            else:
                self._begin_to_end()
        return self._status

    def _start(self, child: Child) -> None:
        pid = os.fork()
        if pid == 0:
            self._live(child)
        self._running[pid] = child, monotonic()

    def _live(self, child: Child) -> None:
        """Be a child: do the work, and end with this process whatever happens."""
        status = 1
        try:
            # Ctrl-C reaches every process of the terminal; the parent alone acts on it.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            self._lifeline.hold()
            self._close_listeners(but=child.listener)
            child.work()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else status
        except BaseException:  # noqa: BLE001 - nothing may run on into the parent's code
            traceback.print_exc()
        finally:
            os._exit(status)

    def _bury(self) -> None:
        """Take notice of children that ended, and replace them."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                child, born = self._running.pop(pid)
                if not self._ending:
                    self._replace(child, os.waitstatus_to_exitcode(status), monotonic() - born)

    def _replace(self, child: Child, code: int, lived: float) -> None:
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        logger.error("The %s process ended %s after %.0f s", child.name, how, lived)
        self._early_deaths = self._early_deaths + 1 if lived < EARLY_SECONDS else 0
        if self._early_deaths < MAX_EARLY_DEATHS:
            self._start(child)
            return
        logger.critical(
            "%d processes in a row ended as soon as they were started: giving up. What they said is above.",
            MAX_EARLY_DEATHS,
        )
        self._status = 1
        self._end()

    def _begin_to_end(self) -> None:
        """Have it known that no request should come here, and go on for the moment which that takes."""
        self._draining = True
        self._drain()
        if self._drain_seconds:
            signal.setitimer(signal.ITIMER_REAL, self._drain_seconds)
        else:
            self._end()

    def _time_is_up(self) -> None:
        if not self._ending:
            self._end()
            return
        logger.error("%d processes did not end in time and are killed", len(self._running))
        self._send(signal.SIGKILL)

    def _end(self) -> None:
        self._draining = self._ending = True
        self._close_listeners()
        self._send(signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, self._grace_seconds + _MARGIN_SECONDS)

    def _close_listeners(self, but: socket.socket | None = None) -> None:
        """Give up sockets: one listens, and connections wait at it, as long as any process holds it."""
        for child in self._children:
            if child.listener and child.listener is not but:
                child.listener.close()

    def _send(self, number: signal.Signals) -> None:
        for pid in self._running:
            os.kill(pid, number)
