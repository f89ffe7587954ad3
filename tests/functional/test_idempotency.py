"""Calls with an Idempotency-Key: done once, and answered the same each time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from webtest import TestApp

from scheduling.db.session import session_scope
from scheduling.testing import Client
from scheduling.testing.process import wait_for
from scheduling.testing.site import PASSWORD
from scheduling.web.idempotency.models import idempotency_keys
from tests.kit.calls import CALLS, things_of
from tests.kit.factories import BOOKING, add_member, book, count_rows, create_organization, refused_fields

K = {"Idempotency-Key": "k"}
OF_THE_REQUEST = {"X-Request-ID", "Idempotent-Replayed"}

# Those whose answers hold a token, and the one after which the token ends.
NOT_REPEATED = {"/users/me/password", "/auth/logout"}
REPEATED = [one for one in CALLS if one[0] in ("post", "patch", "delete") and one[1] not in NOT_REPEATED]


def is_replay(answer):
    return answer.headers.getall("Idempotent-Replayed") == ["true"]


def own_headers(answer):
    return [pair for pair in answer.headerlist if pair[0] not in OF_THE_REQUEST]


def assert_same(first, again):
    assert not is_replay(first)
    assert is_replay(again)
    assert (again.status, again.body) == (first.status, first.body)
    assert own_headers(again) == own_headers(first)


@pytest.mark.parametrize(("method", "path", "body"), REPEATED)
def test_every_call_is_done_once_and_answered_the_same_again(site, other_process, method, path, body):
    bob = site.user("Bob", email="bob@example.com")
    alice = site.user(admin=True)
    things = things_of(alice)
    if path.endswith("/members/{user}"):
        # Whoever leaves an organization may see nothing of it any more.
        organization = create_organization(bob)
        add_member(bob, organization, alice)
        things["organization"] = organization

    def send(client):
        sent = {} if body is None else {"json": body}
        return getattr(client, method)(path.format(**things), headers=K, **sent)

    first = send(alice)
    assert first.status_int in (200, 201)
    kept = count_rows(site, idempotency_keys)
    assert_same(first, send(alice))
    assert_same(first, send(Client(other_process.app, alice.token)))
    assert count_rows(site, idempotency_keys) == kept == 1


def test_a_booking_that_is_sent_again_is_made_once_with_one_notification_and_e_mail(site):
    alice = site.user()
    site.deliver()
    site.clear_mail()
    first, again = (alice.post("/bookings", BOOKING, headers=K, status=201) for _ in range(2))
    assert_same(first, again)
    assert again.headers["Location"] == f"/api/v1/bookings/{first.json['booking']['id']}"
    assert [booking["id"] for booking in alice.get("/bookings").json] == [first.json["booking"]["id"]]
    assert alice.get("/notifications/count").json == {"unread": 1}
    site.deliver()
    assert len(site.mail) == 1


def test_the_first_answer_is_given_again_though_the_thing_has_changed(site):
    alice = site.user()
    first = alice.post("/bookings", BOOKING, headers=K, status=201)
    alice.delete(f"/bookings/{first.json['booking']['id']}", status=200)
    assert_same(first, alice.post("/bookings", BOOKING, headers=K, status=201))


def test_a_change_under_a_condition_is_answered_again_though_the_condition_holds_no_more(site):
    alice = site.user()
    path = f"/bookings/{book(alice)['id']}"
    condition = {"If-Match": alice.get(path).headers["ETag"]}
    first, again = (
        alice.patch(path, {"title": "Retro"}, headers={**K, **condition}, status=200) for _ in range(2)
    )
    assert_same(first, again)
    alice.patch(path, {"title": "Retro"}, headers=condition, status=412)


def test_in_quotes_and_without_it_is_one_key(site):
    alice = site.user()
    first = alice.post("/bookings", BOOKING, headers={"Idempotency-Key": '"a \\"b\\""'})
    assert_same(first, alice.post("/bookings", BOOKING, headers={"Idempotency-Key": 'a "b"'}))


@pytest.mark.parametrize("key", ["", '""', '"k', "k" * 256, "schl\xfcssel", '"a", "b"'])
def test_what_is_no_key_is_a_400_and_nothing_is_done(site, key):
    alice = site.user()
    answer = alice.post("/bookings", BOOKING, headers={"Idempotency-Key": key}, status=400)
    assert refused_fields(answer) == {"Idempotency-Key"}
    assert answer.json["code"] == "invalid"
    assert alice.get("/bookings").json == []


def test_another_body_is_a_422_and_nothing_is_done(site):
    alice = site.user()
    first = alice.post("/bookings", BOOKING, headers=K)
    for other in (BOOKING | {"title": "Retro"}, {}):
        answer = alice.post("/bookings", other, headers=K, status=422)
        assert answer.json["code"] == "idempotency_mismatch"
    headers = {**K, "Authorization": f"Bearer {alice.token}", "Content-Type": "application/json"}
    # The same JSON in other bytes.
    spaced = first.request.body.replace(b":", b": ", 1)
    assert spaced != first.request.body
    site.app.post("/api/v1/bookings", spaced, headers=headers, status=422)
    assert len(alice.get("/bookings").json) == 1
    assert_same(first, alice.post("/bookings", BOOKING, headers=K))


def test_another_query_string_is_a_422(site):
    alice = site.user()
    path = f"/bookings/{book(alice)['id']}"
    alice.delete(f"{path}?reason=ill", headers=K, status=200)
    alice.delete(f"{path}?reason=late", headers=K, status=422)


def test_a_key_is_of_one_sender_method_and_path(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    first = alice.post("/bookings", BOOKING, headers=K)
    path = f"/bookings/{first.json['booking']['id']}"
    others = [
        bob.post("/bookings", BOOKING, headers=K, status=201),
        alice.post("/organizations", {"name": "Acme"}, headers=K, status=201),
        alice.patch(path, {"title": "Retro"}, headers=K, status=200),
        alice.delete(path, headers=K, status=200),
        alice.post("/bookings", BOOKING, headers={"Idempotency-Key": "K"}, status=201),
    ]
    assert not any(is_replay(answer) for answer in others)
    # One path has two spellings.
    assert_same(first, alice.post("/bookings/", BOOKING, headers=K))


def test_nobody_is_given_the_answer_of_somebody_else_without_their_token(site):
    alice = site.user()
    alice.post("/bookings", BOOKING, headers=K)
    site.anonymous.post("/bookings", BOOKING, headers=K, status=401)
    alice.post("/auth/logout", {"everywhere": True}, status=200)
    answer = alice.post("/bookings", BOOKING, headers=K, status=401)
    assert answer.json["code"] == "token_revoked"


def test_of_those_who_send_no_token_the_body_tells_the_calls_apart(site):
    def report(event_type):
        return site.anonymous.post("/analytics/event", {"eventType": event_type}, headers=K, status=201)

    def count(event_type):
        events = site.user(admin=True).get("/analytics/events").json
        return sum(event["event_type"] == event_type for event in events)

    first = report("one")
    assert_same(first, report("one"))
    assert not is_replay(report("other"))
    assert (count("one"), count("other")) == (1, 1)


def test_what_failed_is_tried_again(site):
    alice = site.user()
    alice.post("/bookings", BOOKING | {"title": ""}, headers=K, status=400)
    alice.delete("/bookings/1", headers=K, status=404)
    site.anonymous.post("/bookings", BOOKING, headers=K, status=401)
    assert count_rows(site, idempotency_keys) == 0
    alice.post("/bookings", BOOKING, headers=K, status=201)


def test_where_the_record_cannot_be_written_nothing_is_done(site):
    alice = site.user()

    def fail(statement):
        if "INSERT INTO idempotency_keys" in statement:
            raise sa.exc.OperationalError(statement, None, Exception("the disk is full"))

    with site.before_statements(fail):
        alice.post("/bookings", BOOKING, headers=K, status="5*")
    assert alice.get("/bookings").json == []
    assert not is_replay(alice.post("/bookings", BOOKING, headers=K, status=201))


def test_calls_whose_answer_holds_a_secret_ignore_the_header(site):
    for key in ("k", '"'):
        header = {"Idempotency-Key": key}
        account = {"name": "Al", "email": "al@example.com", "password": PASSWORD}
        site.anonymous.post("/auth/register", account, headers=header, status=201 if key == "k" else 400)
        alice = site.user()
        log_in = {"email": alice.email, "password": PASSWORD}
        tokens = [
            site.anonymous.post("/auth/login", log_in, headers=header, status=200).json["token"]
            for _ in range(2)
        ]
        assert len(set(tokens)) == 2
        change = {"currentPassword": PASSWORD, "newPassword": "secret456"}
        alice.token = alice.patch("/users/me/password", change, headers=header, status=200).json["token"]
        alice.patch("/users/me/password", change, headers=header, status=401)
    assert count_rows(site, idempotency_keys) == 0


def test_of_a_record_neither_key_nor_body_nor_token_can_be_read(site):
    alice = site.user()
    key, title = "a-key-that-is-long-enough-to-be-found", "A title that is told nobody"
    alice.patch(
        f"/bookings/{book(alice)['id']}", {"title": title}, headers={"Idempotency-Key": key}, status=200
    )
    with session_scope(site.registry) as db:
        [row] = db.rows(sa.select(idempotency_keys))
    shown = repr(row._asdict() | {"body": ""})
    for secret in (key, title, alice.token):
        assert secret not in shown


def test_a_body_over_the_limit_is_a_413_with_a_key_too(site):
    alice = site.user()
    large = {"title": "x" * site.registry.core_settings.max_body_bytes}
    for headers in ({}, K):
        alice.post("/bookings", large, headers=headers, status=413)
    # This one has no body that anybody reads.
    headers = {**K, "Authorization": f"Bearer {alice.token}"}
    path = f"/api/v1/bookings/{book(alice)['id']}"
    site.app.request(path, method="DELETE", body=b"x" * 2**21, headers=headers, status=413)
    site.app.request(path, method="DELETE", headers=headers, status=200)


def test_on_get_and_head_the_header_means_nothing(site):
    alice = site.user()
    for key in ("k", ""):
        for read in (alice.get, alice.head):
            assert not read("/bookings", headers={"Idempotency-Key": key}, status=200).headers.getall(
                "Idempotent-Replayed"
            )
    assert count_rows(site, idempotency_keys) == 0


def post(site, client):
    """Make the booking over an application's own ``TestApp``, which a thread must not share."""
    own = Client(TestApp(site.wsgi_app), client.token)
    return own.post("/bookings", BOOKING, headers=K, expect_errors=True)


def test_while_the_first_call_runs_the_next_is_told_to_come_again_or_waits(site):
    alice = site.user()
    is_postgres = site.registry.engine.dialect.name == "postgresql"
    others = []

    def send_again(statement):
        if statement.startswith("COMMIT") and not others:
            others.append(threads.submit(post, site, alice))
            # SQLite has one writer, for whom the other waits.
            wait_for(lambda: not is_postgres or others[0].done())

    with ThreadPoolExecutor(1) as threads, site.before_statements(send_again):
        first = post(site, alice)
        other = others[0].result(30)
    assert first.status_int == 201
    if is_postgres:
        assert (other.status_int, other.json["code"]) == (409, "idempotency_running")
        assert other.headers["Retry-After"] == "1"
    else:
        assert_same(first, other)
    assert_same(first, post(site, alice))


def test_of_fifty_calls_at_once_one_is_done(site):
    alice = site.user()
    gate = threading.Barrier(50, timeout=60)

    def send(number):
        gate.wait()
        return post(site, alice)

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(send, range(50)))
    [booking] = alice.get("/bookings").json
    replays = [answer for answer in answers if is_replay(answer)]
    [first] = [answer for answer in answers if answer.status_int == 201 and not is_replay(answer)]
    assert first.json["booking"] == booking
    assert {answer.body for answer in replays} <= {first.body}
    running = [answer for answer in answers if answer.status_int == 409]
    assert {answer.json["code"] for answer in running} <= {"idempotency_running"}
    assert len(replays) + len(running) == 49


def test_of_deletions_at_once_none_is_told_that_there_is_nothing(site):
    # The second one may look when the first has just ended: it must not go on to a 404.
    alice = site.user()
    for _ in range(5):
        path = f"/bookings/{book(alice)['id']}"
        gate = threading.Barrier(8, timeout=60)

        def send(number, path=path, gate=gate):
            own = Client(TestApp(site.wsgi_app), alice.token)
            gate.wait()
            return own.delete(path, headers=K, expect_errors=True).status_int

        with ThreadPoolExecutor(8) as threads:
            statuses = set(threads.map(send, range(8)))
        assert 200 in statuses
        assert statuses <= {200, 409}
