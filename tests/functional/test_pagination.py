"""Every list can be read page by page, each row once and in order."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from uuid import uuid4

import orjson
import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.messaging.models import outbox
from scheduling_analytics.models import analytics_events
from scheduling_bookings.models import bookings
from scheduling_notifications.models import notifications
from scheduling_organizations.models import organization_members, organizations
from tests.kit.factories import create_organization

BASE = datetime(2098, 1, 1, tzinfo=UTC)
NEXT = re.compile(r'<([^<>\s]+)>; rel="next"')


def moments(number):
    # Not in the order of the ids, some of them equal, and apart by less than the wire shows.
    return [BASE + timedelta(microseconds=i * 7 % number // 2) for i in range(number)]


def insert(site, table, rows):
    with session_scope(site.registry) as db:
        return list(db.write(sa.insert(table).returning(table.c.id), rows).scalars())


def ids(site, table, key, *, descending=True):
    with session_scope(site.registry) as db:
        rows = db.rows(sa.select(table).order_by(table.c.id))
    return [row.id for row in sorted(rows, key=key, reverse=descending)]


def newest_first(row):
    return (row.created_at, row.id)


def fill_users(site, reader, number):
    rows = [
        {"name": "N", "email": f"n{i}@example.org", "password_hash": "!", "created_at": moment}
        for i, moment in enumerate(moments(number - 1))
    ]
    insert(site, users, rows)
    return ids(site, users, newest_first)


def fill_bookings(site, reader, number):
    end = BASE + timedelta(days=1)
    times = [{"start_time": moment, "end_time": end} for moment in moments(number)]
    insert(site, bookings, [{"user_id": reader.id, "title": "T", **row} for row in times])
    return ids(site, bookings, lambda row: (row.start_time, row.id))


def fill_bookings_by_change(site, reader, number, *, descending=True):
    end = BASE + timedelta(days=1)
    rows = [{"updated_at": moment} for moment in moments(number)]
    common = {"user_id": reader.id, "title": "T", "start_time": BASE, "end_time": end}
    insert(site, bookings, [common | row for row in rows])
    return ids(site, bookings, lambda row: (row.updated_at, row.id), descending=descending)


def fill_bookings_oldest_change_first(site, reader, number):
    return fill_bookings_by_change(site, reader, number, descending=False)


def fill_bookings_earliest_first(site, reader, number):
    return fill_bookings(site, reader, number)[::-1]


def fill_organizations(site, reader, number, owner=None):
    common = {"name": "O", "owner_id": owner or reader.id}
    insert(site, organizations, [{**common, "created_at": moment} for moment in moments(number)])
    return ids(site, organizations, newest_first)


def fill_memberships(site, reader, number):
    expected = fill_organizations(site, reader, number, owner=site.user("Owner").id)
    insert(site, organization_members, [{"organization_id": i, "user_id": reader.id} for i in expected])
    return expected


def fill_members(site, reader, number):
    fill_users(site, reader, number)
    [organization] = insert(site, organizations, [{"name": "O", "owner_id": reader.id}])
    members = zip(ids(site, users, newest_first), moments(number), strict=True)
    rows = [{"organization_id": organization, "user_id": i, "joined_at": moment} for i, moment in members]
    insert(site, organization_members, rows)
    return ids(site, organization_members, lambda row: (row.joined_at, row.id), descending=False)


def fill_notifications(site, reader, number, read=(False, True, True)):
    rows = [
        {"user_id": reader.id, "type": "T", "title": "T", "created_at": moment, "is_read": read[i % 3]}
        for i, moment in enumerate(moments(number))
    ]
    insert(site, notifications, rows)
    return ids(site, notifications, lambda row: (not row.is_read, *newest_first(row)))


def fill_unread(site, reader, number):
    return fill_notifications(site, reader, number, read=(False, False, False))


def fill_events(site, reader, number):
    with session_scope(site.registry) as db:
        db.write(sa.delete(analytics_events))
    insert(site, analytics_events, [{"event_type": "T", "created_at": moment} for moment in moments(number)])
    return ids(site, analytics_events, newest_first)


def fill_outbox(site, reader, number):
    with session_scope(site.registry) as db:
        db.write(sa.delete(outbox))
    common = {"kind": "T", "consumer": "t", "payload": {}, "due_at": BASE}
    insert(site, outbox, [{**common, "id": uuid4(), "created_at": moment} for moment in moments(number)])
    return [str(i) for i in ids(site, outbox, newest_first)]


@dataclass
class Listing:
    path: str
    fill: object
    default: int = 1000
    ident: str = "id"


LISTS = [
    Listing("/users", fill_users),
    Listing("/bookings", fill_bookings),
    Listing("/bookings?sort=start_time", fill_bookings_earliest_first),
    Listing("/bookings?sort=updated_at", fill_bookings_oldest_change_first),
    Listing("/bookings?sort=-updated_at", fill_bookings_by_change),
    Listing("/organizations", fill_organizations),
    Listing("/organizations?scope=member", fill_memberships),
    Listing("/organizations/{organization}/members", fill_members, ident="membership_id"),
    Listing("/notifications", fill_notifications, default=50),
    Listing("/notifications/unread", fill_unread, default=50),
    Listing("/analytics/events", fill_events, default=50),
    Listing("/outbox", fill_outbox),
]
NOTIFICATIONS = next(listing for listing in LISTS if listing.path == "/notifications")
every_list = pytest.mark.parametrize("listing", LISTS, ids=lambda listing: listing.path)


def filled(site, listing, number):
    admin = site.user("Admin", admin=True)
    expected = listing.fill(site, admin, number)
    assert len(expected) == number
    with session_scope(site.registry) as db:
        organization = db.scalar(sa.select(organizations.c.id))
    return admin, listing.path.format(organization=organization), expected


def empty(site, listing):
    admin = site.user("Admin", admin=True)
    organization = create_organization(admin)
    return admin, listing.path.format(organization=organization)


def ask(path, query):
    return f"{path}{'&' if '?' in path else '?'}{query}"


def following(client, answer):
    link = answer.headers.get("Link")
    if link is None:
        return None
    headers = {"Authorization": f"Bearer {client.token}"}
    return client.app.get(NEXT.fullmatch(link)[1], headers=headers, status=200)


def pages(client, path, ident="id"):
    answer = client.get(path, status=200)
    while answer is not None:
        yield [row[ident] for row in answer.json]
        answer = following(client, answer)


@every_list
@pytest.mark.parametrize("limit", [1, 4, 5])
def test_following_the_links_gives_every_row_once_and_in_order(site, listing, limit):
    admin, path, expected = filled(site, listing, 10)
    got = list(pages(admin, ask(path, f"limit={limit}"), listing.ident))
    assert list(chain(*got)) == expected
    assert [len(page) for page in got] == {1: [1] * 10, 4: [4, 4, 2], 5: [5, 5]}[limit]


@every_list
def test_without_a_limit_a_list_gives_its_first_rows_and_a_link_to_the_rest(site, listing):
    admin, path, expected = filled(site, listing, listing.default + 1)
    first, rest = pages(admin, path, listing.ident)
    assert first == expected[: listing.default]
    assert rest == expected[listing.default :]


@every_list
def test_a_page_may_have_up_to_200_rows(site, listing):
    admin, path, expected = filled(site, listing, 201)
    answer = admin.get(ask(path, "limit=200"))
    assert [row[listing.ident] for row in answer.json] == expected[:200]
    assert admin.head(ask(path, "limit=200")).headers["Link"] == answer.headers["Link"]


@every_list
def test_a_list_that_ends_has_no_link(site, listing):
    admin, path, expected = filled(site, listing, 3)
    answer = admin.get(ask(path, "limit=3"))
    assert len(answer.json) == len(expected)
    assert "Link" not in answer.headers


@every_list
def test_a_limit_that_is_no_number_from_1_to_200_is_a_400(site, listing):
    admin, path = empty(site, listing)
    for bad in ("0", "201", "-1", "%2B1", "1.5", "1e2", "0x10", "ten", "%D9%A3", "1_0", "9" * 400):
        assert list(admin.get(ask(path, f"limit={bad}"), status=400).json["errors"]) == ["limit"]


def cursor(*parts):
    return urlsafe_b64encode(orjson.dumps(parts)).rstrip(b"=").decode()


def forged_cursors(own):
    name = orjson.loads(own)[0]
    late, early = "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"
    for moment in (late, early, "2098-01-01", "2098-01-01T00:00:00", "soon", None, 1, [], {}):
        yield cursor(name, moment, 1)
        yield cursor(name, False, moment, 1)
    for row_id in (0, -1, 2**63, 1.5, "1", None, True):
        yield cursor(name, BASE.isoformat(), row_id)
        yield cursor(name, False, BASE.isoformat(), row_id)
    yield from (cursor(), cursor(name), cursor(name, 1), cursor(*[name] * 9), cursor([name], 1, 1))


@every_list
def test_a_cursor_that_the_list_did_not_give_is_a_400(site, listing):
    admin, path, _ = filled(site, listing, 2)
    given = re.search(r"cursor=([^>&]+)", admin.get(ask(path, "limit=1")).headers["Link"])[1]
    admin.get(ask(path, f"cursor={given}"), status=200)
    decoded = urlsafe_b64decode(given + "==")
    nonsense = ["x", "!", "%00", "%C3%BC", "null", given[:-3], given[1:], given * 2, "e30", "W10"]
    for bad in [*nonsense, *forged_cursors(decoded)]:
        assert list(admin.get(ask(path, f"cursor={bad}"), status=400).json["errors"]) == ["cursor"], bad


def test_a_cursor_of_another_list_is_a_400(site):
    admin = site.user("Admin", admin=True)
    links = {}
    # Organizations that I own and that I belong to are one list, narrowed in two ways.
    lists = [listing for listing in LISTS if "?" not in listing.path]
    for listing in lists:
        if listing.path != "/users":
            listing.fill(site, admin, 2)
    with session_scope(site.registry) as db:
        path = f"/organizations/{db.scalar(sa.select(sa.func.max(organizations.c.id)))}/members"
    paths = [listing.path if "{" not in listing.path else path for listing in lists]
    for path in paths:
        link = admin.get(ask(path, "limit=1"), status=200).headers["Link"]
        links[path] = re.search(r"cursor=([^>&]+)", link)[1]
    for path in paths:
        for other in paths:
            status = 200 if other == path else 400
            admin.get(f"{path}?cursor={links[other]}", status=status)


def test_a_row_added_meanwhile_neither_repeats_nor_hides_another(site):
    admin, path, expected = filled(site, LISTS[1], 6)
    first = admin.get(f"{path}?limit=3")
    times = {"start_time": BASE + timedelta(hours=1), "end_time": BASE + timedelta(hours=2)}
    insert(site, bookings, [{"user_id": admin.id, "title": "Later", **times}])
    assert [row["id"] for row in following(admin, first).json] == expected[3:]


def test_a_row_removed_meanwhile_hides_no_other(site):
    admin, _, expected = filled(site, NOTIFICATIONS, 6)
    first = admin.get("/notifications?limit=3")
    admin.delete(f"/notifications/{expected[2]}", status=200)
    assert [row["id"] for row in following(admin, first).json] == expected[3:]


@pytest.mark.parametrize(
    "path", ["/bookings?status=confirmed&limit=1", "/bookings/?limit=2&status=confirmed"]
)
def test_the_link_keeps_what_narrows_the_list(site, path):
    alice = site.user()
    made = []
    for hour in range(10, 16):
        times = {"start": f"2098-01-01T{hour}:00:00Z", "end": "2098-01-02T00:00:00Z"}
        made.append(alice.post("/bookings", {"title": "T", **times}).json["booking"]["id"])
    for cancelled in made[::2]:
        alice.delete(f"/bookings/{cancelled}")
    assert list(chain(*pages(alice, path))) == made[::-2]


def test_the_link_keeps_text_that_an_address_has_to_escape(site):
    admin = site.user(admin=True)
    for _ in range(3):
        admin.post("/analytics/event", {"eventType": "a&b=ü <c>"}, status=201)
    got = list(pages(admin, "/analytics/events?limit=2&type=a%26b%3D%C3%BC+%3Cc%3E"))
    assert [len(page) for page in got] == [2, 1]


def test_nobody_sees_rows_of_others_by_a_cursor(site):
    admin, path, _ = filled(site, LISTS[1], 4)
    link = NEXT.fullmatch(admin.get(f"{path}?limit=1").headers["Link"])[1]
    bob = site.user("Bob")
    assert site.app.get(link, headers={"Authorization": f"Bearer {bob.token}"}, status=200).json == []
    site.app.get(link, status=401)
