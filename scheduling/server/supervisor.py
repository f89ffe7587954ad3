"""Keeps a number of child processes running, replaces those that die, and ends them in order."""

from __future__ import annotations

import logging
import os
import signal
import threading
import traceback
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGALRM)

EARLY_SECONDS = 5.0
"""A child that dies sooner after its start counts for the crash loop."""

MAX_EARLY_DEATHS = 5

_MARGIN_SECONDS = 5.0
"""What a child may need beyond its grace before it is killed."""


class Supervisor:
    """Runs ``work`` in ``processes`` children, each of which is to end on SIGTERM.

    No thread may run when this process forks, so it waits for signals and does nothing else.
    """

    def __init__(self, work: Callable[[], None], processes: int, grace: float) -> None:
        self._work, self._processes, self._grace = work, processes, grace
        self._born: dict[int, float] = {}
        self._early_deaths = 0
        self._ending = False
        self._status = 0
        self._alive, self._lifeline = os.pipe()

    def run(self) -> int:
        """Start the children and return the exit status when all have ended."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        for _ in range(self._processes):
            self._start()
        while self._born:
            number = signal.sigwait(_SIGNALS)
            if number == signal.SIGCHLD:
                self._bury()
            elif number == signal.SIGALRM:
                logger.error("%d web processes did not end in time and are killed", len(self._born))
                self._kill(signal.SIGKILL)
            elif self._ending:
                self._kill(signal.SIGKILL)
                return 128 + number
            else:
                self._end()
        return self._status

    def _start(self) -> None:
        pid = os.fork()
        if pid == 0:
            self._live()
        self._born[pid] = monotonic()

    def _live(self) -> None:
        """Be a child: do the work, and end with this process whatever happens."""
        status = 1
        try:
            # Ctrl-C reaches every process of the terminal; the parent alone acts on it.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.close(self._lifeline)
            threading.Thread(target=self._end_with_the_parent, daemon=True).start()
            self._work()
            status = 0
        except BaseException:  # noqa: BLE001 - nothing may run on into the parent's code
            traceback.print_exc()
        finally:
            os._exit(status)

    def _end_with_the_parent(self) -> None:
        os.read(self._alive, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _bury(self) -> None:
        """Take notice of children that ended, and replace them."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                born = self._born.pop(pid)
                if not self._ending:
                    self._replace(os.waitstatus_to_exitcode(status), monotonic() - born)

    def _replace(self, code: int, lived: float) -> None:
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        logger.error("A web process ended %s after %.0f s", how, lived)
        self._early_deaths = self._early_deaths + 1 if lived < EARLY_SECONDS else 0
        if self._early_deaths < MAX_EARLY_DEATHS:
            self._start()
            return
        logger.critical(
            "%d web processes in a row ended as soon as they were started: giving up. "
            "What they said is above.",
            MAX_EARLY_DEATHS,
        )
        self._status = 1
        self._end()

    def _end(self) -> None:
        self._ending = True
        self._kill(signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, self._grace + _MARGIN_SECONDS)

    def _kill(self, number: signal.Signals) -> None:
        for pid in self._born:
            os.kill(pid, number)
