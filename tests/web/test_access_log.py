"""One line for each request, without secrets."""

import logging

import pytest

from tests.kit.factories import book
from tests.web.every_answer import every_kind_of_answer


@pytest.fixture
def access_log(caplog):
    caplog.set_level(logging.INFO, "scheduling.access")
    return lambda: [record for record in caplog.records if record.name == "scheduling.access"]


def test_a_request_writes_one_line_that_names_call_answer_user_and_request(site, access_log, caplog):
    alice = site.user()
    path = f"/bookings/{book(alice)['id']}"
    caplog.clear()
    answer = alice.get(path, headers={"X-Request-ID": "req-1"})
    [line] = access_log()
    assert (line.method, line.path, line.status) == ("GET", f"/api/v1{path}", answer.status_int)
    assert (line.user_id, line.request_id) == (alice.id, "req-1")
    assert line.duration_ms > 0
    for part in ("GET", path, "200", str(alice.id), "req-1"):
        assert part in line.getMessage()


def test_every_kind_of_answer_writes_its_line(site, access_log):
    answers = every_kind_of_answer(site).values()
    logged = {(line.request_id, line.status) for line in access_log()}
    assert {(answer.headers["X-Request-ID"], answer.status_int) for answer in answers} <= logged


def test_the_line_holds_no_secret_and_no_query_string(site, access_log, caplog):
    alice = site.user()
    caplog.clear()
    alice.get("/bookings?status=confirmed&note=hush-query", status=200)
    sent = {"email": "hush-email@example.com", "password": "hush-password"}
    site.anonymous.post("/auth/login", sent, headers={"X-Request-ID": "hush id"}, status=401)
    alice.patch("/users/me/password", {"currentPassword": "hush-1", "newPassword": "hush-2"}, status=401)
    site.anonymous.get("/users/me", headers={"Authorization": "Bearer hush-token"}, status=401)
    lines = access_log()
    assert len(lines) == 4
    written = "".join(f"{line.getMessage()} {line.__dict__}" for line in lines)
    for secret in ("hush", alice.token, alice.email):
        assert secret not in written
    assert lines[1].user_id is None


def test_a_path_cannot_forge_a_log_line(site, access_log):
    site.app.get("/nothing%0A%1b[31mGET%20/forged%20200", status=404)
    [line] = access_log()
    assert line.getMessage().isprintable()
