"""Log-ins, each of which takes a processor for a while, beside other requests."""

from concurrent.futures import ThreadPoolExecutor

from scheduling.testing.processes import wait_for

LOG_INS = 6
# granian's are four more, and not one more for each log-in.
THREADS = {"waitress": "1", "granian": "3"}
SLOW = {"SCHEDULING_BCRYPT_COST": "14"}  # a second


def test_log_ins_that_wait_keep_neither_a_thread_nor_a_connection_from_others(make_web, server):
    site = make_web("--threads", THREADS[server], SCHEDULING_DATABASE_POOL_SIZE="1", **SLOW)
    token = site.register()

    def log_in(_):
        return site.call("POST", "/auth/login", {"email": "nobody@example.com", "password": "x"}, timeout=120)

    with ThreadPoolExecutor(LOG_INS) as threads:
        answers = threads.map(log_in, range(LOG_INS))
        wait_for(lambda: site.in_flight() == LOG_INS)
        for _ in range(8):
            assert site.call("GET", "/users/me", token=token).status == 200
        assert site.in_flight() > 0
        assert {answer.status for answer in answers} == {401}
