"""Threads of which one at a time leads: it looks what has come, and does it itself."""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scheduling import waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)


class Crew:
    """The threads of a server: so many, and one more for each that has a stand-in.

    The one that leads calls ``look``, which is to :meth:`add` what there is to do, and then does it.
    Handing it to another thread takes longer than most requests, since Python lets one of the two run: at
    four connections reads are 1.3 to 1.6 times as many (docs/decisions/leader-followers.md). A leader that
    has to wait gives up the lead, and the next one goes on. The pattern is known as leader/followers
    (https://www.dre.vanderbilt.edu/~schmidt/PDF/lf.pdf).
    """

    def __init__(self, threads: int, look: Callable[[], None]) -> None:
        self._look = look
        self._to_do: deque[Callable[[], None]] = deque()
        self._lead = threading.Lock()
        self._leader: int | None = None
        self._wanted, self._running, self._counting = threads, 0, threading.Lock()

    @property
    def is_led_here(self) -> bool:
        """True in the thread that leads."""
        return self._leader == threading.get_ident()

    def start(self) -> None:
        """Start the threads."""
        self._want(0)

    def add(self, work: Callable[[], None]) -> None:
        """Have work done when the leader is through with what it does, or looks."""
        self._to_do.append(work)

    @contextmanager
    def aside(self, *, stand_in: bool) -> Iterator[None]:
        """Have another thread lead while the present one waits; with ``stand_in``, start one for that."""
        if stand_in:
            self._want(1)
        if self.is_led_here:
            self._give_up()
        try:
            yield
        finally:
            if stand_in:
                self._want(-1)

    def stop(self) -> None:
        """End all threads, each when it is through with what it does; the leader calls this."""
        with self._counting:
            self._wanted = 0

    def _want(self, more: int) -> None:
        with self._counting:
            self._wanted += more
            missing = max(0, self._wanted - self._running)
            self._running += missing
        for _ in range(missing):
            threading.Thread(target=self._run, name="web", daemon=True).start()

    def _run(self) -> None:
        waiting.serve_others(self.aside)
        while self._am_wanted():
            self._lead.acquire()
            self._leader = threading.get_ident()
            while self.is_led_here and self._wanted > 0:
                self._step()
            if self.is_led_here:
                self._give_up()

    def _am_wanted(self) -> bool:
        with self._counting:
            if self._running <= self._wanted:
                return True
            self._running -= 1
            return False

    def _step(self) -> None:
        if not self._to_do:
            self._look()
            return
        try:
            self._to_do.popleft()()
        except Exception:
            logger.exception("What was to be done failed")

    def _give_up(self) -> None:
        self._leader = None
        self._lead.release()
