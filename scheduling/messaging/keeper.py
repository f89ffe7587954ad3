"""The keeper: a thread of a worker that looks after the messages which the other threads have in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from scheduling.messaging.batch import Batch
    from scheduling.messaging.threads import RestartingThread

LOOK_SECONDS = 1.0


def run_keeper(replace: Callable[[RestartingThread], None], thread: RestartingThread) -> None:
    """Look after what is in hand every second, until the worker has stopped.

    ``replace`` is called with a thread whose handler takes too long. Raises what the database does.
    """
    while not thread.is_to_stop():
        thread.report_alive()
        for batch in thread.registry.batches.all():
            _look_after(batch, replace)
        thread.report_success()
        thread.stopping.wait(LOOK_SECONDS)


def _look_after(batch: Batch, replace: Callable[[RestartingThread], None]) -> None:
    if batch.is_slow() or batch.takes_too_long():
        # Nothing waits for the message in work, neither what follows it nor the results before it.
        batch.write()
        batch.give_back()
    if batch.takes_too_long():
        if batch.thread is not None:
            replace(batch.thread)
        batch.give_up()
    # A thread that does not come back and has no successor is to be noticed by the liveness probe.
    elif batch.thread is not None and not batch.is_given_up():
        batch.thread.report_alive()
    batch.renew_lease()
