"""PostgreSQL killed and started again under load."""

import re
from collections import Counter

from scheduling.testing.processes import wait_for
from tests.chaos.load import Load


class BookingLoad(Load):
    """Clients that book all the time; what was answered 201 is promised."""

    def __init__(self, site, token, clients):
        self.promised = []
        self.refused = []
        self._site, self._token = site, token
        super().__init__(clients)

    def _run(self, number):
        attempt = 0
        while not self._ending.wait(0.02):
            attempt += 1
            title = f"No. {number}-{attempt}"
            answer = self._site.book(self._token, title)
            if answer.status == 201:
                self.promised.append(title)
            else:
                self.refused.append(answer)


def test_postgres_killed_under_load_is_503_until_it_is_back_and_nothing_promised_is_missing(
    make_site, own_postgres, provider
):
    site = make_site()
    site.start()
    [worker] = site.workers
    token = site.register()
    load = BookingLoad(site, token, clients=4)
    try:
        wait_for(lambda: len(load.promised) >= 40)
        own_postgres.kill()
        while_away = [
            site.call("GET", "/bookings", token=token),
            site.call("PATCH", "/notifications/read-all", token=token),
            site.book(token, "never"),
        ]
        wait_for(lambda: worker.metric("scheduling_outbox_relay_errors_total") >= 3)
        before = len(load.promised)
        own_postgres.start()
        wait_for(lambda: len(load.promised) >= before + 40)
    finally:
        load.end()
    assert load.refused
    for answer in (*while_away, *load.refused):
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5"), answer
    wait_for(site.all_done)
    titles = {row.title for row in site.rows("SELECT title FROM bookings")}
    assert set(load.promised) <= titles
    assert provider.subjects() == {
        "Welcome, Alice": 1,
        **{f"Booking confirmed: {title}": 1 for title in titles},
    }
    failures = re.findall(r"The (\S+) failed and starts again", worker.output)
    assert set(Counter(failures).values()) == {1}, "once a minute for each thread"
