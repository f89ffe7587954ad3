import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling_notifications.models import notifications
from tests.kit.factories import BOOKING

WIRE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NOTIFICATION = {"id", "user_id", "type", "title", "message", "is_read", "metadata", "created_at"}
NOON = datetime(2027, 4, 1, 12, tzinfo=UTC)
NO_IDS = ("0", "-1", "01", "1.0", "abc", "9223372036854775808", "99999999")


def tell(site, client, title="News", *, minute=0, is_read=False, metadata=None):
    row = {
        "user_id": client.id,
        "type": "NEWS",
        "title": title,
        "message": f"{title}!",
        "is_read": is_read,
        "metadata": metadata or {},
        "created_at": NOON + timedelta(minutes=minute),
    }
    with session_scope(site.registry) as db:
        return db.write(sa.insert(notifications).values(row).returning(notifications.c.id)).scalar_one()


def titles(answer):
    return [item["title"] for item in answer.json]


def following(answer):
    link = re.fullmatch('</api/v1(.+)>; rel="next"', answer.headers.get("Link", ""))
    return link and link[1]


def test_a_notification_has_the_contracts_shape(site):
    alice = site.user()
    told = tell(site, alice, "Grüße 会議", metadata={"booking_id": 7, "nested": {"a": [1, None]}})
    [notification] = alice.get("/notifications").json
    assert notification == {
        "id": told,
        "user_id": alice.id,
        "type": "NEWS",
        "title": "Grüße 会議",
        "message": "Grüße 会議!",
        "is_read": False,
        "metadata": {"booking_id": 7, "nested": {"a": [1, None]}},
        "created_at": "2027-04-01T12:00:00.000Z",
    }


def test_one_that_a_booking_made_has_the_contracts_shape_too(site):
    alice = site.user()
    alice.post("/bookings", BOOKING, status=201)
    [notification] = alice.get("/notifications").json
    assert set(notification) == NOTIFICATION
    assert WIRE_TIME.fullmatch(notification["created_at"])


def test_the_list_has_unread_ones_first_then_newest_first(site):
    alice = site.user()
    tell(site, alice, "read, old", minute=1, is_read=True)
    tell(site, alice, "unread, old", minute=0)
    tell(site, alice, "read, new", minute=9, is_read=True)
    tell(site, alice, "unread, new", minute=5)
    tell(site, alice, "unread, newest of a minute", minute=5)
    assert titles(alice.get("/notifications")) == [
        "unread, newest of a minute",
        "unread, new",
        "unread, old",
        "read, new",
        "read, old",
    ]


def test_unread_has_the_unread_ones_newest_first(site):
    alice = site.user()
    tell(site, alice, "new", minute=5)
    tell(site, alice, "old", minute=1)
    tell(site, alice, "read", minute=9, is_read=True)
    unread = alice.get("/notifications/unread")
    assert titles(unread) == ["new", "old"]
    assert all(set(item) == NOTIFICATION for item in unread.json)


def test_each_user_sees_its_own_alone(site):
    alice, bob, ada = site.user("Alice"), site.user("Bob"), site.user("Ada", admin=True)
    tell(site, alice)
    for client in (bob, ada):
        assert client.get("/notifications").json == []
        assert client.get("/notifications/unread").json == []
        assert client.get("/notifications/count").json == {"unread": 0}
        assert client.patch("/notifications/read-all").json["updated"] == 0
    assert alice.get("/notifications/count").json == {"unread": 1}


@pytest.mark.parametrize("path", ["/notifications", "/notifications/unread"])
def test_a_list_gives_50_and_announces_the_rest(site, path):
    alice = site.user()
    for minute in range(51):
        tell(site, alice, f"{minute}", minute=minute)
    first = alice.get(path)
    assert titles(first) == [f"{minute}" for minute in range(50, 0, -1)]
    assert titles(alice.get(following(first))) == ["0"]
    assert len(alice.get(f"{path}?limit=200").json) == 51


@pytest.mark.parametrize("path", ["/notifications", "/notifications/unread"])
@pytest.mark.parametrize("wrong", ["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=%00"])
def test_a_bad_page_is_refused(site, path, wrong):
    refused = site.user().get(f"{path}?{wrong}", status=400)
    assert set(refused.json["errors"]) == {wrong.partition("=")[0]}


def test_pages_go_on_from_the_unread_to_the_read(site):
    alice = site.user()
    for minute in range(7):
        tell(site, alice, f"{minute}", minute=minute // 2, is_read=minute % 3 == 0)
    whole, seen, path = titles(alice.get("/notifications")), [], "/notifications?limit=1"
    while path:
        page = alice.get(path)
        seen += titles(page)
        path = following(page)
    assert seen == whole == ["5", "4", "2", "1", "6", "3", "0"]


def test_the_count_has_the_unread_ones(site):
    alice = site.user()
    assert alice.get("/notifications/count").json == {"unread": 0}
    for is_read in (False, True, False):
        tell(site, alice, is_read=is_read)
    assert alice.get("/notifications/count").json == {"unread": 2}


def test_read_all_marks_my_unread_ones_and_counts_them(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    for is_read in (False, True, False):
        tell(site, alice, is_read=is_read)
    tell(site, bob)
    answer = alice.patch("/notifications/read-all").json
    assert set(answer) == {"message", "updated"}
    assert answer["updated"] == 2
    assert [item["is_read"] for item in alice.get("/notifications").json] == [True] * 3
    assert alice.patch("/notifications/read-all").json["updated"] == 0
    assert bob.get("/notifications/count").json == {"unread": 1}


def test_one_is_marked_as_read_and_stays_so(site):
    alice = site.user()
    told = tell(site, alice)
    tell(site, alice, "Other")
    before = next(item for item in alice.get("/notifications").json if item["id"] == told)
    for _ in range(2):
        answer = alice.patch(f"/notifications/{told}/read").json
        assert set(answer) == {"message", "notification"}
        assert answer["notification"] == before | {"is_read": True}
    assert titles(alice.get("/notifications/unread")) == ["Other"]


def test_one_is_deleted(site):
    alice = site.user()
    told = tell(site, alice)
    tell(site, alice, "Other")
    assert set(alice.delete(f"/notifications/{told}").json) == {"message"}
    assert titles(alice.get("/notifications")) == ["Other"]
    alice.delete(f"/notifications/{told}", status=404)
    alice.patch(f"/notifications/{told}/read", status=404)


@pytest.mark.parametrize("admin", [False, True])
def test_somebody_elses_is_a_404_that_tells_no_more_than_an_unknown_one(site, admin):
    alice, eve = site.user("Alice"), site.user("Eve", admin=admin)
    told = tell(site, alice)
    for call, suffix in ((eve.patch, "/read"), (eve.delete, "")):
        theirs = call(f"/notifications/{told}{suffix}", status=404)
        unknown = call(f"/notifications/99999999{suffix}", status=404)
        assert theirs.content_type == "application/problem+json"
        assert theirs.json == unknown.json
    assert alice.get("/notifications/count").json == {"unread": 1}


@pytest.mark.parametrize("notification_id", NO_IDS)
def test_one_that_does_not_exist_is_a_404(site, notification_id):
    alice = site.user()
    assert alice.patch(f"/notifications/{notification_id}/read", status=404).json["error"]
    assert alice.delete(f"/notifications/{notification_id}", status=404).json["error"]


def test_a_single_one_has_no_page_of_its_own(site):
    alice = site.user()
    told = tell(site, alice)
    assert alice.get(f"/notifications/{told}", status=405).headers["Allow"] == "DELETE"


def test_notifications_go_with_the_account(site):
    alice = site.user()
    tell(site, alice)
    with session_scope(site.registry) as db:
        db.write(sa.delete(users).where(users.c.id == alice.id))
        assert db.scalar(sa.select(sa.func.count()).select_from(notifications)) == 0
