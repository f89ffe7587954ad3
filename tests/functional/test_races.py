"""Requests at the same moment: each has read before any of them writes."""

import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
import sqlalchemy as sa
from webtest import TestApp

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.messaging.delivery import deliver
from scheduling.messaging.models import State
from scheduling.testing import Client
from scheduling.testing.process import wait_for
from scheduling.testing.site import PASSWORD
from scheduling.times import parse_timestamp
from tests.kit.factories import book, create_organization, messages_of
from tests.kit.messages import mark

LATE_END = "2099-01-01T12:00:00Z"
LATE_START, EARLY_END = {"start": "2099-01-01T11:45:00Z"}, {"end": "2099-01-01T10:15:00Z"}


def make(site, client, method, path, body, headers=None):
    own = Client(TestApp(site.wsgi_app), client.token)
    sent = {"headers": headers or {}} | ({} if body is None else {"json": body})
    return getattr(own, method)(path, expect_errors=True, **sent)


def before_a_transaction(site, hook):
    return site.before_statements(lambda statement: statement.startswith("BEGIN") and hook())


def at_once(site, *calls):
    """Make the calls, each with the arguments of ``make``, in threads; none writes before all have read."""
    gate = threading.Barrier(len(calls), timeout=30)
    thread = threading.local()

    def wait():
        if not hasattr(thread, "passed"):
            thread.passed = True
            gate.wait()

    with before_a_transaction(site, wait), ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(lambda call: make(site, *call), calls))


def overtaken(site, call, other):
    """Make ``call``, and all of ``other`` between what ``call`` reads and what it writes."""
    others = [other]
    answers = []

    def overtake():
        if others:
            answers.append(make(site, *others.pop()))

    with before_a_transaction(site, overtake):
        return make(site, *call), *answers


def statuses(answers):
    return sorted(answer.status_int for answer in answers)


@pytest.mark.parametrize("number", [2, 5])
def test_of_registrations_of_one_address_at_once_one_wins(site, number):
    sent = {"name": "Alice", "password": PASSWORD}
    emails = ["alice@example.com", "ALICE@example.com", "Alice@Example.com"] * 2
    calls = [(site.anonymous, "post", "/auth/register", {**sent, "email": e}) for e in emails[:number]]
    answers = at_once(site, *calls)
    assert statuses(answers) == [201] + [400] * (number - 1)
    errors = {answer.json["error"] for answer in answers if answer.status_int == 400}
    assert errors == {"Email already in use"}
    with session_scope(site.registry) as db:
        assert db.scalar(sa.select(sa.func.count()).select_from(users)) == 1
    site.deliver()
    assert len(site.mail) == 1


def test_of_two_users_who_take_one_address_at_once_one_wins(site):
    change = ("patch", "/users/me", {"email": "new@example.com"})
    answers = at_once(site, (site.user("Alice"), *change), (site.user("Bob"), *change))
    assert statuses(answers) == [200, 400]


def test_of_two_cancellations_at_once_one_wins_and_the_owner_is_told_once(site):
    alice = site.user()
    booking = book(alice)
    site.deliver()
    site.clear_mail()
    cancel = (alice, "delete", f"/bookings/{booking['id']}", None)
    assert statuses(at_once(site, cancel, cancel)) == [200, 404]
    site.deliver()
    assert [mail.subject for mail in site.mail] == ["Booking cancelled: Standup"]
    types = [notification["type"] for notification in alice.get("/notifications").json]
    assert types.count("BOOKING_CANCELLED") == 1


def test_of_two_additions_of_one_member_at_once_one_wins_and_the_member_is_told_once(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    path = f"/organizations/{create_organization(alice)}/members"
    add = (alice, "post", path, {"email": bob.email})
    assert statuses(at_once(site, add, add)) == [201, 400]
    assert [member["user_id"] for member in alice.get(path).json] == [alice.id, bob.id]
    assert len(bob.get("/notifications").json) == 1


def test_of_two_removals_of_one_member_at_once_one_wins(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    path = f"/organizations/{create_organization(alice)}/members"
    alice.post(path, {"email": bob.email}, status=201)
    remove = (alice, "delete", f"{path}/{bob.id}", None)
    assert statuses(at_once(site, remove, remove)) == [200, 404]


def test_a_member_added_to_an_organization_that_was_just_deleted_is_no_5xx(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    path = f"/organizations/{create_organization(alice)}"
    added, deleted = overtaken(
        site, (alice, "post", f"{path}/members", {"email": bob.email}), (alice, "delete", path, None)
    )
    assert deleted.status_int == 200
    assert added.status_int in (404, 409)
    assert bob.get("/notifications").json == []


@pytest.mark.parametrize(
    "changes",
    [
        [LATE_START, EARLY_END],
        [{"start": "2099-01-01T11:45:00Z"}, {"end": "2099-01-01T11:45:00Z"}],
        [{"start": f"2099-01-01T11:{m}:00Z"} for m in (15, 30)]
        + [{"end": f"2099-01-01T10:{m}:00Z"} for m in (15, 30, 45)],
    ],
)
def test_changes_of_one_booking_at_once_never_leave_its_end_before_its_start(site, changes):
    alice = site.user()
    path = f"/bookings/{book(alice, end=LATE_END)['id']}"
    answers = at_once(site, *[(alice, "patch", path, change) for change in changes])
    assert 200 in statuses(answers)
    assert set(statuses(answers)) <= {200, 400, 409}
    left = alice.get(path).json
    assert parse_timestamp(left["end_time"]) > parse_timestamp(left["start_time"])
    answered = [answer.json["booking"] for answer in answers if answer.status_int == 200]
    assert left in answered


@pytest.mark.parametrize(("change", "other"), [(LATE_START, EARLY_END), (EARLY_END, LATE_START)])
def test_a_change_that_relied_on_times_that_were_just_changed_is_refused(site, change, other):
    alice = site.user()
    path = f"/bookings/{book(alice, end=LATE_END)['id']}"
    late, early = overtaken(site, (alice, "patch", path, change), (alice, "patch", path, other))
    assert early.status_int == 200
    assert late.status_int in (400, 409)
    assert alice.get(path).json == early.json["booking"]


def test_a_booking_that_was_just_cancelled_is_not_changed(site):
    alice = site.user()
    path = f"/bookings/{book(alice, end=LATE_END)['id']}"
    changed, cancelled = overtaken(
        site, (alice, "patch", path, {"title": "Retro"}), (alice, "delete", path, None)
    )
    assert (changed.status_int, cancelled.status_int) == (409, 200)
    left = alice.get(path).json
    assert (left["title"], left["status"]) == ("Standup", "cancelled")


@pytest.fixture
def things(site):
    """Alice, and each thing of hers that can be changed: its path, and what to change."""
    alice = site.user("Alice")
    return alice, {
        f"/bookings/{book(alice, end=LATE_END)['id']}": {"title": "Retro"},
        f"/organizations/{create_organization(alice)}": {"name": "Acme"},
        "/users/me": {"name": "Alicia"},
    }


def test_of_fifty_changes_with_one_tag_at_once_one_is_made(site, things):
    alice, changes_of = things
    for path, changes in changes_of.items():
        tag = {"If-Match": alice.get(path).headers["ETag"]}
        [(name, value)] = changes.items()
        calls = [(alice, "patch", path, {name: f"{value} {i}"}, tag) for i in range(50)]
        with ThreadPoolExecutor(len(calls)) as threads:
            answers = list(threads.map(lambda call: make(site, *call), calls))
        assert statuses(answers) == [200] + [412] * 49
        [made] = [answer for answer in answers if answer.status_int == 200]
        assert made.headers["ETag"] == alice.get(path).headers["ETag"]


def test_of_changes_with_one_tag_of_which_each_has_read_the_same_one_is_made(site, things):
    alice, changes_of = things
    for path, changes in changes_of.items():
        tag = {"If-Match": alice.get(path).headers["ETag"]}
        answers = at_once(site, *[(alice, "patch", path, changes, tag)] * 5)
        assert statuses(answers) == [200] + [412] * 4


def test_of_moves_with_one_tag_of_which_each_has_read_the_same_times_one_is_made(site):
    alice = site.user()
    path = f"/bookings/{book(alice, end=LATE_END)['id']}"
    tag = {"If-Match": alice.get(path).headers["ETag"]}
    moves = [{"start": f"2099-01-01T11:{m}:00Z"} for m in (15, 30)] + [EARLY_END, LATE_START, {"title": "x"}]
    answers = at_once(site, *[(alice, "patch", path, move, tag) for move in moves])
    assert statuses(answers) == [200] + [412] * 4


@pytest.mark.parametrize("first", ["patch", "delete"])
def test_of_a_change_and_a_deletion_with_one_tag_at_once_the_second_is_refused(site, things, first):
    alice, changes_of = things
    for path, changes in changes_of.items():
        if path != "/users/me":
            tag = {"If-Match": alice.get(path).headers["ETag"]}
            calls = [(alice, "patch", path, changes, tag), (alice, "delete", path, None, tag)]
            late, early = overtaken(site, *(calls[::-1] if first == "patch" else calls))
            assert early.status_int == 200
            # An organization that was deleted is not there any more, with whatever version.
            is_gone = first == "delete" and path.startswith("/organizations")
            assert late.status_int == (404 if is_gone else 412)


def test_of_two_changes_of_one_password_at_once_one_wins(site):
    alice = site.user()
    news = ["second secret", "third secret"]
    path, sent = "/users/me/password", {"currentPassword": PASSWORD}
    answers = at_once(site, *[(alice, "patch", path, {**sent, "newPassword": new}) for new in news])
    assert statuses(answers) == [200, 401]
    for answer, new in zip(answers, news, strict=True):
        expected = answer.status_int
        site.anonymous.post("/auth/login", {"email": alice.email, "password": new}, status=expected)
        if expected == 200:
            Client(site.app, answer.json["token"]).get("/users/me", status=200)


def test_bookings_made_at_once_are_all_made(site):
    clients = [site.user(f"User {i}") for i in range(4)]
    times = {"start": "2099-01-01T10:00:00Z", "end": "2099-01-01T11:00:00Z"}
    answers = at_once(site, *[(c, "post", "/bookings", {"title": c.name, **times}) for c in clients])
    assert statuses(answers) == [201] * 4
    for client in clients:
        assert [row["title"] for row in client.get("/bookings").json] == [client.name]
        assert client.get("/notifications/count").json == {"unread": 1}


def a_statement_waits_for_a_lock(site):
    if site.registry.engine.dialect.name == "sqlite":
        # Where whoever writes waits for whoever writes, and nobody can see it.
        return True
    waiting = "datname = current_database() AND wait_event_type = 'Lock'"
    with session_scope(site.registry) as db:
        return db.scalar(sa.text(f"SELECT count(*) FROM pg_stat_activity WHERE {waiting}"))  # noqa: S608


def test_a_confirmation_that_leaves_while_its_booking_is_moved_tells_the_new_time(site):
    alice = site.user()
    path = f"/bookings/{book(alice)['id']}"
    ids = mark(site, "email")
    begun = []

    def deliver_before_the_commit(statement):
        if statement.startswith("COMMIT") and not begun:
            begun.append(workers.submit(deliver, site.registry, "email", ids))
            wait_for(lambda: begun[0].done() or a_statement_waits_for_a_lock(site))

    with ThreadPoolExecutor(1) as workers, site.before_statements(deliver_before_the_commit):
        alice.patch(path, {"start": "2099-01-02T10:00:00Z", "end": "2099-01-02T11:00:00Z"}, status=200)
        assert begun[0].result(60) == [State.DONE, State.DONE]
    assert "2 January 2099, 10:00" in site.mail[-1].text
    assert messages_of(site, "BOOKING_RESCHEDULED") == []


def test_of_two_moves_at_once_there_is_one_email(site):
    alice = site.user()
    path = f"/bookings/{book(alice, end=LATE_END)['id']}"
    site.deliver()
    at_once(site, (alice, "patch", path, LATE_START), (alice, "patch", path, EARLY_END))
    assert len(messages_of(site, "BOOKING_RESCHEDULED")) == 1


REJECT = {"on_conflict": "reject"}
TEN = {"title": "T", "start": "2099-01-01T10:00:00Z", "end": "2099-01-01T11:00:00Z"}
NOON = {"start": "2099-01-01T12:00:00Z", "end": "2099-01-01T13:00:00Z"}


def confirmed_starts(client):
    return sorted(row["start_time"] for row in client.get("/bookings?status=confirmed").json)


def test_of_fifty_bookings_of_one_time_that_refuse_overlaps_one_is_made(site):
    alice = site.user()
    calls = [(alice, "post", "/bookings", TEN | REJECT)] * 50
    with ThreadPoolExecutor(len(calls)) as threads:
        answers = list(threads.map(lambda call: make(site, *call), calls))
    assert statuses(answers) == [201] + [409] * 49
    [made] = [answer.json["booking"]["id"] for answer in answers if answer.status_int == 201]
    refused = [answer.json for answer in answers if answer.status_int == 409]
    assert {problem["code"] for problem in refused} == {"time_taken"}
    assert [[found["booking_id"] for found in problem["conflicts"]] for problem in refused] == [[made]] * 49
    assert len(alice.get("/bookings").json) == 1


def test_of_bookings_and_moves_into_one_time_at_once_one_is_made(site):
    alice = site.user()
    paths = [f"/bookings/{book(alice, **NOON)['id']}" for _ in range(2)]
    times = {name: TEN[name] for name in ("start", "end")}
    moves = [(alice, "patch", path, times | REJECT) for path in paths]
    answers = at_once(site, *moves, *[(alice, "post", "/bookings", TEN | REJECT)] * 2)
    assert len([answer for answer in answers if answer.status_int in (200, 201)]) == 1
    assert {answer.json["code"] for answer in answers if answer.status_int == 409} == {"time_taken"}
    assert confirmed_starts(alice).count("2099-01-01T10:00:00.000Z") == 1


def test_of_a_restored_booking_and_a_new_one_of_its_time_at_once_one_is_there(site):
    alice = site.user()
    path = f"/bookings/{book(alice)['id']}"
    alice.delete(path)
    restore, create = (alice, "post", f"{path}/restore", REJECT), (alice, "post", "/bookings", TEN | REJECT)
    answers = at_once(site, restore, create, create)
    assert len([answer for answer in answers if answer.status_int in (200, 201)]) == 1
    assert confirmed_starts(alice) == ["2099-01-01T10:00:00.000Z"]


def test_of_two_restorations_of_one_booking_at_once_one_wins(site):
    alice = site.user()
    path = f"/bookings/{book(alice)['id']}"
    alice.delete(path)
    for body in (REJECT, {}):
        restore = (alice, "post", f"{path}/restore", body)
        assert statuses(at_once(site, restore, restore)) == [200, 409]
        alice.delete(path)


def test_a_booking_that_allows_overlaps_is_seen_as_soon_as_it_is_made(site):
    alice = site.user()
    refusing, allowing = (alice, "post", "/bookings", TEN | REJECT), (alice, "post", "/bookings", TEN)
    late, early = overtaken(site, refusing, allowing)
    assert (late.status_int, early.status_int) == (409, 201)


def test_one_time_of_two_owners_is_made_twice_at_once(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    answers = at_once(site, *[(client, "post", "/bookings", TEN | REJECT) for client in (alice, bob)])
    assert statuses(answers) == [201, 201]


def test_calls_of_all_kinds_that_refuse_overlaps_do_not_wait_for_each_other_for_ever(site):
    clients = [site.user("Alice"), site.user("Bob"), site.user("Ada", admin=True)]
    owners = clients[:2]
    paths = [f"/bookings/{book(owner, **NOON)['id']}" for owner in owners for _ in range(3)]

    def calls(random):
        for _ in range(40):
            path, hour = random.choice(paths), random.randrange(10, 20)
            times = {"start": f"2099-01-01T{hour}:00:00Z", "end": f"2099-01-01T{hour}:30:00Z"}
            word = random.choice([REJECT, REJECT, {}])
            kind = random.choice(["post", "patch", "delete", "restore"])
            if kind == "post":
                yield random.choice(owners), "post", "/bookings", {"title": "T"} | times | word
            elif kind == "patch":
                yield clients[2], "patch", path, times | word
            elif kind == "delete":
                yield clients[2], "delete", path, None
            else:
                yield clients[2], "post", f"{path}/restore", word

    def run(seed):
        return [make(site, *call).status_int for call in calls(Random(seed))]  # noqa: S311 - which calls are made

    with ThreadPoolExecutor(8) as threads:
        answered = set().union(*threads.map(run, range(8)))
    assert answered <= {200, 201, 404, 409}
