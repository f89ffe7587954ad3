import re
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import sqlalchemy as sa

from scheduling.accounts.models import users
from scheduling.db.session import session_scope
from scheduling.security.tokens import Tokens
from scheduling.times import format_timestamp, utcnow
from scheduling_analytics.models import analytics_events
from tests.kit.factories import refused_fields

WIRE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
EVENT = {"id", "user_id", "event_type", "metadata", "created_at", "user_name", "user_email"}
MAX_METADATA = 16 * 1024


def happened(site, event_type, client=None, **ago):
    moment = datetime.now(UTC).replace(microsecond=0) - timedelta(**ago)
    row = {"event_type": event_type, "user_id": client and client.id, "metadata": {}, "created_at": moment}
    with session_scope(site.registry) as db:
        db.write(sa.insert(analytics_events).values(row))
    return format_timestamp(moment)


def forget_what_happened(site):
    with session_scope(site.registry) as db:
        db.write(sa.delete(analytics_events))


def events(site, query=""):
    return site.user("Ada", admin=True).get(f"/analytics/events{query}").json


def sent_by(site, event_type):
    [event] = events(site, f"?type={event_type}")
    return event["user_id"]


def post(client, event_type="click", **fields):
    return client.post("/analytics/event", {"eventType": event_type} | fields, status=201).json


def test_an_event_is_answered_with_its_id_and_type(site):
    alice = site.user()
    answer = post(alice, "page_view", metadata={"path": "/"})
    assert set(answer) == {"message", "event"}
    assert set(answer["event"]) == {"id", "event_type"}
    assert answer["event"]["event_type"] == "page_view"
    [event] = events(site, "?type=page_view")
    assert set(event) == EVENT
    assert event["id"] == answer["event"]["id"]
    assert (event["user_id"], event["user_name"], event["user_email"]) == (alice.id, "Alice", alice.email)
    assert event["metadata"] == {"path": "/"}
    assert WIRE_TIME.fullmatch(event["created_at"])


def test_without_a_token_an_event_is_anonymous(site):
    post(site.anonymous)
    [event] = events(site, "?type=click")
    assert (event["user_id"], event["user_name"], event["user_email"]) == (None, None, None)


def issue(site, alice, secret, lifetime):
    with session_scope(site.registry) as db:
        user = db.row(sa.select(users).where(users.c.id == alice.id))
    return Tokens(secret, lifetime).issue(user, utcnow())


def forged(site, alice):
    return issue(site, alice, "another secret of more than thirty-two bytes", 60)


def expired(site, alice):
    return issue(site, alice, site.registry.core_settings.jwt_secret, -60)


def revoked(site, alice):
    alice.post("/auth/logout", {"everywhere": True})
    return alice.token


def of_nobody(site, alice):
    with session_scope(site.registry) as db:
        db.write(sa.delete(users).where(users.c.id == alice.id))
    return alice.token


@pytest.mark.parametrize("make_token", [forged, expired, revoked, of_nobody])
def test_a_bad_token_makes_an_event_anonymous(site, make_token):
    token = make_token(site, site.user())
    headers = {"Authorization": f"Bearer {token}"}
    site.anonymous.post("/analytics/event", {"eventType": "click"}, headers=headers, status=201)
    assert sent_by(site, "click") is None


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer", "Basic YWxpY2U6c2VjcmV0", "Bearer é", ""])
def test_a_malformed_header_makes_an_event_anonymous(site, header):
    headers = {"Authorization": header}
    site.anonymous.post("/analytics/event", {"eventType": "click"}, headers=headers, status=201)
    assert sent_by(site, "click") is None


@pytest.mark.parametrize("wrong", [None, "", "  ", 7, True, ["x"], {"x": 1}, "a\0b"])
def test_a_missing_or_wrong_type_is_refused(site, wrong):
    refused = site.anonymous.post("/analytics/event", {"eventType": wrong}, status=400)
    assert refused_fields(refused) == {"eventType"}


@pytest.mark.parametrize("letter", ["x", "会", "😀"])
def test_a_type_has_at_most_100_characters(site, letter):
    assert post(site.anonymous, letter * 100)["event"]["event_type"] == letter * 100
    refused = site.anonymous.post("/analytics/event", {"eventType": letter * 101}, status=400)
    assert refused_fields(refused) == {"eventType"}


@pytest.mark.parametrize(
    "metadata", [[], [1], "text", 7, True, {"a": "b\0c"}, {"a\0": 1}, {"a": [{"b": "\0"}]}]
)
def test_metadata_that_is_no_object_or_holds_a_nul_is_refused(site, metadata):
    sent = {"eventType": "click", "metadata": metadata}
    assert refused_fields(site.anonymous.post("/analytics/event", sent, status=400)) == {"metadata"}


@pytest.mark.parametrize(
    "metadata", [{}, {"Größe": "会議", "nested": {"list": [1, 2.5, None, True, "<b>"]}, "": " untrimmed "}]
)
def test_metadata_is_kept_as_it_was_sent(site, metadata):
    post(site.anonymous, metadata=metadata)
    assert events(site, "?type=click")[0]["metadata"] == metadata


@pytest.mark.parametrize("fields", [{}, {"metadata": None}])
def test_metadata_may_be_missing(site, fields):
    post(site.anonymous, **fields)
    assert events(site, "?type=click")[0]["metadata"] == {}


@pytest.mark.parametrize("letter", ["x", "é"])
def test_metadata_has_at_most_16_kib_of_json(site, letter):
    room = MAX_METADATA - len(orjson.dumps({"k": ""}))
    longest = letter * (room // len(letter.encode()))
    post(site.anonymous, metadata={"k": longest + "x" * (room % len(letter.encode()))})
    too_large = {"eventType": "click", "metadata": {"k": longest + letter}}
    assert refused_fields(site.anonymous.post("/analytics/event", too_large, status=400)) == {"metadata"}


def test_the_dashboard_counts_what_happened(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    forget_what_happened(site)
    first = happened(site, "view", alice, hours=5)
    happened(site, "view", alice, hours=4)
    happened(site, "view", bob, hours=3)
    last = happened(site, "view", None, hours=2)
    anonymous = [happened(site, "click", None, hours=hours) for hours in (7, 6)]
    only = happened(site, "buy", bob, hours=1)
    assert alice.get("/analytics/dashboard").json == {
        "period": "Last 30 days",
        "overview": {"total_events": 7, "unique_users": 2, "event_types": 3},
        "breakdown": [
            {"event_type": "view", "count": 4, "unique_users": 2, "first_event": first, "last_event": last},
            {
                "event_type": "click",
                "count": 2,
                "unique_users": 0,
                "first_event": anonymous[0],
                "last_event": anonymous[1],
            },
            {"event_type": "buy", "count": 1, "unique_users": 1, "first_event": only, "last_event": only},
        ],
    }


def test_the_dashboard_of_nothing_is_zeros(site):
    alice = site.user()
    forget_what_happened(site)
    dashboard = alice.get("/analytics/dashboard").json
    assert dashboard["overview"] == {"total_events": 0, "unique_users": 0, "event_types": 0}
    assert dashboard["breakdown"] == []


def test_the_dashboard_looks_back_as_many_days_as_asked(site):
    alice = site.user()
    forget_what_happened(site)
    for days in (0, 1, 30, 366):
        happened(site, f"{days} days", alice, days=days, minutes=1)
    for days, total in ((1, 1), (2, 2), (30, 2), (31, 3), (366, 3)):
        dashboard = alice.get(f"/analytics/dashboard?days={days}").json
        assert dashboard["period"] == f"Last {days} days"
        assert dashboard["overview"]["total_events"] == total


@pytest.mark.parametrize(
    "days", ["0", "367", "-1", "x", "1.5", "1e1", "%2B3", "99999999999999999999", "%C2%B2"]
)
def test_days_are_1_to_366(site, days):
    assert refused_fields(site.user().get(f"/analytics/dashboard?days={days}", status=400)) == {"days"}


def test_an_account_that_is_gone_leaves_its_events_behind_anonymous(site):
    alice, bob = site.user("Alice"), site.user("Bob")
    forget_what_happened(site)
    post(alice)
    post(bob)
    with session_scope(site.registry) as db:
        db.write(sa.delete(users).where(users.c.id == bob.id))
    overview = alice.get("/analytics/dashboard").json["overview"]
    assert overview == {"total_events": 2, "unique_users": 1, "event_types": 1}
    gone, kept = events(site, "?type=click")
    assert (gone["user_id"], gone["user_name"], gone["user_email"]) == (None, None, None)
    assert kept["user_id"] == alice.id


def test_the_dashboard_is_for_everybody_who_is_logged_in_and_the_events_for_site_admins(site):
    alice = site.user()
    alice.get("/analytics/dashboard", status=200)
    alice.get("/analytics/events", status=403)
    site.anonymous.get("/analytics/dashboard", status=401)
    assert (
        site.anonymous.get("/analytics/events", status=401).headers["WWW-Authenticate"].startswith("Bearer")
    )


def test_events_are_listed_newest_first_50_at_once(site):
    ada = site.user("Ada", admin=True)
    forget_what_happened(site)
    for minutes in range(51):
        happened(site, f"{minutes}", minutes=minutes)
    first = ada.get("/analytics/events")
    assert [event["event_type"] for event in first.json] == [f"{minutes}" for minutes in range(50)]
    following = re.fullmatch('</api/v1(.+)>; rel="next"', first.headers["Link"])[1]
    assert [event["event_type"] for event in ada.get(following).json] == ["50"]
    assert len(ada.get("/analytics/events?limit=200").json) == 51
    assert len(ada.get("/analytics/events?limit=1").json) == 1


def test_a_type_narrows_the_events_and_their_pages(site):
    ada = site.user("Ada", admin=True)
    for minutes in range(4):
        happened(site, "a type & more" if minutes % 2 else "other", minutes=minutes)
    first = ada.get("/analytics/events", params={"type": "a type & more", "limit": "1"})
    following = re.fullmatch('</api/v1(.+)>; rel="next"', first.headers["Link"])[1]
    second = ada.get(following)
    assert [event["event_type"] for event in first.json + second.json] == ["a type & more"] * 2
    assert first.json != second.json
    assert ada.get("/analytics/events?type=unheard-of").json == []


@pytest.mark.parametrize("wrong", ["limit=0", "limit=201", "limit=x", "cursor=x", f"type={'x' * 101}"])
def test_a_bad_page_or_type_is_refused(site, wrong):
    refused = site.user("Ada", admin=True).get(f"/analytics/events?{wrong}", status=400)
    assert refused_fields(refused) == {wrong.partition("=")[0]}
