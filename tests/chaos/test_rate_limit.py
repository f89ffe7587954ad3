"""EMAIL_RATE_LIMIT over all workers, for real; with a clock that the test moves it is in tests/email."""

from scheduling.email.limit import MAX_DELAY, MAX_TRANSIT_DIFFERENCE, rate_of
from scheduling.testing.processes import wait_for

LIMIT = 60


def test_three_workers_together_send_no_more_than_the_limit(make_site, provider):
    site = make_site(EMAIL_RATE_LIMIT=str(LIMIT))
    site.start(workers=0)
    token = site.register()
    for number in range(89):
        assert site.book(token, f"No. {number}").status == 201
    for _ in range(3):
        site.add_worker().start()
    rate, enough = rate_of(LIMIT), 30
    wait_for(lambda: len(provider.calls) >= enough)
    sent = sorted(call.at for call in provider.calls)
    slack = MAX_DELAY + MAX_TRANSIT_DIFFERENCE
    for first, begun in enumerate(sent):
        for last, at in enumerate(sent[first:], first):
            assert last - first + 1 <= rate.burst + 1 + (at - begun + slack) * 1_000_000 / rate.interval
    # They use what they may.
    assert sent[enough - 1] - sent[0] < 1.5 * (enough - rate.burst) * rate.interval / 1_000_000
    waiting = site.rows("SELECT attempts FROM outbox WHERE state IN ('pending', 'queued')")
    assert {row.attempts for row in waiting} == {0}
