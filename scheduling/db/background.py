"""What is asked of the database in a thread of its own, so that who wants to know never waits for long."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Background(Generic[T]):
    """Calls ``ask()``, which must not raise, one call at a time, and keeps what it returned last."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._done.set()
        self._asked_at = float("-inf")
        self.answer: T | None = None
        """What it returned last; None before."""
        self.answered_at = float("-inf")
        """When that was, by :func:`time.monotonic`."""

    @property
    def asking_seconds(self) -> float:
        """For how long the call has been lasting that is under way; 0 if none is."""
        return 0.0 if self._done.is_set() else monotonic() - self._asked_at

    def refresh(self, max_age: float, patience: float) -> bool:
        """Ask anew unless the answer is younger than ``max_age``, and wait for ``patience`` at most.

        Both are in seconds. Returns False if there is no such answer yet.
        """
        with self._lock:
            if self._done.is_set() and monotonic() - self._asked_at >= max_age:
                self._done.clear()
                self._asked_at = monotonic()
                threading.Thread(target=self._run, name="background", daemon=True).start()
        return self._done.wait(patience)

    def _run(self) -> None:
        try:
            self.answer = self._ask()
            self.answered_at = monotonic()
        finally:
            self._done.set()
