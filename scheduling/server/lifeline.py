"""Ends a process when the one that forked it has ended, even by SIGKILL."""

from __future__ import annotations

import os
import signal
import threading


class Lifeline:
    """A pipe of which the parent alone keeps the end that is written to; it closes when the parent ends.

    A parent makes it before it forks, and each child calls :meth:`hold`.
    """

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()

    def hold(self, number: int = signal.SIGTERM) -> None:
        """Send this process a signal when its parent has ended."""
        os.close(self._writing)
        threading.Thread(target=self._wait, args=(number,), name="lifeline", daemon=True).start()

    def _wait(self, number: int) -> None:
        os.read(self._reading, 1)
        os.kill(os.getpid(), number)
