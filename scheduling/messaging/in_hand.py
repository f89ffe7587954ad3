"""What the threads of this process have in hand: the worker's keeper looks after it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyramid.config import Configurator

T = TypeVar("T")


class InHand(Generic[T]):
    """Things, each from the moment a thread takes it in hand until it has done with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._things: list[T] = []

    @contextmanager
    def holding(self, thing: T) -> Iterator[None]:
        """Count a thing among those in hand meanwhile."""
        with self._lock:
            self._things.append(thing)
        try:
            yield
        finally:
            with self._lock:
                self._things.remove(thing)

    def all(self) -> list[T]:
        """Return those that are in hand now."""
        with self._lock:
            return list(self._things)


def includeme(config: Configurator) -> None:
    """Put the batches of this process on the registry."""
    batches: InHand[Any] = InHand()
    config.registry.batches = batches
