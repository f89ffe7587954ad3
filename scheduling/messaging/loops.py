"""A thread of a worker that runs one function, and again after every error."""

from __future__ import annotations

import logging
import random
import threading
from time import monotonic
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scheduling.db.failures import one_line
from scheduling.messaging.broker import BROKER_ERRORS, connect

if TYPE_CHECKING:
    from collections.abc import Callable

    import kombu
    from pyramid.registry import Registry

logger = logging.getLogger(__name__)

_FIRST_RESTART_SECONDS = 0.5
_LAST_RESTART_SECONDS = 15.0
_LOG_SECONDS = 60.0


class Loop:
    """A thread that runs one function with a broker connection, and again after every error."""

    def __init__(
        self,
        name: str,
        registry: Registry,
        stopping: threading.Event,
        run: Callable[[Loop, kombu.Connection], None],
    ) -> None:
        self.name = name
        self.registry = registry
        self.stopping = stopping
        self.turned = monotonic()
        self.thread = threading.Thread(target=self._supervise, name=name, daemon=True)
        self._run = run
        self.trouble: str | None = None
        self._failures = 0
        self._fresh = True
        self._logged = float("-inf")

    def turn(self) -> bool:
        """Note that the loop is alive, and after a whole turn that it is well; False once it is to end."""
        self.turned = monotonic()
        if not self._fresh:
            self._failures = 0
            self.trouble = None
        self._fresh = False
        return not self.stopping.is_set()

    def _supervise(self) -> None:
        while not self.stopping.is_set():
            try:
                self._fresh = True
                with connect(self.registry) as connection:
                    self._run(self, connection)
            except Exception as error:  # noqa: BLE001 - brokers and drivers raise all kinds of things
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        """Say so, at most once a minute, and wait, longer each time."""
        self.turned = monotonic()
        if self.name == "relay":
            self.registry.metrics.relay_errors.inc()
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, sa.exc.DBAPIError):
            text = one_line(error)
        self.trouble = f"The {self.name} failed and starts again: {text}"
        if monotonic() - self._logged >= _LOG_SECONDS:
            self._logged = monotonic()
            passing = isinstance(error, (OSError, sa.exc.DBAPIError, *BROKER_ERRORS))
            logger.error("%s", self.trouble, exc_info=None if passing else error)
        longest = min(_LAST_RESTART_SECONDS, _FIRST_RESTART_SECONDS * 2 ** min(self._failures, 10))
        self._failures += 1
        self.stopping.wait(longest * random.uniform(0.5, 1))  # noqa: S311
