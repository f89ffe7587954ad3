"""A worker while PostgreSQL hangs, in the middle of sending."""

from time import monotonic

from scheduling.testing.http_calls import is_ok
from scheduling.testing.processes import wait_for

TIMEOUT = 2


def answers_in_time(worker, path):
    began = monotonic()
    good = is_ok(f"{worker.metrics_url}{path}")
    assert monotonic() - began < 2
    return good


def test_a_worker_that_loses_its_lease_while_postgres_hangs_sends_nothing_twice(
    make_site, own_postgres, provider
):
    site = make_site(SCHEDULING_DATABASE_TIMEOUT=str(TIMEOUT))
    site.start(workers=2)
    provider.arrived.clear()
    provider.go_on.clear()
    token = site.register()
    for number in range(5):
        assert site.book(token, f"No. {number}").status == 201
    assert provider.arrived.wait(30)
    with own_postgres.hanging():
        provider.go_on.set()
        # What was sent cannot be marked as done, and its lease of four seconds runs out.
        began = monotonic()
        while monotonic() - began < 7:
            for worker in site.workers:
                assert answers_in_time(worker, "/health/live")
                assert answers_in_time(worker, "/metrics")
                is_ready = answers_in_time(worker, "/health/ready")
        assert not is_ready
    for worker in site.workers:
        wait_for(lambda worker=worker: answers_in_time(worker, "/health/ready"), 2)
    wait_for(site.all_done)
    assert provider.subjects() == {
        "Welcome, Alice": 1,
        **{f"Booking confirmed: No. {number}": 1 for number in range(5)},
    }
