"""What site admins see of the outbox over HTTP, and redriving."""

from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from scheduling.db.session import session_scope
from scheduling.messaging.models import State, outbox
from scheduling.plugin import Permanent
from scheduling.times import utcnow
from tests.kit.factories import LONG_AGO, insert_message, message_row

LISTED = {
    "id",
    "kind",
    "consumer",
    "state",
    "attempts",
    "due_at",
    "created_at",
    "done_at",
    "provider_id",
    "last_error",
    "dedupe_key",
}
REDRIVABLE = {State.DEAD, State.RETRY, State.SKIPPED}


@pytest.fixture
def admin(site):
    admin = site.user("Admin", admin=True)
    with session_scope(site.registry) as db:
        db.write(sa.delete(outbox))
    return admin


def listed(client, query=""):
    return [row["id"] for row in client.get(f"/outbox{query}", status=200).json]


def test_the_list_is_newest_first_and_has_no_payload(site, admin):
    ids = [insert_message(site, created_at=LONG_AGO + timedelta(minutes=i)) for i in (2, 1, 3)]
    rows = admin.get("/outbox", status=200).json
    assert [row["id"] for row in rows] == [str(ids[i]) for i in (2, 0, 1)]
    assert {frozenset(row) for row in rows} == {frozenset(LISTED)}


def test_the_list_is_narrowed_by_state_and_kind(site, admin):
    rows = [(State.DEAD, "A"), (State.DEAD, "B"), (State.DONE, "A")]
    dead_a, dead_b, done_a = (str(insert_message(site, state, kind=kind)) for state, kind in rows)
    assert set(listed(admin)) == {dead_a, dead_b, done_a}
    assert set(listed(admin, "?state=dead")) == {dead_a, dead_b}
    assert set(listed(admin, "?kind=A")) == {dead_a, done_a}
    assert listed(admin, "?state=dead&kind=A") == [dead_a]
    assert listed(admin, "?state=retry") == listed(admin, "?kind=C") == []


def test_the_next_page_is_narrowed_too(site, admin):
    for state in (State.DEAD, State.DONE) * 2:
        insert_message(site, state)
    first = admin.get("/outbox?state=dead&limit=1", status=200)
    link = first.headers["Link"].partition(">")[0].removeprefix("</api/v1")
    second = admin.get(link, status=200)
    assert [row["state"] for row in first.json + second.json] == ["dead", "dead"]
    assert "Link" not in second.headers


@pytest.mark.parametrize("state", ["DEAD", "gone", "0"])
def test_a_state_that_there_is_not_is_a_400(admin, state):
    assert list(admin.get(f"/outbox?state={state}", status=400).json["errors"]) == ["state"]


def test_one_message_has_what_the_list_has_and_its_payload_lease_and_owner(site, admin):
    message_id = insert_message(site, State.RUNNING, lease_until=LONG_AGO, owner="host/1/x", dedupe_key="k")
    message = admin.get(f"/outbox/{message_id}", status=200).json
    assert message == {
        "id": str(message_id),
        "kind": "THING",
        "consumer": "test",
        "state": "running",
        "attempts": 3,
        "due_at": "2026-01-02T03:04:05.678Z",
        "created_at": "2026-01-02T03:04:05.678Z",
        "done_at": None,
        "provider_id": None,
        "last_error": "Transient: busy",
        "dedupe_key": "k",
        "payload": {"title": "Größe"},
        "lease_until": "2026-01-02T03:04:05.678Z",
        "owner": "host/1/x",
        "traceparent": None,
    }
    [row] = admin.get("/outbox", status=200).json
    assert row == {name: message[name] for name in LISTED}


def test_one_message_has_an_etag_that_changes_with_it(site, admin):
    path = f"/outbox/{insert_message(site)}"
    etag = admin.get(path).headers["ETag"]
    admin.get(path, headers={"If-None-Match": etag}, status=304)
    admin.post(f"{path}/redrive", status=202)
    admin.get(path, headers={"If-None-Match": etag}, status=200)


def test_an_id_may_be_written_in_capitals(site, admin):
    message_id = insert_message(site)
    assert admin.get(f"/outbox/{str(message_id).upper()}", status=200).json["id"] == str(message_id)


@pytest.mark.parametrize("form", ["{0.hex}", "{{{0}}}", "urn:uuid:{0}", "{0}0", "1", "x", "%C3%BC", "%00"])
def test_an_id_that_is_no_uuid_is_a_404(site, admin, form):
    path = f"/outbox/{form.format(insert_message(site))}"
    admin.get(path, status=404)
    admin.post(f"{path}/redrive", status=404)


def test_an_unknown_message_is_a_404_for_admins_and_not_told_to_others(site, admin):
    path = f"/outbox/{uuid4()}"
    assert "There is no message" in admin.get(path, status=404).json["error"]
    admin.post(f"{path}/redrive", status=404)
    site.user("Bob").get(path, status=403)


@pytest.mark.parametrize("state", State)
def test_a_message_is_redriven_where_its_state_allows_it(site, admin, state):
    message_id = insert_message(site, state)
    before = message_row(site, message_id)
    path = f"/outbox/{message_id}/redrive"
    if state in REDRIVABLE:
        assert admin.post(path, status=202).json["outbox"]["state"] == "pending"
    else:
        sentence = admin.post(path, status=409).json["error"]
        assert f"is {state}; only messages that are dead, retry or skipped can be redriven" in sentence
        assert message_row(site, message_id) == before


def test_a_redriven_message_is_due_now_and_keeps_its_id_dedupe_key_and_error(site, admin):
    later = utcnow() + timedelta(hours=4)
    old = {"due_at": later, "done_at": LONG_AGO, "dedupe_key": "k", "handed_at": LONG_AGO, "postponed": 4}
    message_id = insert_message(site, State.SKIPPED, **old)
    before = utcnow()

    answer = admin.post(f"/outbox/{message_id}/redrive", status=202).json

    row = message_row(site, message_id)
    assert before <= row.due_at <= utcnow()
    assert (row.state, row.attempts, row.done_at) == ("pending", 0, None)
    assert (row.postponed, row.handed_at) == (0, None)
    assert (row.dedupe_key, row.last_error, row.created_at) == ("k", "Transient: busy", LONG_AGO)
    assert answer["message"]
    assert answer["outbox"] == admin.get(f"/outbox/{message_id}").json


def test_a_dead_mail_that_is_redriven_is_sent_with_the_key_of_its_first_attempt(site, monkeypatch):
    admin = site.user("Admin", admin=True)
    keys = []

    def refuse(message, idempotency_key):
        keys.append(idempotency_key)
        raise Permanent("no such mailbox")

    with monkeypatch.context() as patch:
        patch.setattr(site.provider, "send", refuse)
        assert site.deliver() == [State.DEAD]
    [dead] = admin.get("/outbox?state=dead").json
    assert dead["last_error"] == "Permanent: no such mailbox"

    admin.post(f"/outbox/{dead['id']}/redrive", status=202)

    assert site.deliver() == [State.DONE]
    assert list(site.provider.sent) == keys == [dead["id"]]
    assert admin.get(f"/outbox/{dead['id']}").json["last_error"] is None


def test_redriving_wakes_the_relay_of_this_process(site, admin):
    message_id = insert_message(site)
    site.registry.message_written.clear()
    admin.post(f"/outbox/{message_id}/redrive", status=202)
    assert site.registry.message_written.is_set()


def test_of_two_that_redrive_a_message_one_is_told_that_it_is_pending(site, admin):
    path = f"/outbox/{insert_message(site)}/redrive"
    admin.post(path, status=202)
    assert "is pending" in admin.post(path, status=409).json["error"]
