"""Log-ins, each of which takes a processor for a while, beside other requests."""

from concurrent.futures import ThreadPoolExecutor

from scheduling.testing.processes import wait_for

THREADS = 4  # of which log-ins get two
LOG_INS = 8
SLOW = {"SCHEDULING_BCRYPT_COST": "15"}  # two seconds


def test_log_ins_keep_half_of_the_threads_and_all_connections_free(make_web, server):
    site = make_web("--threads", str(THREADS), SCHEDULING_DATABASE_POOL_SIZE="1", **SLOW)
    token = site.register()
    processes = len(site.serving())

    def log_in(_):
        body = {"email": "nobody@example.com", "password": "x"}
        return site.call("POST", "/auth/login", body, timeout=120)

    with ThreadPoolExecutor(LOG_INS) as threads:
        answers = threads.map(log_in, range(LOG_INS))
        wait_for(lambda: site.in_flight() >= THREADS // 2)
        for _ in range(8):
            assert site.call("GET", "/users/me", token=token).status == 200
        assert site.in_flight() > 0
        answers = list(answers)
    assert {answer.status for answer in answers} == {401, 503}
    assert sum(answer.status == 401 for answer in answers) <= processes * THREADS // 2
    assert {answer.headers["Retry-After"] for answer in answers if answer.status == 503} == {"5"}
