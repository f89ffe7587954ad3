"""A process that dies when a call is done and not answered yet: the client sends it again."""

import json
import signal
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

import pytest

from tests.server.serverkit.installation import ADDON_FOLDER, ServedInstallation, with_addon

BOOKING = {"title": "Standup", "start": "2099-01-01T10:00:00Z", "end": "2099-01-01T11:00:00Z"}
SENDERS = 50


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request, tmp_path, server):
    """A server with the tests' add-on, on either kind of database; two processes where it can have them."""
    ini = tmp_path / "addon.ini"
    ini.write_text(with_addon({}))
    (tmp_path / "tmp").mkdir()
    environ = {"PYTHONPATH": ADDON_FOLDER, "TMPDIR": str(tmp_path / "tmp")}
    name = f"test_{uuid.uuid4().hex}"
    if request.param == "postgresql":
        postgres = request.getfixturevalue("postgres")
        environ["DATABASE_URL"] = postgres.create_database(name)
    site = ServedInstallation(tmp_path, tmp_path / "web.db", environ, ini)
    site.upgrade()
    processes = "1" if server == "waitress" else "2"
    site.serve("--server", server, "--processes", processes)
    site.web.start().wait_until_ready()
    with site:
        yield site
    if request.param == "postgresql":
        postgres.drop_database(name)


def create(site, token, **headers):
    """Make the booking; return status, headers and body."""
    sent = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": "k",
        **headers,
    }
    with site.connect() as connection:
        connection.request("POST", "/api/v1/bookings", json.dumps(BOOKING), sent)
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())


def bookings(site, token):
    return site.call("GET", "/bookings", token=token).body


def test_a_call_that_was_done_and_not_answered_is_answered_when_it_is_sent_again(site, server):
    token = site.register()
    with pytest.raises((OSError, HTTPException)):
        create(site, token, **{"X-Kill": "after the commit"})
    if server == "waitress":
        assert site.web.wait() == -signal.SIGKILL
        site.web.start()
    site.web.wait_until_ready()
    status, headers, body = create(site, token)
    assert (status, headers["Idempotent-Replayed"]) == (201, "true")
    assert headers["Location"] == f"/api/v1/bookings/{body['booking']['id']}"
    assert bookings(site, token) == [body["booking"]]


def test_of_fifty_calls_at_once_one_is_done(site):
    token = site.register()
    with ThreadPoolExecutor(SENDERS) as threads:
        answers = list(threads.map(lambda _: create(site, token), range(SENDERS)))
    [booking] = bookings(site, token)
    created = [body for status, _, body in answers if status == 201]
    first = [1 for status, headers, _ in answers if status == 201 and not headers["Idempotent-Replayed"]]
    assert len(first) == 1
    assert all(body["booking"] == booking for body in created)
    refused = [(status, body["code"]) for status, _, body in answers if status != 201]
    assert set(refused) <= {(409, "idempotency_running")}
