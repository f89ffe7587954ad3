"""Clients that work in threads until they are told to end."""

import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor


class Load(ABC):
    """Runs as many clients as are wanted, from when it is made until :meth:`end`."""

    def __init__(self, clients):
        self._ending = threading.Event()
        self._threads = ThreadPoolExecutor(clients)
        self._runs = [self._threads.submit(self._run, number) for number in range(clients)]

    def end(self):
        """Return when all have ended; raises what a client raised."""
        self._ending.set()
        for run in self._runs:
            run.result(60)
        self._threads.shutdown()

    @abstractmethod
    def _run(self, number):
        """Work until ``_ending`` is set."""
